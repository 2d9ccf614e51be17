"""Bootstrap over events: quantiles and counts of all resamples at once.

Writing the resamples out would take resamples x values. Instead, values are put into blocks, about as many as
there are values in one: whole blocks are counted by event, single values only in the block that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Resampled:
    """Values of events, under several sets of weights of the events.

    Parameters
    ----------
    values : array [n]
        At least one.
    event : array [n], int64
        Event of each value.
    weights : array [rows, n_events]
        How often each event is drawn, a whole number; every row draws at least one value.

    Attributes
    ----------
    ordered : array [n]
        The values, ascending.
    total : array [rows], int64
        Number of values drawn.
    """

    def __init__(self, values: FloatArray, event: IntArray, weights: FloatArray | IntArray) -> None:
        order = np.argsort(values, kind="stable")
        self.ordered, self._event, self._weights = values[order], event[order], weights
        n, n_events = len(values), weights.shape[1]
        self._size = math.isqrt(n)
        n_blocks = -(-n // self._size)
        block = np.arange(n) // self._size
        counts = np.bincount(block * n_events + self._event, minlength=n_blocks * n_events)
        # In floating point, where the product is fast; whole numbers of this size stay exact.
        drawn = weights.astype(np.float64) @ counts.reshape(n_blocks, n_events).T.astype(np.float64)
        self._before = np.pad(np.cumsum(drawn, axis=1), ((0, 0), (1, 0))).astype(np.int64)
        self.total = self._before[:, -1]

    def quantiles(self, q: Sequence[float]) -> FloatArray:
        """Return the quantiles [rows, len(q)] of what each row draws, as `np.quantile` of it has them."""
        position = (self.total[:, None] - 1) * np.asarray(q)
        rank = np.floor(position).astype(np.int64)
        below = self._at(rank)
        above = self._at(np.minimum(rank + 1, self.total[:, None] - 1))
        return np.asarray(below + (position - rank) * (above - below))

    def between(self, low: FloatArray, high: FloatArray) -> IntArray:
        """Return how many values each row draws from its closed interval, `low` [rows] to `high` [rows]."""
        return self._count(np.searchsorted(self.ordered, high, side="right")) - self._count(
            np.searchsorted(self.ordered, low, side="left")
        )

    def _at(self, rank: IntArray) -> FloatArray:
        """Return the values at ranks [rows, m], counted from 0 among what each row draws."""
        block = (self._before[:, None, 1:] <= rank[:, :, None]).sum(axis=2)
        left = rank - np.take_along_axis(self._before, block, axis=1)
        place, times = self._inside(block)
        inner = (np.cumsum(times, axis=2) <= left[:, :, None]).sum(axis=2, keepdims=True)
        return np.asarray(self.ordered[np.take_along_axis(place, inner, axis=2)[:, :, 0]])

    def _count(self, end: IntArray) -> IntArray:
        """Return how many values each row draws from the first `end` [rows] ordered ones."""
        block = np.minimum(end // self._size, self._before.shape[1] - 2)[:, None]
        place, times = self._inside(block)
        partial = np.where(place < end[:, None, None], times, 0).sum(axis=(1, 2))
        return np.asarray(np.take_along_axis(self._before, block, axis=1)[:, 0] + partial)

    def _inside(self, block: IntArray) -> tuple[IntArray, IntArray]:
        """Return places [rows, m, size] of the values in blocks [rows, m], and how often each is drawn."""
        place = block[:, :, None] * self._size + np.arange(self._size)
        real = place < len(self.ordered)
        place = np.minimum(place, len(self.ordered) - 1)
        rows = np.arange(len(block))[:, None, None]
        times = self._weights[rows, self._event[place]].astype(np.int64)
        return place, np.where(real, times, 0)
