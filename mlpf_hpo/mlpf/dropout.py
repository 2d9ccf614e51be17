"""Dropout whose masks are cut from raw random words: on a CPU the draws would cost more than the layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 2**16
"""A probability is kept to 1 in 65,536: each element costs 16 random bits."""

LANES = 4
"""Elements per random word of 64 bits."""


class Dropout(nn.Module):
    """Zero elements with probability p in training, and scale the others so that the mean stays.

    PyTorch's layer, but for p, which is rounded to a multiple of 1 / 65,536. On a CPU, where PyTorch draws a
    Bernoulli number for every element, it takes a third of the time; on other devices PyTorch's is used.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout probability {p}: must be in [0, 1)")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with elements dropped, or `x` itself outside of training."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return functional.dropout(x, self.p)
        return x * dropout_mask(x.shape, self.p, x.dtype)


def dropout_mask(shape: torch.Size, p: float, dtype: torch.dtype) -> Tensor:
    """Return factors from the default generator: 0 with probability p, else 1 / (1 - p)."""
    n = shape.numel()
    dropped = min(round(p * LEVELS), LEVELS - 1)
    words = torch.empty((n + LANES - 1) // LANES, dtype=torch.int64)
    words.random_(torch.iinfo(torch.int64).min, None)  # all 64 bits: by default the sign is always positive
    # NumPy is several times faster than PyTorch to compare 16-bit integers, PyTorch converts bytes fast.
    kept = torch.from_numpy(words.view(torch.int16)[:n].numpy() >= dropped - LEVELS // 2)
    return kept.view(torch.uint8).to(dtype).mul_(LEVELS / (LEVELS - dropped)).view(shape)
