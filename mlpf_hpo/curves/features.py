"""`CurveFeatures`: feature matrix of partial learning curves, from hyperparameters and observed epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.column_names import LOSS, TARGET_EPOCH
from mlpf_hpo.curves.float_columns import float_columns
from mlpf_hpo.curves.schema import text_columns
from mlpf_hpo.curves.shapes import SHAPES, shape_features
from mlpf_hpo.errors import ConfigurationError, DataError, did_you_mean

LOG_HYPERPARAMETERS = ("lr", "weight_decay")
"""Those of table 1 that are sampled on a log scale."""

DECADES = 1.5
"""A positive hyperparameter of a foreign table that spans more decades than this is logarithmic."""


def is_logarithmic(name: str, values: FloatArray, log_columns: Sequence[str] = LOG_HYPERPARAMETERS) -> bool:
    """Return whether the values of a hyperparameter, [n], are on a log scale: by its name, or their range.

    Examples
    --------
    >>> is_logarithmic("width", np.array([1.0, 100.0])), is_logarithmic("width", np.array([0.0, 100.0]))
    (True, False)
    """
    if not (values > 0).all():
        return False
    return name in log_columns or bool(values.max() > values.min() * 10**DECADES)


def split_columns(columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the hyperparameter columns, and the loss columns in order of epoch."""
    others, losses = _split(tuple(columns))
    return list(others), list(losses)


@lru_cache(maxsize=64)
def _split(columns: tuple[str, ...]) -> tuple[list[str], list[str]]:
    losses = [name for name in columns if LOSS.fullmatch(name)]
    losses.sort(key=lambda name: int(name.removeprefix("loss_")))
    return [name for name in columns if not LOSS.fullmatch(name)], losses


class CurveFeatures(TransformerMixin, BaseEstimator):
    """Turn a table of curves into a matrix for a regressor.

    Numbers come first, a column each, booleans as 0 and 1; then a column for each category of a text that
    occurs in training, see `one_hot`; then the curve's. Where curves have target epochs of their own (the
    column `target_epoch` of the table), these are always the first feature.

    Parameters
    ----------
    known_epochs : int
        Number of observed epochs that are features; with 0, hyperparameters alone.
    log_columns : sequence of str
        Hyperparameters to take the logarithm of, where all values are positive. Others are logarithmic too
        when they are positive and span more than one and a half decades.
    hyperparameters : bool
        Whether hyperparameters are features too. Without any observed epoch they always are.
    curve : sequence of str
        Features of the curve, in this order: names in `mlpf_hpo.curves.shapes.SHAPES`. "prefix" and
        "last" end with the last observed value, in units of the metric.
    """

    categories_: Mapping[str, list[str]] = MappingProxyType({})
    """Default for model files of older versions, which had numeric hyperparameters only."""

    def __init__(
        self,
        known_epochs: int = 0,
        log_columns: Sequence[str] = LOG_HYPERPARAMETERS,
        hyperparameters: bool = True,
        curve: Sequence[str] = ("prefix",),
    ) -> None:
        self.known_epochs = known_epochs
        self.log_columns = log_columns
        self.hyperparameters = hyperparameters
        self.curve = curve

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the columns, and which of them are positive throughout.

        Raises
        ------
        ConfigurationError, DataError
            If there are no such features, or the curves have fewer than `known_epochs` epochs.
        """
        for name in self.curve:
            if name not in SHAPES:
                hint = did_you_mean(name, SHAPES)
                raise ConfigurationError(f"no features {name!r}{hint}; there are: {', '.join(SHAPES)}")
        names, losses = split_columns([str(name) for name in X.columns])
        if self.known_epochs > len(losses):
            raise DataError(f"{self.known_epochs} observed epochs of curves that have {len(losses)}")
        horizon = [name for name in names if name == TARGET_EPOCH]
        others = [name for name in names if name != TARGET_EPOCH]
        used = [*horizon, *(others if self.hyperparameters or self.known_epochs == 0 else [])]
        self.losses_ = losses[: self.known_epochs]
        self.columns_ = [*used, *self.losses_]
        self.categories_ = {name: sorted(set(X[name])) for name in text_columns(X, used)}
        numbers = self._numbers()
        values = float_columns(X, [*numbers, *self.losses_])
        columns = zip(numbers, values.T[: len(numbers)], strict=True)
        self.log_columns_ = [name for name, column in columns if self._is_logarithmic(name, column)]
        self.log_curve_ = bool((values[:, len(numbers) :] > 0).all())
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> FloatArray:
        """Return features [n, d]; rows must have at least `known_epochs` observed epochs."""
        check_is_fitted(self)
        missing = [name for name in self.columns_ if name not in X.columns]
        if missing:
            raise DataError(f"the table of curves lacks the columns {', '.join(missing)}")
        numbers = self._numbers()
        found = float_columns(X, [*numbers, *self.losses_])
        table = found[:, : len(numbers)]
        for i, name in enumerate(numbers):
            if name in self.log_columns_:
                table[:, i] = np.log(table[:, i].clip(min=np.finfo(float).tiny))
        _, values = self._shapes(found[:, len(numbers) :])
        texts = [one_hot(X[name].tolist(), known) for name, known in self.categories_.items()]
        return np.hstack([table, *texts, values])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the name of each feature."""
        check_is_fitted(self)
        numbers = [f"log_{name}" if name in self.log_columns_ else name for name in self._numbers()]
        texts = [f"{name}={one}" for name, known in self.categories_.items() for one in known]
        names, _ = self._shapes(np.ones((1, len(self.losses_))))
        return np.array([*numbers, *texts, *names], dtype=object)

    def _numbers(self) -> list[str]:
        hyperparameters = self.columns_[: len(self.columns_) - len(self.losses_)]
        return [name for name in hyperparameters if name not in self.categories_]

    def _is_logarithmic(self, name: str, values: FloatArray) -> bool:
        return name != TARGET_EPOCH and is_logarithmic(name, values, self.log_columns)

    def _shapes(self, curves: FloatArray) -> tuple[list[str], FloatArray]:
        """Return names and values of the curve's features."""
        if not self.losses_:
            return [], np.zeros((len(curves), 0))
        return shape_features(curves, self.curve, self.log_curve_)


def one_hot(values: Sequence[str], categories: Sequence[str]) -> FloatArray:
    """Return texts as numbers for a regressor, [n, len(categories)]: 1 in the column of their category.

    Names have no order, and kernels and nearest neighbours take differences for distances: a column each
    keeps all categories equally far apart, where numbers 0, 1, 2 would not. A text that is none of the
    categories is 0 in all columns, equally far from each.

    Examples
    --------
    >>> one_hot(["relu", "tanh"], ["gelu", "relu"]).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    return (np.array(values, dtype=object)[:, None] == np.array(categories, dtype=object)).astype(np.float64)
