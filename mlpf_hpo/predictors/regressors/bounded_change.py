"""Bounds of a prediction's distance from the last observed value: what the training curves still changed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import BoolArray, FloatArray
from mlpf_hpo.predictors.value_scale import ValueScale


def largest_changes(changes: FloatArray, rows: BoolArray) -> FloatArray:
    """Return the lowest and the highest change of some rows, [2]; infinite if there are none.

    Parameters
    ----------
    changes : array [n]
        Final value minus last observed value of each row, see `ValueScale.straightened`.
    rows : bool array [n]
        Which rows count.

    Examples
    --------
    >>> largest_changes(np.array([-3.0, -1.0, 0.5]), np.array([False, True, True])).tolist()
    [-1.0, 0.5]
    """
    if not rows.any():
        return np.array([-np.inf, np.inf])
    return np.array([changes[rows].min(), changes[rows].max()])


def changes_of_others(changes: FloatArray, rows: BoolArray, groups: NDArray[Any]) -> FloatArray:
    """Return for each row the largest changes of the rows of other groups, [2, n]."""
    distinct, member = np.unique(groups, return_inverse=True)
    found = [largest_changes(changes, rows & (member != group)) for group in range(len(distinct))]
    return np.array(found)[member].T


def bound_change(
    predicted: FloatArray, last: FloatArray, bounds: FloatArray, scale: ValueScale
) -> FloatArray:
    """Return predictions [n] moved into `bounds` [2] or [2, n] of their change from the last values [n].

    Those within the bounds are returned as they are, to the bit.
    """
    begin, end = scale.straightened(last), scale.straightened(predicted)
    inside = np.clip(end, begin + bounds[0], begin + bounds[1])
    return np.where(inside == end, predicted, scale.unstraightened(inside))
