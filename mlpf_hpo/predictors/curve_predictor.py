"""`CurvePredictor`: predict final values with intervals from partial learning curves.

It is the class of every predictor that is selected, registered, served or used by a search.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.column_names import TARGET_EPOCH, is_reserved
from mlpf_hpo.curves.ends import known_lengths, values_after
from mlpf_hpo.curves.features import split_columns
from mlpf_hpo.curves.float_columns import float_columns
from mlpf_hpo.curves.schema import text_columns
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.curve_table import (
    check_parameters,
    final_values,
    group_labels,
    nominal_coverage,
    prediction_table,
    target_epochs,
    training_table,
)
from mlpf_hpo.predictors.epoch_model import EpochModel
from mlpf_hpo.predictors.expected_warnings import fewer_rows_than_quantiles
from mlpf_hpo.predictors.intervals import Prediction, repeat_error
from mlpf_hpo.predictors.out_of_fold import LEAST_ROWS
from mlpf_hpo.predictors.training_range import Ranges, training_ranges
from mlpf_hpo.predictors.value_scale import ValueScale
from mlpf_hpo.space import Mode

HORIZON = "regressor__n_epochs"
"""Parameter of models that continue a curve: the last epoch."""


class CurvePredictor(RegressorMixin, BaseEstimator):
    """One model per number of observed epochs, and intervals from its errors on curves it was not fitted on.

    Curves are tables as `LearningCurves.frame` makes them: hyperparameters, then ``loss_0 ... loss_{T-1}``
    with NaN after the last observed epoch. Rows of one call may have different numbers of observed epochs, 0
    included. A row with k observed epochs, those before its first value that is not finite, is predicted by
    the model for the largest number of `known_epochs` that is at most k. The final value of a complete curve
    is returned as it is, and as both bounds.

    A table with a column `target_epoch` predicts the value of each row after that many epochs, which is a
    feature of every model.

    Parameters
    ----------
    model : estimator
        A pipeline with a step "features" (`CurveFeatures`), cloned for every number of observed epochs.
    blind_model : estimator or None
        Used instead of `model` for 0 observed epochs.
    known_epochs : sequence of int
        Numbers of observed epochs to fit models for, ascending.
    coverage : float
        Nominal coverage of intervals by default.
    folds : int
        Cross-validation folds for the errors; below 2 there are no intervals (infinite bounds).
    name : str
        Name in tables.
    shrink : bool
        Whether predictions are shrunk toward the last observed value, see `EpochModel`.
    mode : {"min", "max"}
        Whether small or large values are good: intervals miss less often on the better side.

    Attributes
    ----------
    epoch_models_ : list of EpochModel
        One per entry of `known_epochs`.
    scale_ : ValueScale
        Of the training targets.
    noise_floor_ : float
        Least mean absolute error of predictions before the first epoch, from repeats: see `repeat_error`.
    log_scale_ : bool
        Whether all training targets were positive: predictions then are, too.
    n_epochs_ : int
        The epoch whose loss is predicted; the largest one where curves have target epochs of their own.
    texts_ : list of str
        The hyperparameters that are texts.
    ranges_ : dict
        Range of each hyperparameter in training, see `training_ranges`.
    predicts_last_ : bool
        Whether the training targets were the last losses of their curves, so that a complete curve contains
        its target; other targets are predicted from complete curves as well.
    n_dropped_ : int
        Training curves left out because their final loss is not finite.

    Examples
    --------
    >>> from mlpf_hpo import PredictorsParams, make_predictor
    >>> from mlpf_hpo import LearningCurves, LogUniform, SearchSpace, TargetMetric
    >>> configurations = SearchSpace({"lr": LogUniform(1e-4, 1e-1)}).stream(30, seed=1)
    >>> rows = [[one["lr"] + 0.5**epoch for epoch in range(1, 9)] for one in configurations]
    >>> curves = LearningCurves.from_arrays(configurations, rows, TargetMetric("loss", "min"))
    >>> predictor = make_predictor("ridge", PredictorsParams(), seed=0, known_epochs=(0, 2))
    >>> predictor = predictor.fit(curves.frame(), curves.final)
    >>> partial = curves.frame(known_epochs=2)
    >>> bool(abs(predictor.predict(partial) - curves.final).max() < 0.01)
    True
    >>> interval = predictor.predict_interval(partial, coverage=0.8)
    >>> interval.lower.shape, interval.coverage
    ((30,), 0.8)
    """

    predicts_last_ = True  # default for model files of older versions, which had no other targets
    texts_: Sequence[str] = ()  # default for model files of older versions, which had numbers only
    ranges_: Ranges = MappingProxyType({})  # default for model files of older versions, which had none

    def __init__(
        self,
        model: Any = None,
        blind_model: Any = None,
        known_epochs: Sequence[int] = (0,),
        coverage: float = 0.9,
        folds: int = 5,
        name: str = "",
        shrink: bool = False,
        mode: Mode = "min",
    ) -> None:
        self.model = model
        self.blind_model = blind_model
        self.known_epochs = known_epochs
        self.coverage = coverage
        self.folds = folds
        self.name = name
        self.shrink = shrink
        self.mode = mode

    @property
    def n_epochs(self) -> int:
        """The epoch whose loss is predicted; the largest where curves have target epochs of their own."""
        check_is_fitted(self)
        return int(self.n_epochs_)

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """The hyperparameters that it was fitted on."""
        check_is_fitted(self)
        return tuple(name for name in split_columns(self.columns_)[0] if not is_reserved(name))

    @property
    def own_targets(self) -> bool:
        """Whether each curve's own target epoch is a feature, the column `target_epoch`."""
        return TARGET_EPOCH in self.columns_

    def fit(self, X: pd.DataFrame, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit on full curves.

        Parameters
        ----------
        X : DataFrame [n, hyperparameters + T]
            Curves. They should not be sorted by their values: folds for the errors are blocks of rows.
        y : array [n] or [n, 1]
            Final losses; rows without a finite one are left out.
        groups : array [n], optional
            Rows of one group stay on one side of the splits for the errors.

        Raises
        ------
        DataError
            If these are no curves, or fewer than three can be used.
        ConfigurationError
            If a parameter has no meaning.
        """
        check_parameters(self.model, self.known_epochs, self.coverage)
        X = training_table(X)
        target, labels = final_values(y, len(X)), group_labels(groups, len(X))
        usable = np.isfinite(target)
        self.n_dropped_ = int((~usable).sum())
        if usable.sum() < LEAST_ROWS:
            raise DataError(
                f"{int(usable.sum())} curves with a finite final loss; at least {LEAST_ROWS} are needed"
            )
        frame, target, labels = X.loc[usable.tolist()].reset_index(drop=True), target[usable], labels[usable]
        self.columns_ = [str(name) for name in frame.columns]
        names, losses = split_columns(self.columns_)
        self.texts_ = text_columns(frame, names)
        self.ranges_ = training_ranges(frame, names, self.texts_)
        self.n_epochs_ = len(losses)
        if not names and self.known_epochs[0] == 0 and not get_tags(self._template(0)[-1]).no_validation:
            raise DataError("curves: no hyperparameters: nothing to predict from before the first epoch")
        self.log_scale_ = bool((target > 0).all())
        self.scale_ = ValueScale().fit(target)
        self.noise_floor_ = repeat_error(self.scale_.transform(target), labels)
        values, targets = float_columns(frame, losses), target_epochs(frame, self.n_epochs_)
        lengths, last = known_lengths(values), values_after(values, targets)
        starts = np.minimum(lengths, targets - 1) if self.own_targets else lengths
        self.predicts_last_ = bool(np.allclose(target, np.where(np.isfinite(last), last, target), 1e-6, 0))
        self.epoch_models_: list[EpochModel] = []
        with fewer_rows_than_quantiles():
            for known in self.known_epochs:
                rows = np.flatnonzero(starts >= known)
                if len(rows) < LEAST_ROWS:
                    raise DataError(
                        f"{len(rows)} curves have {known} observed epochs; at least {LEAST_ROWS} are needed"
                    )
                model = EpochModel(self._template(known), known, self.folds, self.shrink)
                self.epoch_models_.append(
                    model.fit(frame.iloc[rows], target[rows], labels[rows], self.scale_)
                )
        return self

    def predict(self, X: pd.DataFrame) -> FloatArray:
        """Return the predicted final loss of each curve, [n]; for a complete curve its last loss.

        Raises
        ------
        DataError
            If columns are missing that the predictor was fitted on, or a curve has too few observed epochs.
        """
        check_is_fitted(self)
        return self._predict(X)[0]

    def predict_interval(self, X: pd.DataFrame, coverage: float | None = None) -> Prediction:
        """Return predictions with intervals.

        Parameters
        ----------
        X : DataFrame
            Partial curves.
        coverage : float, optional
            Nominal coverage; `self.coverage` by default.

        Raises
        ------
        DataError, ConfigurationError
            As for `predict`, or if there is no such coverage.
        """
        check_is_fitted(self)
        nominal = nominal_coverage(self.coverage if coverage is None else coverage)
        mean, which = self._predict(X)
        at = self.scale_.transform(mean)
        low, high = at.copy(), at.copy()  # a complete curve has an interval of width 0
        ended = which == len(self.epoch_models_)
        for index in np.unique(which[~ended]):  # a search asks for one curve at a time: one model of many
            rows = np.flatnonzero(which == index)
            below, above = self.epoch_models_[index].interval_offsets(
                at[rows], self.scale_, nominal, self.mode, self.noise_floor_
            )
            low[rows] += below
            high[rows] += above
        lower, upper = (np.where(ended, mean, self.scale_.inverse_transform(end)) for end in (low, high))
        return Prediction(mean, np.minimum(lower, mean), np.maximum(upper, mean), nominal)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether the last call of `fit` was completed."""
        return 0 < len(self.known_epochs) == len(getattr(self, "epoch_models_", ()))

    def _template(self, known: int) -> Any:
        if known == 0 and self.blind_model is not None:
            return clone(self.blind_model)
        template = clone(self.model).set_params(features__known_epochs=known)
        step, regressor = template.steps[-1]
        if HORIZON in {f"{step}__{name}" for name in regressor.get_params(deep=False)}:
            template.set_params(**{HORIZON: None if self.own_targets else self.n_epochs_})
        return template

    def _predict(self, X: pd.DataFrame) -> tuple[FloatArray, IntArray]:
        """Return predictions and the index of each row's model; one past the last for complete curves."""
        X = prediction_table(X, self.columns_, self.texts_)
        curves = float_columns(X, split_columns(self.columns_)[1])
        lengths, targets = known_lengths(curves), target_epochs(X, self.n_epochs_)
        grid = np.asarray(self.known_epochs)
        which = np.searchsorted(grid, lengths, side="right") - 1
        if len(which) and which.min() < 0:
            row = int(which.argmin())
            raise DataError(
                f"row {row + 1} has {lengths[row]} observed epochs; this predictor needs at least {grid[0]}"
            )
        ended = (lengths >= targets) & self.predicts_last_
        which[ended] = len(self.epoch_models_)
        predicted = np.full(len(X), np.nan)
        for index in np.unique(which[~ended]):
            rows = np.flatnonzero(which == index)
            predicted[rows] = self.epoch_models_[index].predict(X.iloc[rows])
        if self.log_scale_:
            predicted = np.maximum(predicted, np.finfo(float).tiny)
        predicted[ended] = values_after(curves, targets)[ended]
        return predicted, which
