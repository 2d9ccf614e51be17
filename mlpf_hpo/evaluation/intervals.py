"""Intervals of the results: exact ones for fractions, bootstrap over events for everything else.

All intervals are central and hold 68.27 %, one standard deviation of a Gaussian, as experiments draw them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv

from mlpf_hpo.array_types import FloatArray, IntArray

LEVEL = 0.6827
"""Probability content of every interval."""

REPLICAS = 400
"""Resamples of the events: bounds are then good to a tenth of the interval."""

NORMAL_IQR = 1.349
"""Interquartile range of a Gaussian of width 1."""

TAIL = 3.0
"""What lies further than so many widths from the median is in the tails; 0.27 % of a Gaussian do."""


class Estimate(NamedTuple):
    """A number with its interval; NaN where there is too little to say."""

    value: float
    low: float
    high: float


def clopper_pearson(passed: int, total: int, level: float = LEVEL) -> Estimate:
    """Return the fraction `passed / total` with its exact binomial interval.

    The interval's lower end is the fraction at which `passed` or more of `total` have probability
    (1 - level) / 2; its upper end mirrors that (Biometrika 26 404). It takes elements as independent; `low`
    and `high` are NaN where `total` is 0.
    """
    if total == 0:
        return Estimate(np.nan, np.nan, np.nan)
    outside = (1 - level) / 2
    low = betaincinv(passed, total - passed + 1, outside) if passed > 0 else 0.0
    high = betaincinv(passed + 1, total - passed, 1 - outside) if passed < total else 1.0
    return Estimate(passed / total, float(low), float(high))


def percentile_interval(values: FloatArray, level: float = LEVEL) -> Estimate:
    """Return `values[0]` with the central interval of the others, the replicas.

    The interval is NaN where fewer than half of the replicas have a value.
    """
    replicas = values[1:]
    finite = replicas[np.isfinite(replicas)]
    if not np.isfinite(values[0]) or 2 * len(finite) < len(replicas) or len(finite) == 0:
        return Estimate(float(values[0]), np.nan, np.nan)
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(values[0]), float(low), float(high))


class EventBootstrap:
    """Resamples of the events of a sample: elements of one event are not independent, events are.

    Every method returns one value per row of `weights`: the sample's own first, then those of the replicas.
    Differences and ratios of such values, row by row, compare two reconstructions on the same events.

    Parameters
    ----------
    n_events : int
        Number of events.
    seed : int
        Decides the resamples.
    replicas : int
        Number of resamples.

    Attributes
    ----------
    weights : array [1 + replicas, n_events], int64
        How often each event is drawn; row 0 is all ones.
    """

    def __init__(self, n_events: int, seed: int, replicas: int = REPLICAS) -> None:
        generator = np.random.default_rng(seed)
        drawn = generator.multinomial(n_events, np.full(n_events, 1 / n_events), size=replicas)
        self.weights = np.vstack([np.ones((1, n_events), dtype=np.int64), drawn])

    def fraction(self, numerator: FloatArray | IntArray, denominator: FloatArray | IntArray) -> FloatArray:
        """Return the ratio of sums over events of two quantities per event, [n_events] each."""
        above, below = self.weights @ numerator, self.weights @ denominator
        return np.divide(above, below, out=np.full(len(self.weights), np.nan), where=below != 0)

    def mean(self, per_event: FloatArray | IntArray) -> FloatArray:
        """Return the mean over events of a quantity per event, [n_events]."""
        return self.fraction(per_event, np.ones(len(per_event)))

    def spread(self, values: FloatArray, event: IntArray) -> FloatArray:
        """Return median, width and tails of a distribution, [1 + replicas, 3].

        Parameters
        ----------
        values : array [n]
            The distribution.
        event : array [n], int64
            Event of each value.

        Returns
        -------
        array [1 + replicas, 3]
            The median; the interquartile range over 1.349; the share of values further than three such widths
            from the median. NaN for a replica without any value.
        """
        out = np.full((len(self.weights), 3), np.nan)
        drawn = (self.weights @ np.bincount(event, minlength=self.weights.shape[1])) > 0
        if drawn.any():
            resampled = Resampled(values, event, self.weights[drawn])
            low, median, high = resampled.quantiles((0.25, 0.5, 0.75)).T
            width = (high - low) / NORMAL_IQR
            inside = resampled.between(median - TAIL * width, median + TAIL * width)
            out[drawn] = np.stack([median, width, 1 - inside / resampled.total], axis=1)
        return out


class Resampled:
    """Values of events under several sets of weights of the events: quantiles and counts of all at once.

    Writing the resamples out would take resamples x values. Instead, values are put into blocks, about as
    many as there are values in one: whole blocks are counted by event, single values only in the block that
    is asked for.

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
