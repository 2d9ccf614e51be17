"""A workload of the benchmark: a network of fixed configuration reconstructs events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlpf_hpo.workload.mlpf_training import MLPFWorkload, network_of


@dataclass(frozen=True)
class MLPFInference(MLPFWorkload):
    """Inference of MLPF, see `workloads.Workload`."""

    description: str = "Inference throughput of MLPF (particle-flow reconstruction) in events per second"
    device: Literal["cpu", "gpu"] = "cpu"

    def flop_per_event(self, job: Mapping[str, Any]) -> float:
        """Return the operations of reconstructing an event, the mean over the sample."""
        from mlpf_hpo.events.store import EventStore
        from mlpf_hpo.mlpf.flop import inference_flop

        store = EventStore.open(job["events"])
        return inference_flop(network_of(job), store.element_counts) / len(store)

    def run(self, job: Mapping[str, Any], on_epoch: Callable[[int, Mapping[str, float]], None]) -> str:
        """Reconstruct all events once per epoch, in batches that are read before."""
        import torch

        from mlpf_hpo.events.datamodule import event_loader
        from mlpf_hpo.events.store import EventStore
        from mlpf_hpo.hardware.memory import forget_peak_memory, keep_freed_memory, peak_memory
        from mlpf_hpo.mlpf.loss import mlpf_loss
        from mlpf_hpo.mlpf.step_accounting import StepAccounting
        from mlpf_hpo.mlpf.training import check_precision

        check_precision(job["training"]["precision"])
        forget_peak_memory()
        keep_freed_memory()
        store, network = EventStore.open(job["events"]), network_of(job).eval()
        batches = list(event_loader(store, batch_size=job["training"]["batch_events"]))
        mixed = torch.autocast("cpu", torch.bfloat16, enabled=job["training"]["precision"] == "bf16-mixed")
        for epoch in range(1, job["epochs"] + 1):
            account = StepAccounting(threads=torch.get_num_threads())
            clock, cpu_clock = time.perf_counter(), time.process_time()
            with torch.inference_mode(), mixed:
                predictions = [network(batch.x, batch.ptr) for batch in batches]
            account.train_seconds = time.perf_counter() - clock
            account.cpu_seconds = time.process_time() - cpu_clock
            account.events, account.elements = len(store), int(store.element_counts.sum())
            account.peak_rss = peak_memory()
            terms = [mlpf_loss(each, batch.y) for each, batch in zip(predictions, batches, strict=True)]
            loss = float(sum(terms[1:], terms[0]).total)
            on_epoch(epoch, {**account.metrics(), "val/loss": loss})
        return "finished"
