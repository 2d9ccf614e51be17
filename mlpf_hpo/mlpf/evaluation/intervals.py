"""How sure a number is: exact intervals for fractions, resampled events for everything else.

All intervals are central and hold 68.27 %, one standard deviation of a Gaussian, as experiments draw them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEVEL = 0.6827
"""Probability content of every interval."""

REPLICAS = 400
"""Resamples of the events: bounds are then good to a tenth of the interval."""

NORMAL_IQR = 1.349
"""Interquartile range of a Gaussian of width 1."""

TAIL = 3.0
"""What lies further than so many widths from the median is in the tails; 0.27 % of a Gaussian do."""

BLOCK = 4_000_000
"""Weights handled at once, so that memory does not grow with the sample."""


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
    low = beta.ppf(outside, passed, total - passed + 1) if passed > 0 else 0.0
    high = beta.ppf(1 - outside, passed + 1, total - passed) if passed < total else 1.0
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
        order = np.argsort(values, kind="stable")
        ordered, event = values[order], event[order]
        out = np.full((len(self.weights), 3), np.nan)
        for rows in self._blocks(len(values)):
            repeated = np.cumsum(self.weights[rows][:, event], axis=1)
            out[rows] = _spread(ordered, repeated)
        return out

    def _blocks(self, n: int) -> Iterator[slice]:
        size = max(1, BLOCK // max(n, 1))
        for start in range(0, len(self.weights), size):
            yield slice(start, start + size)


def _spread(ordered: FloatArray, repeated: IntArray) -> FloatArray:
    """Return median, width and tails for each row of cumulated weights [rows, n] of ordered values [n]."""
    total = repeated[:, -1] if len(ordered) else np.zeros(len(repeated), dtype=np.int64)
    some = total > 0
    out = np.full((len(total), 3), np.nan)
    if not some.any():
        return out
    repeated, total = repeated[some], total[some]
    low, median, high = quantiles(ordered, repeated, (0.25, 0.5, 0.75)).T
    width = (high - low) / NORMAL_IQR
    first = np.searchsorted(ordered, median - TAIL * width, side="left")
    last = np.searchsorted(ordered, median + TAIL * width, side="right")
    upto = np.pad(repeated, ((0, 0), (1, 0)))
    rows = np.arange(len(total))
    inside = upto[rows, last] - upto[rows, first]
    out[some] = np.stack([median, width, 1 - inside / total], axis=1)
    return out


def quantiles(ordered: FloatArray, repeated: IntArray, q: Sequence[float]) -> FloatArray:
    """Return quantiles of values that occur several times each.

    Parameters
    ----------
    ordered : array [n]
        Values, ascending.
    repeated : array [rows, n], int64
        Cumulated numbers of occurrences, one set per row; no row may end at 0.
    q : sequence of float
        Levels.

    Returns
    -------
    array [rows, len(q)]
        `np.quantile` of the values written out as often as they occur.
    """
    rows, total = len(repeated), repeated[:, -1:]
    # Rows put one after the other ascend as a whole once each begins above the end of the one before:
    # a single search then answers for all of them.
    stride = int(total.max()) + 1
    start = np.arange(rows)[:, None]
    flat = (repeated + start * stride).ravel()
    position = (total - 1) * np.asarray(q)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, total - 1)
    found = [
        ordered[np.searchsorted(flat, rank + start * stride, side="right") - start * repeated.shape[1]]
        for rank in (below, above)
    ]
    return np.asarray(found[0] + (position - below) * (found[1] - found[0]), dtype=np.float64)
