"""A workload: gradient descent on a least-squares problem, with events as rows."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlpf_hpo.events.store import EventStore

STEPS = 200


class MatrixSteps:
    """Steps on the mean features of events."""

    description = "Steps of gradient descent on the mean features of events"
    device = "cpu"

    def __init__(self) -> None:
        self.configuration = {"steps": STEPS, "rate": 1e-6}

    def flop_per_event(self, job: Mapping[str, Any]) -> None:
        """Count nothing."""

    def padding_ratio(self, element_counts: Any) -> float:
        """Return that nothing is padded."""
        return 1.0

    def run(self, job: Mapping[str, Any], on_epoch: Callable[[int, Mapping[str, float]], None]) -> str:
        """Train for `epochs` epochs of `steps` steps."""
        store = EventStore.open(job["events"])
        rows = np.array([store[i].features.mean(axis=0, dtype=np.float64) for i in range(len(store))])
        weights, target = np.zeros(rows.shape[1]), np.ones(len(rows))
        for epoch in range(1, job["epochs"] + 1):
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(job["configuration"]["steps"]):
                weights -= job["configuration"]["rate"] * rows.T @ (rows @ weights - target)
            seconds = time.perf_counter() - wall
            on_epoch(
                epoch,
                {
                    "train/loss": float(((rows @ weights - target) ** 2).mean()),
                    "throughput/events_per_second": len(rows) * STEPS / seconds,
                    "throughput/elements_per_second": int(store.element_counts.sum()) * STEPS / seconds,
                    "system/cpu_fraction": (time.process_time() - cpu) / seconds,
                    "system/peak_rss_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                },
            )
        return "finished"


WORKLOAD = MatrixSteps()
