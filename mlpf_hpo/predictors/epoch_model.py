"""`EpochModel`: the model of curves with one number of observed epochs, and its errors out of fold."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.intervals import interval_offsets
from mlpf_hpo.predictors.out_of_fold import fitted_by_groups, out_of_fold_predictions
from mlpf_hpo.predictors.shrinkage import shrink_toward, shrinkage_factor
from mlpf_hpo.predictors.value_scale import ValueScale
from mlpf_hpo.space import Mode


class EpochModel(BaseEstimator):
    """A pipeline for one number of observed epochs, shrunk toward the last observed value.

    Parameters
    ----------
    model : estimator
        An unfitted pipeline.
    known_epochs : int
        Number of observed epochs.
    folds : int
        Cross-validation folds for the errors; below 2 there are none.
    shrink : bool
        Whether predictions are shrunk by a factor from the model's out-of-fold improvement, see
        `shrinkage_factor`. Without folds, or observed epochs, there is no shrinkage; models whose regressor
        says that it `shrinks_itself` are left as they are.

    Attributes
    ----------
    model_ : fitted pipeline
    share_ : float
        Shrinkage factor.
    log_scale_ : bool
        Whether the model is shrunk on a log scale.
    out_of_fold_ : array [n]
        Predictions of the training rows by models not fitted on them; empty without folds.
    residuals_ : array [n]
        Their errors on the scale of final values.
    """

    def __init__(
        self, model: Any = None, known_epochs: int = 0, folds: int = 5, shrink: bool = False
    ) -> None:
        self.model = model
        self.known_epochs = known_epochs
        self.folds = folds
        self.shrink = shrink

    def fit(self, X: pd.DataFrame, y: FloatArray, groups: NDArray[Any], scale: ValueScale) -> Self:
        """Fit on curves with final values y [n] and configurations [n]; `scale` is of all final values."""
        self.model_ = fitted_by_groups(clone(self.model), X, y, groups)
        last = self._last_seen(X)
        predicted = out_of_fold_predictions(self.model_, lambda: clone(self.model), X, y, groups, self.folds)
        self.log_scale_, self.share_ = bool(scale.log_ and (last > 0).all()), 1.0
        self.out_of_fold_ = self.residuals_ = np.zeros(0)
        if predicted is None:
            return self
        if self.shrink and self.known_epochs > 0 and not getattr(self.model_[-1], "shrinks_itself", False):
            self.share_ = shrinkage_factor(y, predicted, last, groups)
        self.out_of_fold_ = self._shrunk(last, predicted)
        self.residuals_ = scale.transform(y) - scale.transform(self.out_of_fold_)
        return self

    def predict(self, X: pd.DataFrame) -> FloatArray:
        """Return the predicted final values of curves, [n]."""
        return self._shrunk(self._last_seen(X), self.model_.predict(X))

    def interval_offsets(
        self, at: FloatArray, scale: ValueScale, coverage: float, mode: Mode, floor: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return the distances of both bounds from predictions `at` [n], which are on the scale, as on it.

        `floor` is the least mean absolute error before the first epoch.
        """
        floor = floor if self.known_epochs == 0 else 0.0
        left_out = scale.transform(self.out_of_fold_)
        return interval_offsets(at, left_out, self.residuals_, coverage, mode == "min", floor)

    def _last_seen(self, X: pd.DataFrame) -> FloatArray:
        """Return the last observed value of each row, [n]; NaN without observed epochs."""
        if self.known_epochs == 0:
            return np.full(len(X), np.nan)
        return X[f"loss_{self.known_epochs - 1}"].to_numpy(dtype=float)

    def _shrunk(self, last: FloatArray, predicted: FloatArray) -> FloatArray:
        if self.share_ == 1:
            return predicted
        return shrink_toward(last, predicted, self.share_, self.log_scale_)
