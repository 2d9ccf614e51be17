"""One copy of the benchmark, run as ``python -m mlpf_hpo.workload.worker JOB.json`` in its own folder."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
import time
from pathlib import Path

import torch

from mlpf_hpo.config import NetworkParams, TrainingParams
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.hardware.roofline import measure_roofline
from mlpf_hpo.mlpf.flop import training_flop
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.mlpf.task import MLPFTask
from mlpf_hpo.mlpf.training import train_trial
from mlpf_hpo.tuning.messages import EpochReport
from mlpf_hpo.tuning.task import TrialSpec
from mlpf_hpo.workload.copies import CopyChannel

TOLD = frozenset(
    {
        "train/loss",
        "throughput/events_per_second",
        "throughput/elements_per_second",
        "system/cpu_fraction",
        "system/peak_rss_megabytes",
        "system/gpu_memory_megabytes",
    }
)
"""Metrics that the driver hears."""


def main(job_file: str) -> None:
    """Measure the machine and train, each step begun together with the other copies."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    logging.basicConfig(level=logging.DEBUG if job["debug"] else logging.WARNING)
    channel = CopyChannel()
    task = MLPFTask(
        train_store=Path(job["events"]),
        validation_store=Path(job["validation"]),
        data_digest=job["events_digest"],
        network=NetworkParams(**job["network"]),
        training=TrainingParams(**job["training"]),
    )
    spec = TrialSpec("benchmark", job["configuration"], job["seed"], task)
    torch.set_num_threads(task.training.threads)
    if job["count_flop"]:
        channel.tell(flop_per_event=flop_per_event(spec))
    channel.barrier()  # what the machine can do is measured under the load that the training will see
    device = "cpu" if job["device"] == "cpu" else "cuda"
    roofline = measure_roofline(device, task.training.precision, job["roofline_seconds"])
    channel.tell(roofline=dataclasses.asdict(roofline))
    channel.barrier()
    channel.tell(training_since=time.monotonic())

    def after(report: EpochReport) -> None:
        told = {name: value for name, value in report.metrics.items() if name in TOLD}
        channel.tell(epoch=report.epoch, now=time.monotonic(), **told)
        if report.epoch == job["warm_up_epochs"]:
            channel.barrier()
            channel.tell(measuring_since=time.monotonic())

    end = train_trial(spec, job["epochs"], Path(job["checkpoints"]), after)
    if end.status != "finished":
        sys.exit(f"the training {end.status} after {end.epochs} epochs: its loss is no longer finite")


def flop_per_event(spec: TrialSpec[MLPFTask]) -> float:
    """Return the operations of a training step per event, the mean over the events of the training sample.

    Those of the function, as `hardware.flop` counts them in every trial.
    """
    with torch.random.fork_rng(devices=[]):
        network = MLPFModule(spec.configuration, spec.task.network, seed=spec.seed).network
    store = EventStore.open(spec.task.train_store)
    return training_flop(network, store.element_counts) / len(store)


if __name__ == "__main__":
    main(*sys.argv[1:])
