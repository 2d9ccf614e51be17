"""Mixed precision: what stays in single precision, all but the matrix products of layers and heads.

`torch.autocast` rounds the factors of every product. Distances are differences of large squares, and sums run
over thousands of elements: rounded to eight bits they would say nothing. Outside of autocast none of this
does anything.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def at_least_single(x: Tensor) -> Tensor:
    """Return half-precision numbers as float32, and others as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def exact_products(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context in which products on a device are computed in the types of their factors.

    Outside of autocast it is empty: an exported program would have it as a part of its own.
    """
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
