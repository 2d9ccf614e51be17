"""What a curve's first epochs show, by name, one line each: its values, how they change, and how fast.

All but "prefix" and "last" are differences, taken of logarithms where all values are positive: they have no
unit. Windows are shares of what is known, so that curves of 8 and of 1,000 epochs are told alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Told = tuple[list[str], FloatArray]

WINDOWS = {"whole": 1.0, "half": 0.5, "quarter": 0.25, "tenth": 0.1}
"""Shares of the known epochs over which slopes are taken, counted from the last."""


def prefix(values: FloatArray) -> Told:
    """Return the values themselves."""
    return [f"loss_{epoch}" for epoch in range(values.shape[1])], values


def last(values: FloatArray) -> Told:
    """Return the last value seen."""
    return ["last"], values[:, -1:]


def differences(values: FloatArray) -> Told:
    """Return the changes from epoch to epoch."""
    return [f"change_{epoch}" for epoch in range(1, values.shape[1])], np.diff(values)


def second_differences(values: FloatArray) -> Told:
    """Return the changes of the changes."""
    return [f"bend_{epoch}" for epoch in range(1, values.shape[1] - 1)], np.diff(values, n=2)


def slopes(values: FloatArray) -> Told:
    """Return the change over each of `WINDOWS`, the distance from the best, and the spread of changes.

    The distance is from the smallest and from the largest value, so that it does not matter which is good.
    """
    known = values.shape[1]
    end = values[:, -1]
    told = {f"slope_{name}": end - values[:, -1 - _steps(share, known)] for name, share in WINDOWS.items()}
    told["above_smallest"] = end - values.min(axis=1)
    told["below_largest"] = values.max(axis=1) - end
    recent = values[:, -1 - _steps(WINDOWS["quarter"], known) :]
    told["recent_mean"] = recent.mean(axis=1) - end
    told["roughness"] = np.diff(values).std(axis=1) if known > 1 else np.zeros(len(values))
    return list(told), np.column_stack(list(told.values()))


IN_UNITS: dict[str, Callable[[FloatArray], Told]] = {"prefix": prefix, "last": last}
WITHOUT_UNITS: dict[str, Callable[[FloatArray], Told]] = {
    "differences": differences,
    "second_differences": second_differences,
    "slopes": slopes,
}
SHAPES = {**IN_UNITS, **WITHOUT_UNITS}


def shape_features(curves: FloatArray, names: Sequence[str], log: bool) -> Told:
    """Return names and values of the features that `names` asks for.

    Parameters
    ----------
    curves : array [n, k]
        The k known epochs, k at least 1.
    names : sequence of str
        Keys of `SHAPES`.
    log : bool
        Whether changes are those of logarithms.

    Returns
    -------
    list of d str, array [n, d]

    Examples
    --------
    >>> import numpy as np
    >>> shape_features(np.array([[4.0, 2.0, 1.0]]), ["differences", "last"], log=False)
    (['change_1', 'change_2', 'last'], array([[-2., -1.,  1.]]))
    """
    changing = np.log(np.maximum(curves, np.finfo(float).tiny)) if log else curves
    found = [SHAPES[name](curves if name in IN_UNITS else changing) for name in names]
    told = [column for columns, _ in found for column in columns]
    return told, np.hstack([values for _, values in found])


def _steps(share: float, known: int) -> int:
    """Return a window in steps from epoch to epoch; there are one fewer than known epochs."""
    return min(known - 1, max(1, round(share * known)))
