"""Throughput of a training: a Lightning callback that counts real events and elements."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytorch_lightning as pl
import torch

from mlpf_hpo.hardware.energy import TrainingEnergy
from mlpf_hpo.hardware.memory import forget_peak_memory, peak_memory
from mlpf_hpo.hardware.roofline import GEMM_DTYPES, process_gemm_peak
from mlpf_hpo.mlpf.distributed import devices, largest, n_ranks
from mlpf_hpo.mlpf.network import MLPF
from mlpf_hpo.mlpf.step_accounting import CONTENDED_BELOW, StepAccounting


class ThroughputCallback(pl.Callback):
    """Measures training steps only, epoch by epoch.

    Validation, checkpoints and reports stand outside the clock; the wait for data is measured apart. The very
    first batch of a training warms caches up and is left out where an epoch has more than one. On a GPU the
    device is waited for at the edges of the measured span only. Ranks that train together report the same.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._warm = False
        self._gemm_peak = 0.0
        self._metrics: dict[str, float] = {}
        self._reset()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure what the machine can do at best, and forget what memory others took in this process."""
        precision = str(trainer.precision).removesuffix("-true")
        if precision in GEMM_DTYPES and isinstance(getattr(pl_module, "network", None), MLPF):
            self._gemm_peak = process_gemm_peak(pl_module.device.type, precision)
        forget_peak_memory()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin an epoch's account."""
        self._reset()
        self._epoch_started = self._idle_since = time.perf_counter()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note when the batch was there."""
        now = time.perf_counter()
        if not self._started:
            self._begin(pl_module)
        self._account.data_wait += now - self._idle_since

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch."""
        if self._warm or trainer.num_training_batches == 1:
            self._account.events += int(batch.num_graphs)
            self._account.elements += int(batch.num_nodes)
            self._boundaries.append(batch.ptr)  # looked at when the clock stands: on a GPU that waits
        else:  # the warm-up batch: the account begins after it
            self._warm = True
            self._account.data_wait = 0.0
            self._begin(pl_module)
        self._energy.follow()
        self._idle_since = time.perf_counter()
        if trainer.is_last_batch:
            self._end(pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the account, validation included in the epoch's whole time."""
        self._account.epoch_seconds = time.perf_counter() - self._epoch_started
        self._account.rss, self._account.peak_rss = self._process.memory_info().rss, peak_memory()
        everyone = self._account.over_ranks(pl_module.device)
        self._metrics = everyone.metrics()
        if self._joules is not None:
            self._metrics["throughput/joules_per_event"] = self._joules / everyone.events
        if torch.cuda.is_available():
            allocated = torch.tensor(torch.cuda.max_memory_allocated(), device=pl_module.device)
            self._metrics["system/gpu_memory_megabytes"] = float(largest(allocated)) / 1e6
        else:  # a process that waits for a GPU is not contended
            contended = self._metrics["system/cpu_fraction"] < CONTENDED_BELOW
            self._metrics["system/contended"] = float(contended)

    def epoch_metrics(self) -> dict[str, float]:
        """Return the metrics of the epoch that ended last.

        Returns
        -------
        dict
            `throughput/*`: events, elements and floating-point operations (`flop.training_flop`) per second
            of training steps, as a fraction of the rate of a matrix product as well; operations per event,
            and slots over elements. `throughput/joules_per_event`: of the whole machine, others' work
            included, and only where it has counters (the run's tag `energy` says why not). `time/*`: seconds,
            and the share of training steps that waited for data. `system/*`: resident memory and its peak in
            MB (10^6 bytes), CPU seconds over (wall seconds x threads) during training steps, and 1 where that
            is so low that others must have had the processors.
        """
        return dict(self._metrics)

    def _reset(self) -> None:
        self._account = StepAccounting(threads=torch.get_num_threads(), gemm_peak=self._gemm_peak)
        self._joules: float | None = None
        self._started = False
        self._boundaries: list[torch.Tensor] = []

    def _begin(self, module: pl.LightningModule) -> None:
        _wait_for(module)
        self._started = True
        self._energy = TrainingEnergy(devices() if n_ranks() > 1 else [module.device])
        self._clock, self._cpu_clock = time.perf_counter(), time.process_time()

    def _end(self, module: pl.LightningModule) -> None:
        _wait_for(module)
        self._account.train_seconds = time.perf_counter() - self._clock
        self._account.cpu_seconds = time.process_time() - self._cpu_clock
        self._joules = self._energy.joules()
        network = getattr(module, "network", None)
        if isinstance(network, MLPF):
            sizes = torch.cat([ptr.diff() for ptr in self._boundaries]).cpu().numpy()
            self._account.count(network, sizes)


def _wait_for(module: pl.LightningModule) -> None:
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)
