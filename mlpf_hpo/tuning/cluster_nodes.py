"""Nodes of a running cluster: asked at the start whether they can train, and named if they lack something."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.tuning.driver_files import DriverFiles
from mlpf_hpo.tuning.node_report import NodeReport, report_of_node, size
from mlpf_hpo.tuning.shares import Node
from mlpf_hpo.tuning.task import Task

log = logging.getLogger(__name__)

ANSWER_SECONDS = 120.0
"""How long a node may take to start a process that answers: seconds, on a busy machine more."""

WITHOUT = "or take the node out of the cluster (`ray stop` on it)"

_CAUSE = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception): .*)$", re.MULTILINE)


@dataclass(frozen=True)
class ClusterNode:
    """A node that is alive.

    Attributes
    ----------
    node_id, name : str
        Ray's identity of it; its host name with the beginning of that.
    has : Node
        What Ray may give to trials there.
    """

    node_id: str
    name: str
    has: Node


def is_attached() -> bool:
    """Tell whether this process uses a cluster that it has not started itself."""
    return not ray._private.worker._global_node.head


def own_node() -> str:
    """Return the id of the node that this process is on."""
    return str(ray.get_runtime_context().get_node_id())


def live_nodes() -> list[ClusterNode]:
    """Return the nodes of the cluster, by name."""
    found = [
        ClusterNode(
            node["NodeID"],
            f"{node['NodeManagerHostname']} ({node['NodeID'][:6]})",
            Node(int(node["Resources"].get("CPU", 0)), node["Resources"].get("GPU", 0.0)),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    return sorted(found, key=lambda node: node.name)


@dataclass
class NodeChecks:
    """Asks each node once whether it can train trials of a task.

    Attributes
    ----------
    task : Task
        What is trained.
    files : DriverFiles
        The driver's files.
    """

    task: Task
    files: DriverFiles
    _asked: dict[str, NodeReport] = field(default_factory=dict)

    def check(self, nodes: Sequence[ClusterNode]) -> None:
        """Ask the nodes that were not asked yet, all at once, and say in a line how files reach them.

        Raises
        ------
        ConfigurationError
            If one cannot train; the message names it, with what it lacks.
        """
        new = [node for node in nodes if node.node_id not in self._asked]
        if not new:
            return
        reports = self._ask(new)
        own = report_of_node(self.task, self.files)
        here = own_node()
        if any(
            node.node_id == here and not report.sees_state for node, report in zip(new, reports, strict=True)
        ):
            raise ConfigurationError(
                f"{self.files.mark.parents[2]}: the node of the Ray cluster on this machine does not see "
                "this folder; start it where it does (outside of the container, or with that folder in it)"
            )
        problems = [
            f"node {node.name}: {problem}, {WITHOUT}"
            for node, report in zip(new, reports, strict=True)
            if (problem := report.problem(own, self.task, self.files))
        ]
        if problems:
            others = f" ({len(problems) - 1} other nodes lack something too)" if problems[1:] else ""
            raise ConfigurationError(problems[0] + others)
        for node, report in zip(new, reports, strict=True):
            self._asked[node.node_id] = report
            if different := report.difference(own):
                log.warning("node %s: trials may differ from those of this machine: %s", node.name, different)
        log.warning("%s", self._describe(new))

    def _ask(self, nodes: Sequence[ClusterNode]) -> list[NodeReport]:
        asked = ray.remote(num_cpus=0, max_retries=0)(report_of_node)
        answers = [
            asked.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False)
            ).remote(self.task, self.files)
            for node in nodes
        ]
        deadline = time.monotonic() + ANSWER_SECONDS
        return [_answer(node, answer, deadline) for node, answer in zip(nodes, answers, strict=True)]

    def _describe(self, nodes: Sequence[ClusterNode]) -> str:
        """Return how code, data and checkpoints reach nodes that have just been asked."""
        without_state = [node.name for node in nodes if not self._asked[node.node_id].sees_state]
        without_data = [node.name for node in nodes if not self._asked[node.node_id].sees_data]
        ways = ["code by Ray's runtime environment"]
        shared = (
            "the file system that all see"
            if not without_state
            else "this file system, and Ray's object store"
        )
        ways.append(f"checkpoints by {shared}" + _to(without_state))
        if self.files.data is not None:
            shared = "the file system that all see" if not without_data else "this one, and copies"
            much = f" ({size(self.files.data_bytes)}, by Ray's object store)" if without_data else ""
            ways.append(f"data by {shared}{much}" + _to(without_data))
        return f"{len(nodes)} nodes of the Ray cluster can train: " + "; ".join(ways)


def _to(names: Sequence[str]) -> str:
    """Return to which nodes, some of them by name."""
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f" to {listed}" if names else ""


def _answer(node: ClusterNode, answer: Any, deadline: float) -> NodeReport:
    """Return what a node answers.

    Raises
    ------
    ConfigurationError
        If it cannot; the message has the last error of what Ray tells.
    """
    try:
        report: NodeReport = ray.get(answer, timeout=max(deadline - time.monotonic(), 0.1))
    except ray.exceptions.GetTimeoutError:
        raise ConfigurationError(
            f"node {node.name}: no process that answers within {ANSWER_SECONDS:g} s; look at the logs in "
            f"Ray's temporary folder there, {WITHOUT}"
        ) from None
    except (ray.exceptions.RayError, ImportError, AttributeError) as error:
        causes = _CAUSE.findall(str(error))
        reason = causes[-1] if causes else f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise ConfigurationError(
            f"node {node.name}: its processes cannot load the package and the task: {reason}; install the "
            f"package there, from the same constraints.txt, {WITHOUT}"
        ) from None
    return report
