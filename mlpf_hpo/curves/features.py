"""From a table of partial curves to the matrix that a regressor learns from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from mlpf_hpo.curves.schema import BOOKKEEPING
from mlpf_hpo.errors import DataError, did_you_mean

FloatArray = NDArray[np.float64]

LOSS_COLUMN = re.compile(r"loss_(\d+)")
"""Columns of `LearningCurves.frame` that hold the curve; the number is the epoch, from 0."""


class CurveFeatures(TransformerMixin, BaseEstimator):
    """Hyperparameters, then the first epochs of the curve.

    Parameters
    ----------
    known_epochs : int, default=1
        How many epochs of the curve become features; 0 leaves the hyperparameters alone.
    log_columns : sequence of str, default=("lr", "weight_decay")
        Hyperparameters whose logarithm is the feature: those with a log scale in the search space. Names
        that a table does not have are passed over.

    Attributes
    ----------
    hyperparameters_ : list of str
        Hyperparameter columns, in the order in which they were fitted.
    n_features_in_ : int
        Number of columns of the fitted table.
    """

    def __init__(self, known_epochs: int = 1, log_columns: Sequence[str] = ("lr", "weight_decay")) -> None:
        self.known_epochs = known_epochs
        self.log_columns = log_columns

    def fit(self, X: pd.DataFrame, y: ArrayLike | None = None) -> Self:
        """Learn the names of the hyperparameters.

        Parameters
        ----------
        X : DataFrame [n_trials, ...]
            As from `LearningCurves.frame`: hyperparameters and ``loss_0 ...``.

        Raises
        ------
        DataError
            If X is not such a table, or has too few epochs.
        """
        _require_frame(X)
        names = [str(name) for name in X.columns]
        self.hyperparameters_ = [n for n in names if not LOSS_COLUMN.fullmatch(n) and n not in BOOKKEEPING]
        self.n_features_in_ = len(names)
        missing = [name for name in self._loss_columns() if name not in names]
        if missing:
            raise DataError(
                f"features of {self.known_epochs} epochs need a column {missing[0]}; the table's curves have "
                f"{len(names) - len(self.hyperparameters_)} epochs"
            )
        return self

    def transform(self, X: pd.DataFrame) -> FloatArray:
        """Return the features.

        Parameters
        ----------
        X : DataFrame [n_trials, ...]
            Columns are found by name; any others are ignored. Epochs that are not yet known may be NaN, or
            their columns missing.

        Returns
        -------
        array [n_trials, n_hyperparameters + known_epochs]
            NaN from the first epoch on that is not known, even if later ones are.

        Raises
        ------
        DataError
            If a hyperparameter is missing or is not a finite number (a positive one, for `log_columns`).
        """
        check_is_fitted(self)
        _require_frame(X)
        if not len(X):
            return np.empty((0, len(self.hyperparameters_) + self.known_epochs))
        curves = self._curves(X)
        unknown = ~np.logical_and.accumulate(np.isfinite(curves), axis=1)
        curves[unknown] = np.nan
        return np.hstack([self._configurations(X), curves])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return a name per feature, ``log_lr`` for the logarithm of ``lr``."""
        check_is_fitted(self)
        names = [f"log_{n}" if n in self.log_columns else n for n in self.hyperparameters_]
        return np.asarray([*names, *self._loss_columns()], dtype=object)

    def _loss_columns(self) -> list[str]:
        return [f"loss_{epoch}" for epoch in range(self.known_epochs)]

    def _configurations(self, X: pd.DataFrame) -> FloatArray:
        for name in self.hyperparameters_:
            if name not in X.columns:
                raise DataError(
                    f"the table has no hyperparameter {name!r}{did_you_mean(name, map(str, X.columns))}"
                )
        out = _numbers(X, self.hyperparameters_)
        for column, name in enumerate(self.hyperparameters_):
            log = name in self.log_columns
            wrong = ~np.isfinite(out[:, column]) | ((out[:, column] <= 0) if log else False)
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                expected = "a positive number, as its logarithm is taken" if log else "a finite number"
                raise DataError(
                    f"hyperparameter {name!r} of row {row} is {out[row, column]}; expected {expected}"
                )
            if log:
                out[:, column] = np.log(out[:, column])
        return out

    def _curves(self, X: pd.DataFrame) -> FloatArray:
        out = np.full((len(X), self.known_epochs), np.nan)
        present = [(i, name) for i, name in enumerate(self._loss_columns()) if name in X.columns]
        if present:
            out[:, [i for i, _ in present]] = _numbers(X, [name for _, name in present])
        return out


def known_epochs(curves: FloatArray) -> NDArray[np.int64]:
    """Return how many epochs of each row [n_trials, n_epochs] are known before the first one that is not.

    Examples
    --------
    >>> known_epochs(np.array([[3.0, 2.0, np.nan], [np.nan, 2.0, 1.0]])).tolist()
    [2, 0]
    """
    return np.logical_and.accumulate(np.isfinite(curves), axis=1).sum(axis=1).astype(np.int64)


def _require_frame(X: object) -> None:
    if not isinstance(X, pd.DataFrame):
        raise DataError(
            f"expected a table (pandas DataFrame) with named columns, as from LearningCurves.frame(); found "
            f"{type(X).__name__}"
        )


def _numbers(X: pd.DataFrame, names: list[str]) -> FloatArray:
    try:
        return np.array(X[names].to_numpy(), dtype=np.float64)
    except (TypeError, ValueError):
        pass
    for name in names:
        numbers = pd.to_numeric(X[name], errors="coerce")
        wrong = (numbers.isna() & X[name].notna()).to_numpy()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(f"column {name!r}, row {row}: {X[name].iloc[row]!r} is not a number")
    raise DataError(f"columns {names[0]} ... {names[-1]} cannot be read as numbers")
