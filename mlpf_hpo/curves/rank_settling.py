"""How fast the ranks of trials settle: ranks after each epoch beside the last, and pairs that cross."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.repeats import copied
from mlpf_hpo.curves.schema import LearningCurves

LEAST_CURVES = 3
"""Ranks of fewer curves say nothing."""

SHOWN_SHARES = (0.05, 0.1, 0.25, 0.5, 0.75)
"""Shares of the epochs after which a summary shows ranks, beside the first epoch."""


@dataclass(frozen=True)
class RankSettling:
    """Ranks after the epochs 1, ..., T - 1 of T, compared with later ones.

    Attributes
    ----------
    curves : int
        Number of curves that were compared.
    epochs : array [T - 1]
        1, ..., T - 1.
    spearman : array [T - 1]
        Rank correlation with the values after the last epoch; NaN where all values are equal.
    reversed_pairs : array [T - 1]
        Share of the pairs of curves that stand in the other order after the last epoch.
    crossing_pairs : array [T - 1]
        Share of the pairs that stand in the other order after at least one later epoch.
    """

    curves: int
    epochs: IntArray
    spearman: FloatArray
    reversed_pairs: FloatArray
    crossing_pairs: FloatArray

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON; a correlation that is not defined is None."""
        return {
            "curves": self.curves,
            "epochs": self.epochs.tolist(),
            "spearman": [None if math.isnan(value) else value for value in self.spearman.tolist()],
            "reversed_pairs": self.reversed_pairs.tolist(),
            "crossing_pairs": self.crossing_pairs.tolist(),
        }


def rank_settling(curves: LearningCurves) -> RankSettling | None:
    """Return how fast the ranks of the complete curves settle; None with fewer than three, or one epoch.

    Copies of one training count once. Pairs with equal values after an epoch are in no order then, and do
    not count as crossing or reversed.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> losses = [[3.0, 2.0, 1.0], [2.0, 3.0, 3.0], [4.0, 4.0, 4.0]]
    >>> configurations = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    >>> found = rank_settling(LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min")))
    >>> found.spearman.round(3).tolist(), found.crossing_pairs.round(3).tolist()
    ([0.5, 1.0], [0.333, 0.0])
    """
    values = curves.values[curves.complete & ~copied(curves)]
    if len(values) < LEAST_CURVES or curves.n_epochs < 2:
        return None
    reversed_pairs, crossing_pairs = _pairs(values)
    return RankSettling(
        curves=len(values),
        epochs=np.arange(1, curves.n_epochs),
        spearman=rank_correlations(values[:, :-1], values[:, -1]),
        reversed_pairs=reversed_pairs,
        crossing_pairs=crossing_pairs,
    )


def shown_epochs(n_epochs: int) -> list[int]:
    """Return a few epochs before the last one, the first among them.

    Examples
    --------
    >>> shown_epochs(50)
    [1, 3, 5, 13, 25, 38]
    """
    return sorted({1, *(math.ceil(share * n_epochs) for share in SHOWN_SHARES)} & set(range(1, n_epochs)))


def rank_correlations(values: FloatArray, last: FloatArray) -> FloatArray:
    """Return Spearman's correlation of each column [n, k] with `last` [n]; NaN where either is constant.

    Examples
    --------
    >>> found = rank_correlations(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]), np.array([5.0, 6.0, 7.0]))
    >>> found.round(12).tolist()
    [1.0, -1.0]
    """
    ranks = rankdata(np.column_stack([values, last]), axis=0)
    ranks -= ranks.mean(axis=0)
    norms = np.sqrt(np.square(ranks).sum(axis=0))
    with np.errstate(invalid="ignore"):
        return (ranks[:, :-1] * ranks[:, -1:]).sum(axis=0) / (norms[:-1] * norms[-1])


def _pairs(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the shares of reversed and of crossing pairs after each epoch but the last."""
    first, second = np.triu_indices(len(values), k=1)
    last = values[first, -1] > values[second, -1], values[first, -1] < values[second, -1]
    above_later, below_later = last
    shares = []
    for epoch in range(values.shape[1] - 2, -1, -1):
        above = values[first, epoch] > values[second, epoch]
        below = values[first, epoch] < values[second, epoch]
        others = (above & last[1]) | (below & last[0]), (above & below_later) | (below & above_later)
        shares.append([other.mean() for other in others])
        above_later, below_later = above_later | above, below_later | below
    reversed_pairs, crossing_pairs = np.array(shares[::-1]).T
    return reversed_pairs, crossing_pairs
