"""Predict the end of a curve from its beginning: by the curves of a prior campaign, or by experience.

Both work on a `ValueAxis`, on the numbers of epochs of `decision_epochs`; the state of a curve is the index
of the last of them that it has reached.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray

LEAST_CURVES = 5
"""Fewer curves of a prior campaign say nothing of how curves end."""

PENALTY = 10.0
"""Of the ridge regression, in curves."""

REGRESSION_SHARE = 0.5
"""Weight of the regression; the rest goes to the mean change.

A regression fitted to all curves follows the many bad ones: of the best curves the mean change alone is as
often right.
"""

OUTERMOST = 4.0
"""Features further from their mean, in standard deviations, count as that far."""

LEAST_VARIANCE = 1e-4

FIRST_SPREAD = 1.5
"""Standard deviation of the rest of a good curve before its first epoch, in units of the axis."""


def usual_variance(epochs: IntArray) -> FloatArray:
    """Return the variance of the rest of a curve where no other curve is known, [k].

    Its standard deviation falls with the root of the share that is done: of the tables of curves that the
    scheduler was designed on, those that look good at a time have about such residuals, on the axis of their
    own final values, whatever they are losses of.

    Examples
    --------
    >>> usual_variance(np.array([0, 4, 16, 64])).round(2).tolist()
    [inf, 1.27, 0.56, 0.0]
    """
    variance = (FIRST_SPREAD * (1 - np.sqrt(epochs / epochs[-1]))) ** 2
    variance[0] = np.inf
    return np.asarray(variance)


@dataclass(frozen=True)
class _Regression:
    mean: FloatArray
    spread: FloatArray
    coefficients: FloatArray
    drift: float


class PriorExtrapolation:
    """The rest of a curve by ridge regression on its slopes, and by the mean change of the prior's curves.

    One regression for each number of epochs. Good curves weigh more: those near the best are decided on.

    Parameters
    ----------
    values : array [n, max_epochs]
        The prior's curves on the axis, complete.
    epochs : array of int [k]
        See `decision_epochs`.

    Attributes
    ----------
    variance : array [k]
        Of the predictions, each curve left out once; infinite at first, 0 at last, never rising.
    """

    def __init__(self, values: FloatArray, epochs: IntArray) -> None:
        self.epochs = epochs
        final = values[:, -1]
        weights = 1 / (1 + (final / max(float(np.median(final)), 1e-12)) ** 2)
        weights /= weights.sum()
        self.variance = np.full(len(epochs), np.inf)
        self.variance[-1] = 0.0
        self._regressions: list[_Regression] = []
        for k in range(1, len(epochs) - 1):
            change = final - values[:, epochs[k] - 1]
            regression, errors = _fit(self._features(values, k), change, weights)
            self._regressions.append(regression)
            self.variance[k] = float(weights @ errors**2)
        for k in range(len(epochs) - 2, 0, -1):
            self.variance[k] = max(self.variance[k], self.variance[k + 1], LEAST_VARIANCE)

    def final(self, curve: FloatArray, k: int) -> float:
        """Return the predicted final value of a curve that has reached `epochs[k]`, k from 1."""
        if k == len(self.epochs) - 1:
            return float(curve[self.epochs[k] - 1])
        found = self._regressions[k - 1]
        features = self._features(curve[np.newaxis], k)[0]
        inputs = np.clip((features - found.mean) / found.spread, -OUTERMOST, OUTERMOST)
        change = found.coefficients[0] + inputs @ found.coefficients[1:]
        return float(
            curve[self.epochs[k] - 1] + REGRESSION_SHARE * change + (1 - REGRESSION_SHARE) * found.drift
        )

    def _features(self, values: FloatArray, k: int) -> FloatArray:
        """Return last value, change since half of the epochs, and since the last epoch, [n, 1 or 3]."""
        epoch = int(self.epochs[k])
        last = values[:, epoch - 1]
        if epoch == 1:
            return last[:, np.newaxis]
        return np.column_stack([last, last - values[:, epoch // 2 - 1], last - values[:, epoch - 2]])


def _fit(features: FloatArray, change: FloatArray, weights: FloatArray) -> tuple[_Regression, FloatArray]:
    """Return a weighted ridge regression, and the error at each row when it is left out, [n]."""
    mean = weights @ features
    spread = np.sqrt(weights @ (features - mean) ** 2) + 1e-9
    inputs = np.column_stack([np.ones(len(features)), (features - mean) / spread])
    root = np.sqrt(weights * len(weights))
    rows = inputs * root[:, np.newaxis]
    penalty = np.diag([0.0] + [PENALTY] * features.shape[1])
    inverse = np.linalg.inv(rows.T @ rows + penalty)
    coefficients = inverse @ (rows.T @ (change * root))
    leverage = np.einsum("ij,jk,ik->i", rows, inverse, rows)
    drift = float(weights @ change)
    regressed = (change - inputs @ coefficients) / np.maximum(1 - leverage, 0.05)
    errors = REGRESSION_SHARE * regressed + (1 - REGRESSION_SHARE) * (change - drift)
    return _Regression(mean, spread, coefficients, drift), errors


def mean_changes(values: FloatArray) -> FloatArray:
    """Return the mean change of curves from each number of epochs to the end, [k].

    Parameters
    ----------
    values : array [n, k]
        Curves at the numbers of epochs, on an axis; NaN where they have not come to, and in the first column.

    Returns
    -------
    array [k]
        Sums of the mean changes from one number to the next, of the curves that have both; 0 where none has.
        Good curves weigh more. The change of a single curve is taken whole: if others were expected to change
        less than the first that ends, they would all look worse than it.
    """
    steps = np.zeros(values.shape[1])
    before, change = values[:, 1:-1], np.diff(values[:, 1:], axis=1)
    both = np.isfinite(change)
    weights = np.where(both, 1 / (1 + np.maximum(before, 0) ** 2), 0.0)
    sums = np.einsum("nk,nk->k", weights, np.where(both, change, 0.0))
    np.divide(sums, weights.sum(axis=0), out=steps[1:-1], where=both.any(axis=0))
    return np.asarray(np.cumsum(steps[::-1])[::-1])
