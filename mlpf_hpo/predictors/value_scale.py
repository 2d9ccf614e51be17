"""`ValueScale`: a monotone, unbounded scale of final values on which the training values are normal."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from mlpf_hpo.array_types import LARGEST_SQUARED, FloatArray

KNOTS = 15
"""Largest number of quantiles of the training values that the scale passes through."""

LARGEST_LOG = 1500.0
"""No logarithms of two float64 are further apart."""

LARGEST_FACTOR = 1e3
"""Without logarithms the scale ends at this many times the largest training value."""


class ValueScale(BaseEstimator):
    """Normal scores of the training values, by straight lines between quantiles, and back.

    On this scale squared errors weigh ranks, a diverged training counts as one bad training, and good values
    are told apart as finely as there are. In contrast to a rank transform it never ends: beyond the training
    values it goes on with the slope of an outermost quarter, the gentler one of both ends, so that any two
    values stay apart and the way back is exact.

    Parameters
    ----------
    log : bool or None
        Whether the lines are straight in the logarithm of the value; None: where all values are positive.

    Attributes
    ----------
    knots_, scores_ : array [k]
        Values (or their logarithms) and their scores, both ascending.
    log_ : bool

    Examples
    --------
    >>> import numpy as np
    >>> scale = ValueScale().fit(np.array([0.1, 0.2, 0.4, 0.8, 1e9]))
    >>> scale.transform([0.4, 1e30]).round(2).tolist()
    [0.0, 3.03]
    >>> scale.inverse_transform(scale.transform([0.3, 1e30]))
    array([3.e-01, 1.e+30])
    """

    def __init__(self, log: bool | None = None) -> None:
        self.log = log

    def fit(self, y: ArrayLike) -> Self:
        """Learn the scale of y [n]."""
        values = np.asarray(y, dtype=np.float64)
        self.log_ = bool((values > 0).all()) if self.log is None else self.log
        shares = (np.arange(min(len(values), KNOTS)) + 0.5) / min(len(values), KNOTS)
        quantiles = np.quantile(self.straightened(values), shares, method="hazen")
        knots, member = np.unique(quantiles, return_inverse=True)
        scores = np.bincount(member, ndtri(shares)) / np.bincount(member)
        if len(knots) == 1:  # nothing to learn from: a unit is a unit
            unit = max(1.0, float(np.spacing(np.abs(knots[0]))))
            knots, scores = knots + unit * np.array([-1.0, 1.0]), np.array([-1.0, 1.0])
        step = max(1, len(knots) // 4)
        below = (scores[step] - scores[0]) / (knots[step] - knots[0])
        above = (scores[-1] - scores[-1 - step]) / (knots[-1] - knots[-1 - step])
        reach = LARGEST_LOG if self.log_ else LARGEST_FACTOR * float(np.abs(knots).max())
        rise = reach * min(below, above)
        self.knots_ = np.concatenate([[knots[0] - reach], knots, [knots[-1] + reach]])
        self.scores_ = np.concatenate([[scores[0] - rise], scores, [scores[-1] + rise]])
        return self

    def transform(self, values: ArrayLike) -> FloatArray:
        """Return the scores of values [n]; on a log scale those not above 0 count as the smallest number."""
        check_is_fitted(self)
        return np.interp(self.straightened(np.asarray(values, dtype=np.float64)), self.knots_, self.scores_)

    def inverse_transform(self, scores: ArrayLike) -> FloatArray:
        """Return the values that have scores [n]."""
        check_is_fitted(self)
        return self.unstraightened(np.interp(np.asarray(scores, dtype=np.float64), self.scores_, self.knots_))

    def straightened(self, values: FloatArray) -> FloatArray:
        """Return values in the unit in which the lines are straight: logarithms, or the values themselves."""
        if self.log_:
            return np.log(np.maximum(values, np.finfo(float).tiny))
        return np.clip(values, -LARGEST_SQUARED, LARGEST_SQUARED)

    def unstraightened(self, values: FloatArray) -> FloatArray:
        """Return values from the unit of `straightened`; infinite beyond the largest number."""
        if not self.log_:
            return values
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(values))
