"""Types of NumPy arrays, for annotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LARGEST_SQUARED = 1e150
"""Squares of larger values, or their sum, may be infinite."""

SMALLEST_APART = 1e-290
"""Nearer to 0 two values may be so close together that one over their difference is infinite."""


def apart_from_zero(values: FloatArray) -> FloatArray:
    """Return values of which those that are not 0, but nearer to it than `SMALLEST_APART`, are moved there.

    Examples
    --------
    >>> apart_from_zero(np.array([2.0, 0.0, -1e-310, np.nan])).tolist()
    [2.0, 0.0, -1e-290, nan]
    """
    near = (np.abs(values) < SMALLEST_APART) & (values != 0)
    return np.where(near, np.copysign(SMALLEST_APART, values), values)
