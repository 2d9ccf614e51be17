"""Columns of a table as an array of floats, and back.

On a few dozen rows a model takes less time to fit than pandas to look up a list of names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import FloatArray


def float_columns(table: pd.DataFrame, names: Sequence[str]) -> FloatArray:
    """Return columns as floats, [n, len(names)]; missing values of any kind are NaN.

    Parameters
    ----------
    table : DataFrame [n]
        No two columns have the same name.
    names : sequence of str

    Raises
    ------
    KeyError
        If there is no such column.
    TypeError, ValueError
        If a value is not a number.

    Examples
    --------
    >>> float_columns(pd.DataFrame({"lr": [0.1], "optimizer": ["sgd"], "bias": [True]}), ["bias", "lr"])
    array([[1. , 0.1]])
    """
    values = table.to_numpy()
    if values.dtype != np.float64:
        return table[list(names)].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    place = {name: i for i, name in enumerate(table.columns)}
    return np.asarray(values[:, [place[name] for name in names]])


def float_frame(values: FloatArray, names: Sequence[str], index: Any = None) -> pd.DataFrame:
    """Return an array [n, d] as a table; its columns are Python's strings, over which one iterates faster.

    Parameters
    ----------
    values : array [n, d]
    names : sequence of str [d]
    index : sequence [n], optional
        Of the rows; 0, 1, ... by default.
    """
    columns: pd.Index[Any] = pd.Index(np.array(names, dtype=np.object_), dtype=np.object_)
    return pd.DataFrame(values, columns=columns, index=index)
