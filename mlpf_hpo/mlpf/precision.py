"""Mixed precision: what stays in single precision, all but the matrix products of layers and heads.

`torch.autocast` rounds the factors of every product. Distances are differences of large squares, and sums run
over thousands of elements: rounded to eight bits they would say nothing. Outside of autocast none of this
does anything.
"""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_single(x: Tensor) -> Tensor:
    """Return half-precision numbers as float32, and others as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def exact_products(device: torch.device) -> torch.autocast:
    """Return a context in which products on a device are computed in the types of their factors."""
    return torch.autocast(device.type, enabled=False)
