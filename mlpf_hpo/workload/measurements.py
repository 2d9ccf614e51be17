"""Measurements beside the benchmark score: elements, padding, spread, processors, arithmetic, energy."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlpf_hpo.hardware.energy import Energy, NvmlMeter, RaplMeter
from mlpf_hpo.mlpf.step_accounting import CONTENDED_BELOW
from mlpf_hpo.workload.copies import CopyMessage

EVENTS, ELEMENTS = "throughput/events_per_second", "throughput/elements_per_second"


@dataclass
class CopyRecord:
    """Measurements that one copy reported.

    Attributes
    ----------
    warm_up : int
        Number of epochs that do not count.
    epochs : list of mapping
        Metrics of each epoch, and `now`, its end by the system's monotonic clock.
    roofline : mapping
        Fields of `mlpf_hpo.hardware.roofline.Roofline` as this copy measured it, beside the others.
    measuring_since : float
        When its measured epochs began.
    """

    warm_up: int
    epochs: list[Mapping[str, float]] = field(default_factory=list)
    roofline: Mapping[str, Any] = field(default_factory=dict)
    measuring_since: float = 0.0

    @property
    def measured(self) -> list[Mapping[str, float]]:
        """The epochs after warm-up."""
        return self.epochs[self.warm_up :]

    @property
    def window(self) -> tuple[float, float]:
        """When it measured."""
        return self.measuring_since, self.epochs[-1]["now"]

    def median(self, name: str) -> float:
        """Return the median of a metric over measured epochs."""
        return statistics.median(epoch[name] for epoch in self.measured)

    def events_per_cpu_second(self, threads: int) -> float:
        """Return the median over measured epochs of events per second of processor time."""
        return statistics.median(
            epoch[EVENTS] / (epoch["system/cpu_fraction"] * threads) for epoch in self.measured
        )

    def to_record(self) -> dict[str, Any]:
        """Return its numbers as the report has them."""
        rates = [epoch[EVENTS] for epoch in self.measured]
        return {
            "events_per_second": {"median": self.median(EVENTS), "min": min(rates), "max": max(rates)},
            "cpu_fraction": self.median("system/cpu_fraction"),
            "gemm_gflop_per_second": self.roofline["gemm_flops"] / 1e9,
            "triad_gigabytes_per_second": self.roofline["triad_bytes_per_second"] / 1e9,
            "final_loss": self.epochs[-1]["loss"],
        }


class EnergyMeter:
    """Energy of the machine from the first copy's first training step to the end of the last reported epoch.

    `gpus` are NVML indices of the GPUs in use; none for a benchmark on the CPU.
    """

    def __init__(self, gpus: Sequence[int]) -> None:
        self._gpus = tuple(gpus)
        self._meters: dict[str, RaplMeter | NvmlMeter] = {}
        self._read: dict[str, Energy] = {}
        self.epochs = 0

    def begin(self) -> None:
        """Start the meters, once."""
        if not self._meters:
            self._meters["cpu"] = RaplMeter()
            if self._gpus:
                self._meters["gpu"] = NvmlMeter(self._gpus)

    def sample(self) -> None:
        """Follow counters that wrap around."""
        for meter in self._meters.values():
            meter.sample()

    def epoch_ended(self) -> None:
        """Read the meters."""
        self.epochs += 1
        self._read = {name: meter.read() for name, meter in self._meters.items()}

    def to_record(self, events_per_epoch: int) -> dict[str, Any]:
        """Return joules per event that was trained on, or null and the reason, and the parts."""
        missing = [f"{name}: {energy.reason}" for name, energy in self._read.items() if energy.joules is None]
        if not self._read:
            missing = ["no epoch was trained"]
        total = sum(energy.joules or 0.0 for energy in self._read.values())
        return {
            "joules_per_event": None if missing else total / (self.epochs * events_per_epoch),
            "energy_missing": "; ".join(missing) or None,
            "energy_parts": {name: energy.record() for name, energy in self._read.items()},
        }


class BenchmarkRecorder:
    """The messages of all copies and the energy, recorded by the driver while copies run."""

    def __init__(
        self,
        copies: int,
        warm_up: int,
        gpus: Sequence[str],
        on_message: Callable[[CopyMessage], None] | None,
    ) -> None:
        self.copies = [CopyRecord(warm_up) for _ in range(copies)]
        self.flop_per_event: float | None = None
        self.energy = EnergyMeter([int(gpu) for gpu in dict.fromkeys(gpus)])
        self._on_message = on_message

    def record_message(self, message: CopyMessage) -> None:
        """Record a message of a copy."""
        content, copy = message.content, self.copies[message.copy]
        if "flop_per_event" in content:
            self.flop_per_event = content["flop_per_event"]
        elif "roofline" in content:
            copy.roofline = content["roofline"]
        elif "training_since" in content:
            self.energy.begin()
        elif "measuring_since" in content:
            copy.measuring_since = content["measuring_since"]
        else:
            copy.epochs.append(content)
            self.energy.epoch_ended()
        if self._on_message is not None:
            self._on_message(message)


def measurements(
    copies: Sequence[CopyRecord], threads: int, flop_per_event: float | None, on_gpu: bool
) -> dict[str, Any]:
    """Return the numbers beside the score, over the copies that ended well; empty if there are none.

    Each has `threads` CPU threads; copy 0 counts `flop_per_event`, unless it died before. A copy that waits
    for its GPU is not contended.
    """
    if not copies:
        return {}
    rates = [copy.median(EVENTS) for copy in copies]
    cpu = [copy.median("system/cpu_fraction") for copy in copies]
    losses = [copy.epochs[-1]["loss"] for copy in copies]
    found: dict[str, Any] = {
        "elements_per_second": sum(copy.median(ELEMENTS) for copy in copies),
        "spread_over_epochs": max(_spread(copy) for copy in copies),
        "cpu_fraction": min(cpu),
        "contended": None if on_gpu else min(cpu) < CONTENDED_BELOW,
        "events_per_cpu_second": statistics.fmean(copy.events_per_cpu_second(threads) for copy in copies),
        "gemm_peak_gflop_per_second": sum(copy.roofline["gemm_flops"] for copy in copies) / 1e9,
        "gemm_dtype": copies[0].roofline["gemm_dtype"],
        "memory_triad_gigabytes_per_second": sum(c.roofline["triad_bytes_per_second"] for c in copies) / 1e9,
        "flop_per_event": flop_per_event,
        "fraction_of_gemm_peak": None,
        "peak_memory_megabytes_per_copy": max(
            e["system/peak_rss_megabytes"] for c in copies for e in c.epochs
        ),
        "epochs_measured": len(copies[0].measured),
        "final_loss": losses[0],
        "losses_agree": len(set(losses)) == 1,
        "per_copy": [copy.to_record() for copy in copies],
    }
    if flop_per_event is not None:
        fractions = [
            rate * flop_per_event / copy.roofline["gemm_flops"]
            for rate, copy in zip(rates, copies, strict=True)
        ]
        found["fraction_of_gemm_peak"] = statistics.fmean(fractions)
    return found


def _spread(copy: CopyRecord) -> float:
    """Return (fastest - slowest) / median epoch."""
    rates = [epoch[EVENTS] for epoch in copy.measured]
    return (max(rates) - min(rates)) / statistics.median(rates)
