"""`HalfShrinkage`: a regressor whose predictions are shrunk halfway toward persistence."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.linear_model import RidgeCV
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.shrinkage import shrink_toward


class HalfShrinkage(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """The mean of a regressor and of persistence, which is the last column of X.

    If that column and the targets are positive, it is the mean of logarithms. Half of a correction keeps
    three quarters of the improvement in squared error of a correct one, and has a quarter of the variance of
    a wrong one; equal weights are hard to beat where errors are known from few rows (Bates and
    Granger 1969).

    Parameters
    ----------
    estimator : regressor or None
        None stands for scikit-learn's RidgeCV.

    Attributes
    ----------
    estimator_ : fitted regressor
    log_scale_ : bool
        Whether the mean is that of logarithms.
    oob_prediction_ : array [n]
        For forests: predictions of the training rows by the trees not fitted on them, shrunk.
    """

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on X [n, d], whose last column is the last observed value, and final values y [n]."""
        rows, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self.log_scale_ = bool((rows[:, -1] > 0).all() and (target > 0).all())
        template = RidgeCV() if self.estimator is None else self.estimator
        self.estimator_ = clone(template).fit(rows, target)
        if hasattr(self.estimator_, "oob_prediction_"):
            self.oob_prediction_ = self._half(rows, self.estimator_.oob_prediction_)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the predicted final value of each row of X [n, d]."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return self._half(rows, self.estimator_.predict(rows))

    def __sklearn_tags__(self) -> object:
        """Declare poor scores on arbitrary data to scikit-learn: half of a prediction is persistence."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def _half(self, rows: FloatArray, predicted: FloatArray) -> FloatArray:
        return shrink_toward(rows[:, -1], predicted, 0.5, self.log_scale_)
