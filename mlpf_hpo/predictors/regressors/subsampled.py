"""`Subsampled`: a regressor that is fitted on a few random rows, as many as a quantum device holds."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.svm import SVR
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import FloatArray


class Subsampled(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Fits a regressor on at most `points` rows, drawn at random.

    Parameters
    ----------
    estimator : regressor or None
        What to fit; None stands for scikit-learn's SVR.
    points : int
        Most rows to learn from.
    random_state : int, RandomState or None
        Which rows.
    """

    def __init__(self, estimator: Any = None, points: int = 20, random_state: Any = 0) -> None:
        self.estimator = estimator
        self.points = points
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on rows of X [n, d] and y [n]."""
        points, targets = validate_data(self, X, y, y_numeric=True)
        rows = np.arange(len(targets))
        if len(rows) > self.points:
            rows = np.sort(check_random_state(self.random_state).permutation(len(rows))[: self.points])
        template = SVR() if self.estimator is None else self.estimator
        self.rows_ = rows
        self.estimator_ = clone(template).fit(points[rows], targets[rows])
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the fitted regressor's predictions for X [n, d]."""
        check_is_fitted(self)
        predicted: FloatArray = self.estimator_.predict(validate_data(self, X, reset=False))
        return predicted
