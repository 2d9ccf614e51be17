"""Features of a partly seen curve: hyperparameters, and the losses so far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from mlpf_hpo.errors import DataError

LOSS = re.compile(r"loss_(\d+)")
"""Columns of `LearningCurves.frame` that hold the curve; the number is the epoch, from 0."""

LOG_HYPERPARAMETERS = ("lr", "weight_decay")
"""Those of table 1 that are sampled on a log scale."""


def split_columns(columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the hyperparameter columns, and the loss columns in order of epoch."""
    losses = [name for name in columns if LOSS.fullmatch(name)]
    losses.sort(key=lambda name: int(name.removeprefix("loss_")))
    return [name for name in columns if not LOSS.fullmatch(name)], losses


def known_lengths(curves: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many epochs of each curve [n, T] are known: those before the first that isn't finite."""
    unknown = ~np.isfinite(curves)
    return np.where(unknown.any(axis=1), unknown.argmax(axis=1), curves.shape[1]).astype(np.int64)


class CurveFeatures(TransformerMixin, BaseEstimator):
    """Turn a table of curves into a matrix for a regressor.

    Parameters
    ----------
    known_epochs : int
        Number of epochs that the regressor may see; with 0, hyperparameters alone.
    log_columns : sequence of str
        Hyperparameters to take the logarithm of, where all values are positive.
    hyperparameters : bool
        Whether they are features beside the losses. Without any loss they always are.
    """

    def __init__(
        self,
        known_epochs: int = 0,
        log_columns: Sequence[str] = LOG_HYPERPARAMETERS,
        hyperparameters: bool = True,
    ) -> None:
        self.known_epochs = known_epochs
        self.log_columns = log_columns
        self.hyperparameters = hyperparameters

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the columns, and which hyperparameters are positive throughout."""
        names, losses = split_columns([str(name) for name in X.columns])
        if self.known_epochs > len(losses):
            raise DataError(f"{self.known_epochs} known epochs of curves that have {len(losses)}")
        used = names if self.hyperparameters or self.known_epochs == 0 else []
        self.columns_ = [*used, *losses[: self.known_epochs]]
        self.log_columns_ = [c for c in self.log_columns if c in used and (X[c] > 0).all()]
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return features [n, d]; rows must know at least `known_epochs` epochs."""
        check_is_fitted(self)
        missing = [name for name in self.columns_ if name not in X.columns]
        if missing:
            raise DataError(f"the table of curves lacks the columns {', '.join(missing)}")
        table = X[self.columns_].astype(float)
        for name in self.log_columns_:
            table[name] = np.log(table[name].clip(lower=np.finfo(float).tiny))
        matrix: NDArray[np.float64] = table.to_numpy()
        return matrix

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the name of each feature."""
        check_is_fitted(self)
        told = [f"log_{name}" if name in self.log_columns_ else name for name in self.columns_]
        return np.array(told, dtype=object)
