"""What each trial gets of a machine or of a cluster's nodes, and how many run at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.task import TaskResources


class Node(NamedTuple):
    """What a machine has."""

    cpus: int
    gpus: float


@dataclass(frozen=True)
class Share:
    """What each trial gets, and how many run at once."""

    concurrency: int
    cpus_per_trial: int
    gpus_per_trial: float


def share(resources: ResourceParams, task_resources: TaskResources, cpus: int, gpus: float) -> Share:
    """Divide a machine among trials; a trial with more threads than there are cores runs alone.

    Examples
    --------
    >>> share(ResourceParams(), TaskResources(threads=2), cpus=9, gpus=0)
    Share(concurrency=4, cpus_per_trial=2, gpus_per_trial=0.0)
    >>> share(ResourceParams(gpus_per_trial=0.5), TaskResources(), cpus=16, gpus=2).concurrency
    4
    >>> share(ResourceParams(), TaskResources(threads=2, processes=4), cpus=32, gpus=8)
    Share(concurrency=2, cpus_per_trial=8, gpus_per_trial=4.0)

    Raises
    ------
    ConfigurationError
        If a trial is to get more GPUs than there are.
    """
    gpus_per_trial = _gpus_per_trial(resources, task_resources, gpus)
    per_trial = task_resources.cpus
    if resources.concurrency != "auto":
        return Share(resources.concurrency, per_trial, gpus_per_trial)
    room = room_of(Node(max(cpus, per_trial), gpus), per_trial, gpus_per_trial)
    return Share(room, per_trial, gpus_per_trial)


def share_of_nodes(resources: ResourceParams, task_resources: TaskResources, nodes: Sequence[Node]) -> Share:
    """Divide a cluster among trials, each of which is on one node.

    Examples
    --------
    >>> nodes = [Node(cpus=3, gpus=0), Node(cpus=5, gpus=0)]
    >>> share_of_nodes(ResourceParams(), TaskResources(threads=2), nodes).concurrency  # 1 and 2
    3

    Raises
    ------
    ConfigurationError
        If no node has what a trial takes: it would wait for ever.
    """
    gpus_per_trial = _gpus_per_trial(
        resources, task_resources, max((node.gpus for node in nodes), default=0.0)
    )
    per_trial = task_resources.cpus
    room = sum(room_of(node, per_trial, gpus_per_trial) for node in nodes)
    if not room:
        have = "; ".join(sorted({f"{node.cpus} cores and {node.gpus:g} GPUs" for node in nodes}))
        raise ConfigurationError(
            f"resources: a trial takes {per_trial} cores (processes_per_trial x training.threads) and "
            f"{gpus_per_trial:g} GPUs of one node, and no node of the cluster has them ({have}); let a trial "
            "take less, or add such a node"
        )
    return Share(
        room if resources.concurrency == "auto" else resources.concurrency, per_trial, gpus_per_trial
    )


def _gpus_per_trial(resources: ResourceParams, task_resources: TaskResources, gpus: float) -> float:
    """Return a trial's GPUs, of those of one machine; by default each of its processes has one."""
    wanted, processes = resources.gpus_per_trial, task_resources.processes
    if wanted != "auto":
        if wanted > gpus:
            raise ConfigurationError(f"resources.gpus_per_trial: {wanted:g} of {gpus:g} GPUs; use auto or 0")
        return float(wanted)
    if not gpus:
        return 0.0
    if processes > gpus:
        raise ConfigurationError(
            f"resources.gpus_per_trial: by auto each of a trial's {processes} processes has a GPU, and there "
            f"are {gpus:g}; use at most {gpus:g} (resources.processes_per_trial), or let the processes share "
            "GPUs by a number here"
        )
    return float(processes)


def room_of(node: Node, cpus_per_trial: int, gpus_per_trial: float) -> int:
    """Return how many trials a machine has room for; a trial's share of a GPU is of a single one."""
    room = node.cpus // cpus_per_trial
    if not gpus_per_trial:
        return room
    of_one = math.floor(1 / gpus_per_trial + 1e-9)
    with_gpus = int(node.gpus) * of_one if of_one else math.floor(node.gpus / gpus_per_trial + 1e-9)
    return min(room, with_gpus)
