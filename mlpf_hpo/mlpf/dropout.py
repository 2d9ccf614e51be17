"""Dropout with masks from random words by their number: on a CPU, draws would cost more than the layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 2**16
"""A probability is kept to 1 in 65,536: each element costs 16 random bits."""

LANES = 4
"""Elements per random word of 64 bits."""

INCREMENT, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Constants of splitmix64."""


@dataclass(frozen=True)
class Dropping:
    """What a dropout probability does to elements in training.

    Attributes
    ----------
    dropped : int
        Elements are zeroed if their 16 random bits are below; 0: none is.
    scale : float
        Factor of the others.
    """

    dropped: int = 0
    scale: float = 1.0

    @staticmethod
    def of(p: float, training: bool = True) -> Dropping:
        """Return what a probability does, which outside of training is nothing."""
        dropped = min(round(p * LEVELS), LEVELS - 1) if training else 0
        return Dropping(dropped, LEVELS / (LEVELS - dropped))


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
    """Return factors: 0 with probability p, else 1 / (1 - p). The default generator gives the seed."""
    dropping = Dropping.of(p)
    if not dropping.dropped:
        return torch.ones(shape, dtype=dtype)
    n = shape.numel()
    words = random_words(int(draw_seeds(1)[0]), -(-n // LANES))
    # NumPy is several times faster than PyTorch to compare 16-bit integers, PyTorch converts bytes fast.
    kept = torch.from_numpy(words.view(np.uint16)[:n] >= dropping.dropped)
    return kept.view(torch.uint8).to(dtype).mul_(dropping.scale).view(shape)


def draw_seeds(n: int) -> npt.NDArray[np.uint64]:
    """Return seeds of masks, of 64 bits, from PyTorch's default generator: n times one is the same as n."""
    seeds = torch.empty(n, dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    return seeds.numpy().view(np.uint64)


def random_words(seed: int, n: int) -> npt.NDArray[np.uint64]:
    """Return words 0 to n - 1 of a seed, 64 random bits each: splitmix64 (Steele, Lea, Flood, OOPSLA 2014).

    Word i depends on seed and i alone, so that whoever needs some of them can make them where they are used.
    """
    words = np.arange(1, n + 1, dtype=np.uint64)
    words *= np.uint64(INCREMENT)
    words += np.uint64(seed)
    for shift, factor in ((30, FIRST), (27, SECOND)):
        words ^= words >> np.uint64(shift)
        words *= np.uint64(factor)
    words ^= words >> np.uint64(31)
    return words
