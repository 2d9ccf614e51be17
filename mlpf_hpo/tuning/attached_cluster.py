"""A running cluster during a run of trials: its nodes are checked, files reach them, and its room changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray

from mlpf_hpo.tuning.cluster_nodes import ClusterNode, NodeChecks, is_attached, live_nodes, own_node
from mlpf_hpo.tuning.driver_files import marked
from mlpf_hpo.tuning.file_keeper import start_keeper
from mlpf_hpo.tuning.files_at_hand import FileAccess
from mlpf_hpo.tuning.shares import room_of
from mlpf_hpo.tuning.task import Task

LOOK_SECONDS = 2.0
"""How often the nodes are counted."""


@dataclass
class AttachedCluster:
    """A cluster that this process has not started, and whose nodes may come and go.

    Attributes
    ----------
    access : FileAccess
        How workers come by the driver's files.
    checks : NodeChecks
        Which nodes were checked.
    cpus_per_trial, gpus_per_trial : float
        What a trial takes of a node.
    concurrency : int or None
        The most trials at once, None for as many as there is room for.
    """

    access: FileAccess
    checks: NodeChecks
    cpus_per_trial: int
    gpus_per_trial: float
    concurrency: int | None
    _room: int = 0
    _looked: float = float("-inf")

    def room(self) -> int:
        """Return how many trials may run now; while no node has room, one, which waits for it within Tune."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._room = sum(
                room_of(node.has, self.cpus_per_trial, self.gpus_per_trial) for node in live_nodes()
            )
            self._looked = time.monotonic()
        room = max(self._room, 1)
        return room if self.concurrency is None else min(room, self.concurrency)

    def check_nodes(self) -> None:
        """Check the nodes that may train and were not checked yet.

        Raises
        ------
        ConfigurationError
            If one lacks something; the message names it.
        """
        here = own_node()
        self.checks.check([node for node in live_nodes() if node.node_id == here or self._trains(node)])

    def _trains(self, node: ClusterNode) -> bool:
        return room_of(node.has, self.cpus_per_trial, self.gpus_per_trial) > 0


@contextmanager
def attached_cluster(
    task: Task,
    state: Path,
    checkpoints: Path,
    cpus_per_trial: int,
    gpus_per_trial: float,
    concurrency: int | None,
) -> Iterator[AttachedCluster | None]:
    """Yield the cluster that this process is attached to, its nodes checked; None if the session is its own.

    Raises
    ------
    ConfigurationError
        If a node lacks something.
    StorageError
        If the folder of state cannot be written.
    """
    if not is_attached():
        yield None
        return
    data = task.dataset_path if task.dataset_path is not None and task.dataset_path.is_dir() else None
    with marked(state, data) as files:
        keeper = start_keeper(checkpoints, data)
        try:
            checks = NodeChecks(task, files)
            access = FileAccess(files, keeper)
            cluster = AttachedCluster(access, checks, cpus_per_trial, gpus_per_trial, concurrency)
            cluster.check_nodes()
            yield cluster
        finally:
            ray.kill(keeper)
