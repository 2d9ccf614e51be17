"""`Persistence`: the baseline regressor, which predicts the last observed loss."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import FloatArray


class Persistence(RegressorMixin, BaseEstimator):
    """Predicts the last column of the features; nothing is learnt."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Check X [n, d] and y [n]."""
        validate_data(self, X, y, y_numeric=True)
        self.is_fitted_ = True
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the last column of X [n, d]."""
        check_is_fitted(self)
        checked: FloatArray = validate_data(self, X, reset=False, dtype=np.float64)
        return checked[:, -1].copy()

    def __sklearn_tags__(self) -> object:
        """Declare poor scores on arbitrary data to scikit-learn."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags
