"""Parse the cells of a CSV table: numbers, missing values, infinite values, booleans and categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.errors import DataError

MISSING = frozenset({"", "nan", "-nan", "na", "n/a", "#n/a", "<na>", "none", "null"})
"""No value, in lower case: what pandas, MLflow, Ray Tune, Weights & Biases, R and spreadsheets write."""

INFINITE = frozenset({"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})
"""A value beyond all numbers, in lower case: the training diverged."""

NAMES = frozenset({"none", "null"})
"""Words for no value that are names of categories as well: a normalisation, a schedule."""

BOOLEANS = {"true": "1", "false": "0"}

RENAME = "rename the column if it holds something else"


def to_numbers(texts: pd.Series) -> FloatArray:
    """Return the finite numbers of a column of texts, NaN for all else; true and false are 1 and 0."""
    numbers = pd.to_numeric(texts.str.lower().replace(BOOLEANS), errors="coerce").to_numpy(dtype=float)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def hyperparameter_column(texts: pd.Series, where: str) -> NDArray[Any]:
    """Return a hyperparameter's values: booleans, floats or texts (an array of objects).

    Raises
    ------
    DataError
        If numbers stand beside something else, or a cell has no value; the message names the row, counted
        from 1.
    """
    if len(texts) and texts.str.lower().isin(list(BOOLEANS)).all():
        return (texts.str.lower() == "true").to_numpy(dtype=bool)
    if is_categorical(texts):
        return texts.to_numpy(dtype=object)
    numbers = to_numbers(texts)
    bad = np.isnan(numbers)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(f"{_cell(where, row, texts)}: {texts.iloc[row]!r} is not a finite number")
    return numbers


def boolean_column(texts: pd.Series, where: str) -> BoolArray:
    """Return a column of true and false, or 1 and 0; a cell without a value is false.

    Raises
    ------
    DataError
        If a cell is something else; the message names the row, counted from 1.
    """
    numbers = to_numbers(texts.where(~is_missing(texts), "0"))
    bad = ~np.isin(numbers, (0.0, 1.0))
    if bad.any():
        row = int(bad.argmax())
        raise DataError(f"{_cell(where, row, texts)}: {texts.iloc[row]!r} is not true or false; {RENAME}")
    return numbers == 1


def integer_column(texts: pd.Series, where: str, least: int, missing: int) -> IntArray:
    """Return a column of whole numbers from `least` on; a cell without a value is `missing`.

    Raises
    ------
    DataError
        If a cell is something else; the message names the row, counted from 1.
    """
    absent = is_missing(texts)
    numbers = to_numbers(texts)
    bad = ~absent.to_numpy() & ~((numbers >= least) & (numbers == np.round(numbers)) & (numbers < 2**63))
    if bad.any():
        row = int(bad.argmax())
        what = f"not a whole number from {least} on"
        raise DataError(f"{_cell(where, row, texts)}: {texts.iloc[row]!r} is {what}; {RENAME}")
    return np.where(absent, missing, np.nan_to_num(numbers)).astype(np.int64)


def is_missing(texts: pd.Series) -> pd.Series:
    """Return which cells of a column hold no value."""
    return texts.str.lower().isin(list(MISSING))


def is_categorical(texts: pd.Series) -> bool:
    """Return whether a column holds texts alone: in no cell a number, and in each a value.

    Of the words for no value, "none" and "null" count as categories if the column has other texts as well.
    """
    words = texts.str.lower()
    if words.isin(list((MISSING - NAMES) | INFINITE | set(BOOLEANS))).any() or words.isin(list(NAMES)).all():
        return False
    return bool(pd.to_numeric(words, errors="coerce").isna().all())


def curve_columns(columns: Sequence[pd.Series], where: str) -> tuple[FloatArray, NDArray[np.str_]]:
    """Return curves [n, epochs] with NaN after their ends, and how each ended.

    A curve may end early: with cells that hold no value (`MISSING`) after its last epoch, or with an infinite
    one (`INFINITE`), which means that the training diverged. A curve without any value has not begun.

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
        content = column.iloc[row] or "empty"
        raise DataError(f"{_cell(where, row, column)}: {content}, but the curve goes on after it")
    status = np.where(exploded.any(axis=1), "diverged", np.where(ended.any(axis=1), "stopped", "finished"))
    return values, status


def _cell(where: str, row: int, column: pd.Series) -> str:
    """Return a cell as text; its row number is that of the whole table, where some rows may be left out."""
    return f"{where}: row {int(column.index[row]) + 1}, column {column.name}"
