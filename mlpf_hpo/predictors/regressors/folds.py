"""Folds within the training rows, for predictions of rows that a model was not fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold

from mlpf_hpo.array_types import IntArray


def row_folds(n: int, folds: int, groups: NDArray[Any] | None = None) -> list[tuple[IntArray, IntArray]]:
    """Return (train, test) positions of at most `folds` blocks of n rows; a group's rows stay together.

    Parameters
    ----------
    n, folds : int
    groups : array [n], optional
        Configuration of each row; None where all differ.

    Examples
    --------
    >>> [test.tolist() for _, test in row_folds(5, 2)]
    [[0, 1, 2], [3, 4]]
    """
    rows = np.arange(n)
    if groups is None or are_distinct(groups):
        return list(KFold(min(folds, n)).split(rows))
    return list(GroupKFold(min(folds, len(np.unique(groups)))).split(rows, groups=groups))


def are_distinct(groups: NDArray[Any] | None) -> bool:
    """Return whether every row is a group of its own."""
    return groups is None or len(np.unique(groups)) == len(groups)
