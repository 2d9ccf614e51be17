"""Devices of the benchmark: which workload a device stands for, and which GPUs copies get."""

from __future__ import annotations

import os
import re

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.workload.workloads import TRAINING_ON, WORKLOADS

_GPU = re.compile(r"gpu(?:-(\d+))?")


def workload_and_device(workload: str | None, device: str | None) -> tuple[str, str]:
    """Return the names of workload and device; what is not given follows from the other.

    Without both, MLPF is trained on the CPU.

    Examples
    --------
    >>> workload_and_device(None, "gpu-0"), workload_and_device("mlpf-infer-cpu", None)
    (('mlpf-train-gpu', 'gpu-0'), ('mlpf-infer-cpu', 'cpu'))

    Raises
    ------
    ConfigurationError
        If there is no such workload or device, or the workload is one of the other kind of device: a score
        must not stand under the name of another device.
    """
    if device is not None and device != "cpu" and _GPU.fullmatch(device) is None:
        raise ConfigurationError(f"device is cpu, gpu or gpu-0, gpu-1 ..., not {device!r}")
    kind = None if device is None else device.partition("-")[0]
    name = TRAINING_ON[kind or "cpu"] if workload is None else workload
    its_kind = WORKLOADS.lookup(name, "benchmark.workload").device
    if kind is not None and kind != its_kind:
        raise ConfigurationError(
            f"device {device}: the workload {name} measures a {its_kind.upper()}; choose another, or leave "
            "one of both out"
        )
    return name, device or its_kind


def gpus_of_copies(device: str, copies: int) -> list[str]:
    """Return each copy's GPU as the driver numbers it; an empty list on the CPU.

    Raises
    ------
    ConfigurationError
        If the GPU is not there.
    """
    match = _GPU.fullmatch(device)
    if match is None:
        return []
    allotted = os.environ.get("CUDA_VISIBLE_DEVICES")
    every = [str(i) for i in range(len(describe_host().gpus))]
    there = every if allotted is None else [gpu for gpu in allotted.split(",") if gpu in every]
    if match[1] is not None:
        there = there[int(match[1]) : int(match[1]) + 1]
    if not there:
        raise ConfigurationError(f"device {device}: no such GPU here (nvidia-smi lists them; cpu works)")
    return [there[i % len(there)] for i in range(copies)]
