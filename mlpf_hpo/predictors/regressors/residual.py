"""`Residual`: a regressor of the difference from persistence, on a log scale, with soft thresholding."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.linear_model import RidgeCV
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import LARGEST_SQUARED, FloatArray

MAD_TO_SIGMA = 1.4826
"""From the median absolute deviation to the standard deviation of normal errors."""

REACH = 1.0
"""Predictions go beyond the training targets by at most this times the targets' range (on their scale)."""


class Residual(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Regressor of the difference from persistence, of which only the part above the noise is added.

    The last column of X is the last observed value. If it and the targets are positive, logarithms are taken
    of both. The inner regressor learns r = target - last in units of its standard deviation. Its
    prediction is drawn towards 0, which is persistence, by `dead_zone` times the noise, the scaled median
    absolute deviation of the training residuals (soft thresholding, Donoho 1995): where
    predictions are small, the order of the last values is unchanged.

    Parameters
    ----------
    estimator : regressor or None
        What to fit on the residuals; None stands for scikit-learn's RidgeCV.
    dead_zone : float
        In units of the noise; 0 keeps the regressor's predictions.

    Attributes
    ----------
    estimator_ : fitted regressor
    log_scale_ : bool
        Whether residuals are those of logarithms.
    noise_, spread_ : float
        The width of the noise and the standard deviation of the training residuals.
    low_, high_ : float
        Bounds of predicted residuals.
    oob_prediction_ : array [n]
        For forests: predictions of the training rows by the trees not fitted on them.
    """

    def __init__(self, estimator: Any = None, dead_zone: float = 0.0) -> None:
        self.estimator = estimator
        self.dead_zone = dead_zone

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on X [n, d], whose last column is the last observed value, and final values y [n]."""
        rows, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self.log_scale_ = bool((rows[:, -1] > 0).all() and (target > 0).all())
        features = self._features(rows)
        residuals = self._scaled(np.asarray(target, dtype=np.float64)) - features[:, -1]
        self.spread_ = float(residuals.std()) or 1.0
        self.noise_ = float(MAD_TO_SIGMA * np.median(np.abs(residuals - np.median(residuals))))
        reach = REACH * float(np.ptp(residuals))
        self.low_, self.high_ = float(residuals.min()) - reach, float(residuals.max()) + reach
        template = RidgeCV() if self.estimator is None else self.estimator
        self.estimator_ = clone(template).fit(features, residuals / self.spread_)
        if hasattr(self.estimator_, "oob_prediction_"):
            self.oob_prediction_ = self._final(rows, self.estimator_.oob_prediction_)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the predicted final value of each row of X [n, d]."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return self._final(rows, self.estimator_.predict(self._features(rows)))

    def __sklearn_tags__(self) -> object:
        """Declare poor scores on arbitrary data to scikit-learn if there is a dead zone."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self.dead_zone > 0
        return tags

    def _final(self, rows: FloatArray, predicted: FloatArray) -> FloatArray:
        residuals = np.clip(predicted * self.spread_, self.low_, self.high_)
        beyond = np.maximum(0.0, np.abs(residuals) - self.dead_zone * self.noise_)
        added = np.sign(residuals) * beyond
        return np.asarray(rows[:, -1] * np.exp(added) if self.log_scale_ else rows[:, -1] + added)

    def _features(self, rows: FloatArray) -> FloatArray:
        return np.column_stack([rows[:, :-1], self._scaled(rows[:, -1])])

    def _scaled(self, values: FloatArray) -> FloatArray:
        if self.log_scale_:
            return np.log(np.maximum(values, np.finfo(float).tiny))
        return np.clip(values, -LARGEST_SQUARED, LARGEST_SQUARED)
