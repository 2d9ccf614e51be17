"""Predictions of partial curves from outside: epochs may be left out, gaps are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlpf_hpo.curves.features import split_columns
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.curve_table import prediction_table
from mlpf_hpo.predictors.training_range import range_warnings

COLUMNS = ("prediction", "lower", "upper", "warning")
"""Columns of the predictions."""


def optional_columns(predictor: CurvePredictor) -> list[str]:
    """Return the columns that a table for a predictor may lack: the epochs that need not be observed."""
    return split_columns(predictor.columns_)[1][predictor.known_epochs[0] :]


def predict_checked(
    predictor: CurvePredictor, X: pd.DataFrame, coverage: float | None = None
) -> pd.DataFrame:
    """Predict final values with intervals, and warn where a configuration is unlike those of training.

    Parameters
    ----------
    predictor : CurvePredictor
        Fitted.
    X : DataFrame [n]
        Hyperparameters and observed epochs; `optional_columns` that are missing are not observed.
    coverage : float, optional
        Nominal coverage of the intervals; the predictor's own by default.

    Returns
    -------
    DataFrame [n]
        `COLUMNS`; "warning" is None where each hyperparameter lies in its range of the training curves, and
        for model files of older versions, which have no ranges.

    Raises
    ------
    DataError
        If a column is missing that is not optional, a value cannot be used, or a curve has a gap: an epoch
        without a value before one with a value. The message names row, from 1, and column.
    """
    missing = [name for name in optional_columns(predictor) if name not in getattr(X, "columns", ())]
    if isinstance(X, pd.DataFrame) and missing:
        X = pd.concat([X, pd.DataFrame(np.nan, index=X.index, columns=missing)], axis=1)
    table = prediction_table(X, predictor.columns_, predictor.texts_)
    _refuse_gaps(table)
    found = predictor.predict_interval(table, coverage)
    warnings = pd.Series(range_warnings(table, predictor.ranges_), index=table.index, dtype=object)
    return pd.DataFrame(
        dict(zip(COLUMNS, (found.mean, found.lower, found.upper, warnings), strict=True)), index=table.index
    )


def _refuse_gaps(table: pd.DataFrame) -> None:
    losses = split_columns(list(table.columns))[1]
    observed = np.isfinite(table[losses].to_numpy(dtype=float))
    goes_on = np.flip(np.logical_or.accumulate(np.flip(observed, axis=1), axis=1), axis=1)
    for row, epoch in np.argwhere(goes_on & ~observed)[:1]:
        raise DataError(
            f"curves: row {row + 1}, column {losses[epoch]}: no finite value, but the curve goes on after "
            "it; only epochs after the last observed one may have none"
        )
