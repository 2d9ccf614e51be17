"""Cells of a table as numbers: what trackers write where there is no value, and where a loss exploded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlpf_hpo.errors import DataError

FloatArray = NDArray[np.float64]

MISSING = frozenset({"", "nan", "-nan", "na", "n/a", "#n/a", "<na>", "none", "null"})
"""No value, in lower case: what pandas, MLflow, Ray Tune, Weights & Biases, R and spreadsheets write."""

INFINITE = frozenset({"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})
"""A value beyond all numbers, in lower case: the training diverged."""

BOOLEANS = {"true": "1", "false": "0"}


def to_numbers(texts: pd.Series) -> FloatArray:
    """Return the finite numbers of a column of texts, NaN for all else; true and false are 1 and 0."""
    numbers = pd.to_numeric(texts.str.lower().replace(BOOLEANS), errors="coerce").to_numpy(dtype=float)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def hyperparameter_column(texts: pd.Series, where: str) -> FloatArray:
    """Return a hyperparameter's values.

    Raises
    ------
    DataError
        If a cell is no finite number; the message names the row, counted from 1.
    """
    numbers = to_numbers(texts)
    bad = np.isnan(numbers)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(f"{_cell(where, row, texts)}: {texts.iloc[row]!r} is not a finite number")
    return numbers


def curve_columns(columns: Sequence[pd.Series], where: str) -> tuple[FloatArray, NDArray[np.str_]]:
    """Return curves [n, epochs] with NaN after their ends, and how each ended.

    A curve may end early: with cells that hold no value (`MISSING`) after its last epoch, or with an infinite
    one (`INFINITE`), which tells that the training diverged. A curve without any value has not begun.

    Returns
    -------
    array [n, epochs], array [n] of {"finished", "stopped", "diverged"}

    Raises
    ------
    DataError
        If a cell is something else, or a value stands after the end; the message names row and column.
    """
    values = np.stack([to_numbers(column) for column in columns], axis=1)
    words = np.stack([column.str.lower().to_numpy(dtype=str) for column in columns], axis=1)
    ended, exploded = np.isin(words, list(MISSING)), np.isin(words, list(INFINITE))
    over = ended | exploded
    for row, epoch in np.argwhere(np.isnan(values) & ~over)[:1]:
        column = columns[epoch]
        raise DataError(f"{_cell(where, row, column)}: {column.iloc[row]!r} is not a finite number")
    for row, _ in np.argwhere(np.isfinite(values) & np.logical_or.accumulate(over, axis=1))[:1]:
        column = columns[int(over[row].argmax())]
        told = column.iloc[row] or "empty"
        raise DataError(f"{_cell(where, row, column)}: {told}, but the curve goes on after it")
    status = np.where(exploded.any(axis=1), "diverged", np.where(ended.any(axis=1), "stopped", "finished"))
    return values, status


def _cell(where: str, row: int, column: pd.Series) -> str:
    return f"{where}: row {row + 1}, column {column.name}"
