"""Shape features of a curve's observed epochs, by name: values, differences, second differences, slopes.

All but "prefix" and "last" are differences, taken of logarithms where all values are positive: they have no
unit. Windows are shares of the observed epochs, so that curves of 8 and of 1,000 epochs have the same slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mlpf_hpo.array_types import LARGEST_SQUARED, FloatArray

Features = tuple[list[str], FloatArray]
"""Names of d features, and their values [n, d]."""

WINDOWS = {"whole": 1.0, "half": 0.5, "quarter": 0.25, "tenth": 0.1}
"""Shares of the observed epochs over which slopes are taken, counted from the last."""


def prefix(values: FloatArray) -> Features:
    """Return the values themselves."""
    return [f"loss_{epoch}" for epoch in range(values.shape[1])], values


def last(values: FloatArray) -> Features:
    """Return the last observed value."""
    return ["last"], values[:, -1:]


def differences(values: FloatArray) -> Features:
    """Return the changes from epoch to epoch."""
    return [f"change_{epoch}" for epoch in range(1, values.shape[1])], np.diff(values)


def second_differences(values: FloatArray) -> Features:
    """Return the changes of the changes."""
    return [f"bend_{epoch}" for epoch in range(1, values.shape[1] - 1)], np.diff(values, n=2)


def slopes(values: FloatArray) -> Features:
    """Return the change over each of `WINDOWS`, the distance from the best, and the spread of changes.

    The distance is from the smallest and from the largest value, so that it does not matter which is good.
    """
    n_observed = values.shape[1]
    end = values[:, -1]
    features = {
        f"slope_{name}": end - values[:, -1 - _steps(share, n_observed)] for name, share in WINDOWS.items()
    }
    features["above_smallest"] = end - values.min(axis=1)
    features["below_largest"] = values.max(axis=1) - end
    recent = values[:, -1 - _steps(WINDOWS["quarter"], n_observed) :]
    features["recent_mean"] = recent.mean(axis=1) - end
    features["roughness"] = np.diff(values).std(axis=1) if n_observed > 1 else np.zeros(len(values))
    return list(features), np.column_stack(list(features.values()))


IN_UNITS: dict[str, Callable[[FloatArray], Features]] = {"prefix": prefix, "last": last}
WITHOUT_UNITS: dict[str, Callable[[FloatArray], Features]] = {
    "differences": differences,
    "second_differences": second_differences,
    "slopes": slopes,
}
SHAPES = {**IN_UNITS, **WITHOUT_UNITS}


def shape_features(curves: FloatArray, names: Sequence[str], log: bool) -> Features:
    """Return names and values of the features in `names`.

    Parameters
    ----------
    curves : array [n, k]
        The k observed epochs, k at least 1.
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
    changing = (
        np.log(np.maximum(curves, np.finfo(float).tiny))
        if log
        else np.clip(curves, -LARGEST_SQUARED, LARGEST_SQUARED)
    )
    groups = [SHAPES[name](curves if name in IN_UNITS else changing) for name in names]
    columns = [column for group, _ in groups for column in group]
    return columns, np.hstack([values for _, values in groups])


def _steps(share: float, n_observed: int) -> int:
    """Return a window as a number of steps between epochs; n epochs have n - 1 steps."""
    return min(n_observed - 1, max(1, round(share * n_observed)))
