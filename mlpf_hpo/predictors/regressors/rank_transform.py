"""`RankScale`: rank transform of features and targets, which limits the influence of outliers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import LARGEST_SQUARED, FloatArray

END = 0.1
"""Share of the training values at either end that gives the slope beyond them, over as many ranks again.

Values further out are tied: a linear model's ranks are not bounded.
"""


class RankScale(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Maps each column to mid-ranks of the training values, in (0, 1), and back.

    Between training values the map is linear. Beyond them it goes on with the slope of an outermost tenth
    (of logarithms, where all values are positive), so that nothing is tied there: a new best is below all
    that were seen, which a quantile transformer cannot say. It is the gentler of both ends' slopes: the bad
    end is where trainings diverge, and the worst of them would be multiplied.

    Attributes
    ----------
    knots_, ranks_ : list of arrays
        Of each column: distinct training values (or their logarithms) with one added beyond either end, and
        their ranks.
    log_scale_ : list of bool
    """

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the ranks of X [n, d]."""
        columns = validate_data(self, X, dtype=np.float64).T
        self.log_scale_ = [bool((column > 0).all()) for column in columns]
        found = [
            _map(np.log(column) if log else np.clip(column, -LARGEST_SQUARED, LARGEST_SQUARED))
            for column, log in zip(columns, self.log_scale_, strict=True)
        ]
        self.knots_ = [knots for knots, _ in found]
        self.ranks_ = [ranks for _, ranks in found]
        return self

    def transform(self, X: ArrayLike) -> FloatArray:
        """Return ranks of X [n, d]; beyond (0, 1) for values beyond the training values."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        out = np.empty_like(rows)
        for j, (knots, ranks) in enumerate(zip(self.knots_, self.ranks_, strict=True)):
            values = rows[:, j]
            scaled = np.log(np.maximum(values, np.finfo(float).tiny)) if self.log_scale_[j] else values
            out[:, j] = np.interp(scaled, knots, ranks)
        return out

    def inverse_transform(self, X: ArrayLike) -> FloatArray:
        """Return the values that have ranks X [n, d]."""
        check_is_fitted(self)
        rows = np.asarray(X, dtype=np.float64)
        out = np.empty_like(rows)
        for j, (knots, ranks) in enumerate(zip(self.knots_, self.ranks_, strict=True)):
            values = np.interp(rows[:, j], ranks, knots)
            out[:, j] = np.exp(values) if self.log_scale_[j] else values
        return out


def _map(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return knots and their mid-ranks, and one more beyond either end."""
    knots, counts = np.unique(values, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(values)
    if len(knots) == 1:
        return knots, ranks
    near = min(len(knots) - 1, max(1, round(END * len(knots))))
    below = (knots[near] - knots[0]) / (ranks[near] - ranks[0])
    above = (knots[-1] - knots[-1 - near]) / (ranks[-1] - ranks[-1 - near])
    slope = min(below, above)
    outer = (knots[0] - slope * (ranks[0] + END), knots[-1] + slope * (1.0 + END - ranks[-1]))
    return np.array([outer[0], *knots, outer[1]]), np.array([-END, *ranks, 1.0 + END])
