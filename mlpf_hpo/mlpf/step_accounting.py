"""Accounting of an epoch's training steps over all ranks: time, events, operations; throughput metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.mlpf.distributed import largest, summed
from mlpf_hpo.mlpf.flop import training_flop
from mlpf_hpo.mlpf.network import MLPF

CONTENDED_BELOW = 0.9
"""Share of its CPU time below which a process did not get its processors."""

SUMMED = ("events", "elements", "slots", "flop", "gemm_peak", "data_wait", "cpu_seconds", "threads", "ranks")
"""What adds up over ranks; of the rest the largest counts, because ranks wait for each other."""


@dataclass
class StepAccounting:
    """Counts and times of training steps.

    Attributes
    ----------
    events, elements, slots : float
        What was trained on; slots are those of bins, padding included.
    flop : float
        Operations of the network on the elements, see `flop.training_flop`; 0 for another network.
    gemm_peak : float
        FLOP/s of the best matrix product; 0 where it was not measured.
    data_wait, cpu_seconds : float
        Seconds of the training steps that waited for data, and processor time.
    threads : float
        Threads of PyTorch.
    train_seconds, epoch_seconds : float
        Wall time of the training steps, and of the epoch with its validation.
    ranks : float
        Processes that trained.
    rss, peak_rss : float
        Resident memory at the end of the epoch, and its peak since the training began, in bytes.
    """

    events: float = 0.0
    elements: float = 0.0
    slots: float = 0.0
    flop: float = 0.0
    gemm_peak: float = 0.0
    data_wait: float = 0.0
    cpu_seconds: float = 0.0
    threads: float = 1.0
    ranks: float = 1.0
    train_seconds: float = 0.0
    epoch_seconds: float = 0.0
    rss: float = 0.0
    peak_rss: float = 0.0

    def count(self, network: MLPF, element_counts: IntArray) -> None:
        """Add the arithmetic of events with so many elements each."""
        self.slots += slots(element_counts, network.bin_size)
        self.flop += training_flop(network, element_counts)

    def over_ranks(self, device: torch.device) -> StepAccounting:
        """Return the account of all ranks; each of them must call this."""
        rest = [field.name for field in fields(self) if field.name not in SUMMED]
        return replace(self, **self._reduced(SUMMED, summed, device), **self._reduced(rest, largest, device))

    def _reduced(
        self, names: Iterable[str], reduce: Callable[[Tensor], Tensor], device: torch.device
    ) -> dict[str, float]:
        values = {name: getattr(self, name) for name in names}
        tensor = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
        return dict(zip(values, reduce(tensor).tolist(), strict=True))

    def metrics(self) -> dict[str, float]:
        """Return the metrics; they are described at `ThroughputCallback.epoch_metrics`."""
        seconds = max(self.train_seconds, 1e-9)
        found = {
            "throughput/events_per_second": self.events / seconds,
            "throughput/elements_per_second": self.elements / seconds,
            "time/epoch_seconds": self.epoch_seconds,
            "time/train_seconds": self.train_seconds,
            "time/data_wait_seconds": self.data_wait / self.ranks,
            "time/data_wait_share": self.data_wait / self.ranks / seconds,
            "system/rss_megabytes": self.rss / 1e6,
            "system/peak_rss_megabytes": self.peak_rss / 1e6,
            "system/cpu_fraction": self.cpu_seconds / (seconds * self.threads),
        }
        if self.flop:
            found["throughput/flop_per_event"] = self.flop / self.events
            found["throughput/gflop_per_second"] = self.flop / seconds / 1e9
            found["throughput/padding_ratio"] = self.slots / self.elements
        if self.flop and self.gemm_peak:
            found["throughput/fraction_of_gemm_peak"] = self.flop / seconds / self.gemm_peak
        return found


def slots(element_counts: IntArray, bin_size: int) -> float:
    """Return the slots of events: each is padded to a multiple of the bin size."""
    return float((-(-element_counts // bin_size)).sum() * bin_size)


def padding_ratio(element_counts: IntArray, bin_size: int) -> float:
    """Return slots over elements.

    Examples
    --------
    >>> import numpy as np
    >>> padding_ratio(np.array([32, 33]), 32)  # 32 and 64 slots
    1.476923076923077
    """
    return slots(element_counts, bin_size) / float(element_counts.sum())
