"""Processes of a distributed training (DDP): how they join, on which devices, and sums and maxima over them.

A process alone is one of one.
"""

from __future__ import annotations

import dataclasses
import os
import socket
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch
import torch.distributed
from torch import Tensor

Counts = TypeVar("Counts", bound=Any)


def join(rank: int, n: int, rendezvous: Path) -> None:
    """Make this process the one of number `rank` of `n` on this machine; returns once all have joined.

    `rendezvous` is a file on a local disk by which they find each other; none is there beforehand.
    """
    os.environ.update(LOCAL_RANK=str(rank), NODE_RANK="0")  # for Lightning
    # Gloo would look its own machine's name up, which not every machine can.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", _loopback())
    # NCCL refuses two processes on one GPU.
    backend = "nccl" if torch.cuda.device_count() >= n else "gloo"
    torch.distributed.init_process_group(backend, init_method=rendezvous.as_uri(), rank=rank, world_size=n)


def devices() -> list[torch.device]:
    """Return the device of each of the processes that train together; they share GPUs if there are fewer."""
    gpus = torch.cuda.device_count()
    return [torch.device("cuda", rank % gpus) if gpus else torch.device("cpu") for rank in range(n_ranks())]


def _loopback() -> str:
    """Return the name of the interface by which a machine reaches itself."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.family == socket.AF_INET and one.address.startswith("127.") for one in addresses):
            return name
    raise OSError("this machine has no loopback interface")


def n_ranks() -> int:
    """Return how many processes train together."""
    return torch.distributed.get_world_size() if _together() else 1


def summed(values: Tensor) -> Tensor:
    """Return the sums of `values` over the ranks, which must all call this."""
    return _reduced(values, torch.distributed.ReduceOp.SUM)


def largest(values: Tensor) -> Tensor:
    """Return the largest of `values` of any rank, each for itself; all ranks must call this."""
    return _reduced(values, torch.distributed.ReduceOp.MAX)


def summed_fields(counts: Counts) -> Counts:
    """Return a dataclass of tensors with each of them summed over the ranks."""
    fields = [field.name for field in dataclasses.fields(counts)]
    return dataclasses.replace(counts, **{name: summed(getattr(counts, name)) for name in fields})


def _together() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _reduced(values: Tensor, operation: Any) -> Tensor:
    if not _together():
        return values
    total = values.detach().clone()
    torch.distributed.all_reduce(total, operation)
    return total
