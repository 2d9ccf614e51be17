"""One copy of the benchmark, run as ``python -m mlpf_hpo.workload.worker JOB.json`` in its own folder."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from mlpf_hpo.config import NetworkParams, TrainingParams
from mlpf_hpo.tuning.trial import EpochReport, TrialSpec, train_trial
from mlpf_hpo.workload.copies import CopyChannel


def main(job_file: str) -> None:
    """Train, and tell the driver after every epoch."""
    channel = CopyChannel()
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    spec = TrialSpec(
        trial_id="benchmark",
        configuration=job["configuration"],
        seed=job["seed"],
        train=Path(job["events"]),
        validation=Path(job["validation"]),
        events_digest=job["events_digest"],
        network=NetworkParams(**job["network"]),
        training=TrainingParams(**job["training"]),
    )
    started: float | None = None

    def after(report: EpochReport) -> None:
        nonlocal started
        usage = resource.getrusage(resource.RUSAGE_SELF)
        channel.tell(
            epoch=report.epoch,
            now=time.monotonic(),
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            **{name: value for name, value in report.metrics.items() if name in TOLD},
        )
        if report.epoch == 1:  # the warm-up epoch is over: everybody measures from here on
            channel.barrier()
            channel.tell(measuring_since=time.monotonic())

    train_trial(spec, job["epochs"], Path(job["checkpoints"]), after)


TOLD: frozenset[str] = frozenset(
    {
        "train/loss",
        "val/loss",
        "throughput/events_per_second",
        "throughput/elements_per_second",
        "time/train_seconds",
        "time/data_wait_seconds",
        "system/cpu_fraction",
        "system/rss_megabytes",
    }
)


if __name__ == "__main__":
    arguments: list[Any] = sys.argv[1:]
    main(*arguments)
