"""One copy of the benchmark, run as ``python -m mlpf_hpo.workload.worker JOB.json`` in its own folder."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from mlpf_hpo.hardware.roofline import measure_roofline
from mlpf_hpo.workload.copies import CopyChannel
from mlpf_hpo.workload.workloads import WORKLOADS

REPORTED = (
    "throughput/events_per_second",
    "throughput/elements_per_second",
    "system/cpu_fraction",
    "system/peak_rss_megabytes",
)
"""Metrics that a copy reports to the driver after each epoch."""

LOSSES = ("train/loss", "val/loss")
"""One of these as well, by which copies are compared: the first that a workload has."""

ON_GPU = "system/gpu_memory_megabytes"
"""Reported as well, where there is a GPU."""


def main(job_file: str) -> None:
    """Measure the machine and run the workload, each step begun together with the other copies."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    logging.basicConfig(level=logging.DEBUG if job["debug"] else logging.WARNING)
    if job["processors"] is not None:
        os.sched_setaffinity(0, job["processors"])  # before PyTorch starts threads, which inherit it
    channel, workload = CopyChannel(), WORKLOADS[job["workload"]]
    torch.set_num_threads(job["training"]["threads"])
    if job["count_flop"]:
        channel.report(flop_per_event=workload.flop_per_event(job))
    channel.barrier()  # what the machine can do is measured under the load that the training will see
    device = "cpu" if job["device"] == "cpu" else "cuda"
    roofline = measure_roofline(device, job["training"]["precision"], job["roofline_seconds"])
    channel.report(roofline=dataclasses.asdict(roofline))
    channel.barrier()
    channel.report(training_since=time.monotonic())

    def after(epoch: int, metrics: Mapping[str, float]) -> None:
        missing = [name for name in REPORTED if name not in metrics]
        losses = [metrics[name] for name in LOSSES if name in metrics]
        if missing or not losses:
            lacking = ", ".join(missing or LOSSES[:1])
            sys.exit(f"workload {job['workload']}: epoch {epoch} lacks {lacking}")
        reported = {name: value for name, value in metrics.items() if name in (*REPORTED, ON_GPU)}
        channel.report(epoch=epoch, now=time.monotonic(), loss=losses[0], **reported)
        if epoch == job["warm_up_epochs"]:
            channel.barrier()
            channel.report(measuring_since=time.monotonic())

    status = workload.run(job, after)
    if status != "finished":
        sys.exit(f"{job['workload']} {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
