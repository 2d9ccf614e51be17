"""Description of this machine: processor, memory, accelerators, versions, threads."""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from threadpoolctl import threadpool_info

from mlpf_hpo.hardware.energy import energy_sources
from mlpf_hpo.space import stable_hash

LABEL_VARIABLE = "MLPF_HPO_HARDWARE_LABEL"
"""Environment variable that overrides the readable label."""

PACKAGES = (
    "torch",
    "pytorch-lightning",
    "torch-geometric",
    "ray",
    "numpy",
    "scikit-learn",
    "mlflow",
    "mlpf_hpo",
)


@dataclass(frozen=True)
class Gpu:
    """One accelerator."""

    name: str
    memory_bytes: int
    driver: str


@dataclass(frozen=True)
class HostInfo:
    """One machine.

    Attributes
    ----------
    hostname, system, cpu_model : str
        Name, operating system with kernel, processor.
    physical_cores, logical_cores : int
        Of the whole machine.
    usable_cpus : int
        What affinity and control group leave to this process.
    memory_bytes : int
        Main memory.
    gpus : tuple of Gpu
        Accelerators that the driver shows.
    versions, threads : mapping
        Versions of the libraries that matter for speed; thread pools of those in use, and their sizes.
    energy : str
        Counters of the energy that is spent, or why there are none.
    """

    hostname: str
    system: str
    cpu_model: str
    physical_cores: int
    logical_cores: int
    usable_cpus: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]
    versions: dict[str, str]
    threads: dict[str, int]
    energy: str

    @property
    def hardware_id(self) -> str:
        """Hash of what doesn't change with host names, software or load."""
        gpus = [(gpu.name, gpu.memory_bytes) for gpu in self.gpus]
        gibibytes = round(self.memory_bytes / 2**30)
        return stable_hash([self.cpu_model, self.physical_cores, self.usable_cpus, gibibytes, gpus], length=8)

    @property
    def hardware_label(self) -> str:
        """A short name for people, such as ``AMD-EPYC-2c``; the environment may set another."""
        label = os.environ.get(LABEL_VARIABLE) or self._label()
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", label).strip("-")[:40]

    def _label(self) -> str:
        noise = r"\(R\)|\(TM\)|CPU|Processor|\d+-Core|@.*|Gold|Silver|Platinum"
        cpu = " ".join(re.sub(noise, " ", self.cpu_model).split()) or platform.machine()
        label = f"{cpu} {self.usable_cpus}c"
        if self.gpus:
            label = f"{len(self.gpus)}x{self.gpus[0].name.removeprefix('NVIDIA ')} {label}"
        return label

    def tags(self) -> dict[str, str]:
        """Return the tags of a run that trained here: what one sorts, filters and groups runs by."""
        return {
            "hardware_id": self.hardware_id,
            "hardware_label": self.hardware_label,
            "host": self.hostname,
            "cpu": self.cpu_model,
            "cpus_usable": str(self.usable_cpus),
            "memory_gib": f"{self.memory_bytes / 2**30:.0f}",
            "gpu": self.gpus[0].name if self.gpus else "none",
            "energy": self.energy,
        }

    def record(self) -> dict[str, Any]:
        """Return everything, as JSON can hold it."""
        return {**asdict(self), "hardware_id": self.hardware_id, "hardware_label": self.hardware_label}


@functools.cache
def describe_host() -> HostInfo:
    """Look this machine over; the result is kept for the process."""
    gpus = _gpus()
    return HostInfo(
        hostname=socket.gethostname(),
        system=f"{platform.system()} {platform.release()}",
        cpu_model=_cpu_model(),
        physical_cores=psutil.cpu_count(logical=False) or 1,
        logical_cores=psutil.cpu_count() or 1,
        usable_cpus=usable_cpus(),
        memory_bytes=psutil.virtual_memory().total,
        gpus=gpus,
        versions=_versions(),
        threads=_threads(),
        energy=energy_sources(len(gpus)),
    )


def usable_cpus() -> int:
    """Return how many processors this process may use: affinity, bounded by the control group's quota."""
    count = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, max(1, int(quota) // int(period)))
    return count


def _cpu_model() -> str:
    with suppress(OSError, subprocess.SubprocessError, ValueError, KeyError):
        listing = subprocess.run(
            ["lscpu", "-J"], capture_output=True, text=True, timeout=5, check=True
        ).stdout
        fields = {row["field"].rstrip(":"): row["data"] for row in _flat(json.loads(listing)["lscpu"])}
        return str(fields["Model name"])
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _flat(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [flat for row in rows for flat in (row, *_flat(row.get("children", [])))]


def _gpus() -> tuple[Gpu, ...]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()  # no driver, no NVIDIA GPU
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return tuple(
            Gpu(str(pynvml.nvmlDeviceGetName(h)), int(pynvml.nvmlDeviceGetMemoryInfo(h).total), driver)
            for h in handles
        )
    finally:
        pynvml.nvmlShutdown()


def _threads() -> dict[str, int]:
    """Return the thread pools; PyTorch is only asked where it is in use, as loading it takes seconds."""
    own = {"torch": sys.modules["torch"].get_num_threads()} if "torch" in sys.modules else {}
    return own | {str(pool["prefix"]): pool["num_threads"] for pool in threadpool_info()}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
