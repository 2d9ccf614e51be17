"""How fast a trial trains: a Lightning callback that counts real events and elements."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytorch_lightning as pl
import torch


class ThroughputCallback(pl.Callback):
    """Measures training steps only, epoch by epoch.

    Validation, checkpoints and reports stand outside the clock; the wait for data is told apart. The very
    first batch of a training warms caches up and is left out where an epoch has more than one. On a GPU the
    device is waited for at the edges of the measured span only.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._warm = False
        self._reset()

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
        self._data_wait += now - self._idle_since

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch."""
        if self._warm or trainer.num_training_batches == 1:
            self._events += int(batch.num_graphs)
            self._elements += int(batch.num_nodes)
        else:  # the warm-up batch: the account begins after it
            self._warm = True
            self._data_wait = 0.0
            self._begin(pl_module)
        self._idle_since = time.perf_counter()
        if trainer.is_last_batch:
            self._end(pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the account, validation included in the epoch's whole time."""
        self._epoch_seconds = time.perf_counter() - self._epoch_started

    def epoch_metrics(self) -> dict[str, float]:
        """Return the metrics of the epoch that ended last.

        Returns
        -------
        dict
            `throughput/*` per second of training steps, `time/*` in seconds, `system/*`: resident memory in
            MB (10^6 bytes), and CPU seconds over (wall seconds x threads) during training steps.
        """
        seconds = max(self._train_seconds, 1e-9)
        metrics = {
            "throughput/events_per_second": self._events / seconds,
            "throughput/elements_per_second": self._elements / seconds,
            "time/epoch_seconds": self._epoch_seconds,
            "time/train_seconds": self._train_seconds,
            "time/data_wait_seconds": self._data_wait,
            "system/rss_megabytes": self._process.memory_info().rss / 1e6,
            "system/cpu_fraction": self._cpu_seconds / (seconds * torch.get_num_threads()),
        }
        if torch.cuda.is_available():
            metrics["system/gpu_memory_megabytes"] = torch.cuda.max_memory_allocated() / 1e6
        return metrics

    def _reset(self) -> None:
        self._events = self._elements = 0
        self._data_wait = self._train_seconds = self._cpu_seconds = self._epoch_seconds = 0.0
        self._started = False

    def _begin(self, module: pl.LightningModule) -> None:
        _wait_for(module)
        self._started = True
        self._clock, self._cpu_clock = time.perf_counter(), time.process_time()

    def _end(self, module: pl.LightningModule) -> None:
        _wait_for(module)
        self._train_seconds = time.perf_counter() - self._clock
        self._cpu_seconds = time.process_time() - self._cpu_clock


def _wait_for(module: pl.LightningModule) -> None:
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)
