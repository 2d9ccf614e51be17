"""Energy meters: CPU packages by RAPL, NVIDIA GPUs by NVML; or the reason why there is no number.

Counters are of whole packages and whole GPUs: what others ran meanwhile is in them. Nothing is estimated
from a nominal power: docs/decisions/0019-energy-from-counters.md.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pynvml

if TYPE_CHECKING:
    import torch

POWERCAP = Path("/sys/class/powercap")

FOLLOW_SECONDS = 60.0
"""Counters wrap around after minutes."""

_PACKAGE_DOMAIN = re.compile(r"intel-rapl:\d+")
"""Top-level domains; AMD's carry the same name. Sub-domains (``intel-rapl:0:0``) are contained in them."""


@dataclass(frozen=True)
class Energy:
    """Energy of one kind of device over an interval.

    Attributes
    ----------
    joules : float or None
        Energy, or None where it cannot be had.
    reason : str or None
        Why there is none.
    source : str
        What was read.
    """

    joules: float | None
    reason: str | None
    source: str

    def record(self) -> dict[str, float | str | None]:
        """Return plain values for a report."""
        return {"joules": self.joules, "reason": self.reason, "source": self.source}


class RaplMeter:
    """CPU packages by the kernel's powercap counters, wrap-around included.

    A counter wraps after its range (262 kJ on many machines: twenty minutes at 200 W), so `sample` must be
    called more often than that between start and `read`.
    """

    source = "RAPL package domains"

    def __init__(self, root: Path = POWERCAP) -> None:
        self._reason: str | None = None
        self._microjoules = 0
        self._last: dict[Path, int] = {}
        self._ranges: dict[Path, int] = {}
        try:
            for domain in _package_domains(root):
                self._ranges[domain] = int((domain / "max_energy_range_uj").read_text())
                self._last[domain] = int((domain / "energy_uj").read_text())
        except (OSError, ValueError) as error:
            self._reason = f"{root}: energy counters cannot be read: {error}"
        if not self._last and self._reason is None:
            self._reason = f"{root}: no RAPL package domain (a virtual machine, or no driver)"

    def sample(self) -> None:
        """Add what the counters moved since the last call."""
        if self._reason is not None:
            return
        try:
            for domain, last in self._last.items():
                now = int((domain / "energy_uj").read_text())
                self._microjoules += counter_difference(last, now, self._ranges[domain])
                self._last[domain] = now
        except (OSError, ValueError) as error:
            self._reason = f"energy counters could no longer be read: {error}"

    def read(self) -> Energy:
        """Return the energy since the meter was made."""
        self.sample()
        joules = None if self._reason is not None else self._microjoules / 1e6
        return Energy(joules, self._reason, self.source)


class NvmlMeter:
    """NVIDIA GPUs, by their NVML indices: the driver's total-energy counters."""

    source = "NVML total energy"

    def __init__(self, indices: Sequence[int]) -> None:
        self._indices = tuple(indices)
        self._reason: str | None = None if self._indices else "no GPU in use"
        self._start = self._millijoules()

    def _millijoules(self) -> int:
        if self._reason is not None:
            return 0
        try:
            pynvml.nvmlInit()
            try:
                handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in self._indices]
                return sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles)
            finally:
                pynvml.nvmlShutdown()
        except pynvml.NVMLError as error:
            self._reason = f"NVML: {error}"
            return 0

    def sample(self) -> None:
        """Do nothing: the counter has 64 bits."""

    def read(self) -> Energy:
        """Return the energy since the meter was made."""
        joules = (self._millijoules() - self._start) / 1e3
        return Energy(None if self._reason is not None else joules, self._reason, self.source)


class TrainingEnergy:
    """Energy of the machine's CPU packages, and of the GPUs that a training is on, from now on."""

    def __init__(self, devices: Sequence[torch.device]) -> None:
        self._meters: list[RaplMeter | NvmlMeter] = [RaplMeter()]
        gpus = {device.index or 0 for device in devices if device.type == "cuda"}
        if gpus:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES")
            numbers = [nvml_index(index, visible) for index in sorted(gpus)]
            known = [number for number in numbers if number is not None]
            self._meters.append(NvmlMeter(known if len(known) == len(numbers) else []))
        self._followed = time.monotonic()

    def follow(self) -> None:
        """Read the counters if that was long ago; call this often."""
        now = time.monotonic()
        if now - self._followed > FOLLOW_SECONDS:
            self._followed = now
            for meter in self._meters:
                meter.sample()

    def joules(self) -> float | None:
        """Return the energy, None where a part of it cannot be had."""
        parts = [meter.read().joules for meter in self._meters]
        known = [joules for joules in parts if joules is not None]
        return sum(known) if len(known) == len(parts) else None


def energy_sources(n_gpus: int) -> str:
    """Return the energy counters of this machine, or why there are none."""
    meters: list[RaplMeter | NvmlMeter] = [RaplMeter()]
    if n_gpus:
        meters.append(NvmlMeter(range(n_gpus)))
    return "; ".join(energy.reason or energy.source for energy in (meter.read() for meter in meters))


def nvml_index(index: int, visible: str | None) -> int | None:
    """Return the driver's number of PyTorch's visible GPU `index`, None if `visible` does not give numbers.

    `visible` is the value of ``CUDA_VISIBLE_DEVICES``.

    Examples
    --------
    >>> nvml_index(1, None), nvml_index(1, "2,5"), nvml_index(0, "GPU-4f2a")
    (1, 5, None)
    """
    if visible is None:
        return index
    name = visible.split(",")[index].strip()
    return int(name) if name.isdecimal() else None


def counter_difference(before: int, after: int, span: int) -> int:
    """Return how far a counter moved that goes from 0 to `span` and then starts again.

    Examples
    --------
    >>> counter_difference(90, 95, 99), counter_difference(95, 4, 99)
    (5, 9)
    """
    return after - before if after >= before else after - before + span + 1


def _package_domains(root: Path) -> list[Path]:
    """Return the top-level domains that are packages; "psys" would count them a second time."""
    domains = sorted(path for path in root.glob("intel-rapl:*") if _PACKAGE_DOMAIN.fullmatch(path.name))
    return [path for path in domains if (path / "name").read_text().startswith("package")]
