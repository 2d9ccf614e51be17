"""`CalibratedPersistence`: the last observed value, moved to where curves with such values end."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.regressors.folds import row_folds
from mlpf_hpo.predictors.shrinkage import shrinkage_factor

PENALTY = 0.05
EVEN = 0.4
"""Slope of each column that the penalty draws to, in units of the targets' spread."""


class CalibratedPersistence(RegressorMixin, BaseEstimator):
    """A function that rises with the last value, so that curves keep the order of their last values.

    It is a rising line in the columns of X, which are the last value on the scale of the targets and its rank
    among the training curves', shrunk toward the last value itself by the factor of `shrinkage_factor`:
    early in a training the values are far from the final ones and only their order counts, late they are
    nearly equal to them.

    Parameters
    ----------
    folds : int

    Attributes
    ----------
    slopes_ : array [2]
    share_ : float
        Weight of the line.
    oob_prediction_ : array [n]
        Out-of-fold predictions of the training rows.
    """

    def __init__(self, folds: int = 6) -> None:
        self.folds = folds

    def fit(self, X: ArrayLike, y: ArrayLike, groups: NDArray[Any] | None = None) -> Self:
        """Fit on X [n, 2] and y [n]; rows of one group [n] are left out together."""
        rows, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self.centre_, self.spread_ = rows.mean(axis=0), rows.std(axis=0)
        self.spread_[self.spread_ == 0] = 1.0
        self.mean_ = float(target.mean())
        columns, z = (rows - self.centre_) / self.spread_, target - self.mean_
        self.slopes_ = _rising(columns, z, float(target.std()))
        line = np.empty(len(z))
        for train, test in row_folds(len(z), self.folds, groups):
            line[test] = columns[test] @ _rising(columns[train], z[train], float(target.std()))
        line += self.mean_
        rows_of = np.arange(len(z)) if groups is None else groups
        self.share_ = shrinkage_factor(target, line, rows[:, 0], rows_of)
        self.oob_prediction_ = self.share_ * line + (1 - self.share_) * rows[:, 0]
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the prediction for each row of X [n, 2]."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        line = self.mean_ + (rows - self.centre_) / self.spread_ @ self.slopes_
        return np.asarray(self.share_ * line + (1 - self.share_) * rows[:, 0])


def _rising(columns: FloatArray, z: FloatArray, spread: float) -> FloatArray:
    """Return non-negative slopes by penalised least squares."""
    root = np.sqrt(PENALTY * len(z))
    penalised = np.vstack([columns, root * np.eye(columns.shape[1])])
    target = np.concatenate([z, np.full(columns.shape[1], root * EVEN * spread)])
    return np.asarray(nnls(penalised, target)[0])
