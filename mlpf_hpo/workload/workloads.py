"""Workloads of the benchmark by name: what each copy does, and the key of its score.

An installed package adds one by an entry point of `mlpf_hpo.workloads`, which leads to a `Workload`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.extensions import Registry
from mlpf_hpo.workload.mlpf_inference import MLPFInference
from mlpf_hpo.workload.mlpf_training import MLPFTraining

Job = Mapping[str, Any]
"""What a copy is to do: `configuration`, `seed`, `events` and `validation` (paths of event stores),
`events_digest`, `network`, `training`, `epochs`, `device` (cpu, gpu, ...), `checkpoints` (a folder).
"""

OnEpoch = Callable[[int, Mapping[str, float]], None]
"""Called after each epoch with its number, from 1, and its metrics, all of `worker.REPORTED` and one of
`worker.LOSSES` among them: all copies must come to the same loss."""


class Workload(Protocol):
    """What the benchmark measures."""

    @property
    def description(self) -> str:
        """One line for the report."""
        ...

    @property
    def configuration(self) -> Mapping[str, Any]:
        """What every machine does, as JSON holds it. Another one makes scores incomparable."""
        ...

    @property
    def device(self) -> Literal["cpu", "gpu"]:
        """Kind of device that it measures: none other is allowed under its name."""
        ...

    def flop_per_event(self, job: Job) -> float | None:
        """Return the operations per event, None where they are not counted."""
        ...

    def padding_ratio(self, element_counts: IntArray) -> float:
        """Return the elements that are computed over those that events of these sizes have, 1 or more."""
        ...

    def run(self, job: Job, on_epoch: OnEpoch) -> str:
        """Go through the events `epochs` times; return "finished", or how else it ended, for people."""
        ...


DEFAULT = "mlpf-train-cpu"

TRAINING_ON = {"cpu": DEFAULT, "gpu": "mlpf-train-gpu"}
"""What is measured on a kind of device by default."""

WORKLOADS: Registry[Workload] = Registry(
    "mlpf_hpo.workloads",
    "workload",
    {
        DEFAULT: MLPFTraining(),
        TRAINING_ON["gpu"]: MLPFTraining(device="gpu"),
        "mlpf-infer-cpu": MLPFInference(),
    },
)
"""By the key of the score."""
