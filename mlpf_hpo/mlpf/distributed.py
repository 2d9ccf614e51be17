"""Sums and maxima over the processes of a distributed training (DDP); a process alone is one of one."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import torch.distributed
from torch import Tensor

Counts = TypeVar("Counts", bound=Any)


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
