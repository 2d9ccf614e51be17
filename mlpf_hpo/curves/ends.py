"""Values of curves at given numbers of epochs, and how many epochs were observed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray


def known_lengths(curves: FloatArray) -> IntArray:
    """Return the number of observed epochs of each curve [n, T]: those before the first value not finite."""
    unknown = ~np.isfinite(curves)
    return np.where(unknown.any(axis=1), unknown.argmax(axis=1), curves.shape[1]).astype(np.int64)


def values_after(curves: FloatArray, epochs: IntArray) -> FloatArray:
    """Return the value of each curve after its number of epochs, [n].

    Parameters
    ----------
    curves : array [n, T]
        Values after each epoch.
    epochs : array [n]
        Numbers of epochs; where one is not from 1 to T, the value is NaN.

    Examples
    --------
    >>> values_after(np.array([[3.0, 2.0, 1.0], [6.0, 5.0, 4.0]]), np.array([2, 0])).tolist()
    [2.0, nan]
    """
    there = (epochs >= 1) & (epochs <= curves.shape[1])
    found = np.full(len(curves), np.nan)
    found[there] = curves[there, epochs[there] - 1]
    return found


def pad_curves(curves: Sequence[Sequence[float]], n_epochs: int) -> FloatArray:
    """Return curves of any lengths as one array [n, n_epochs], cut, or filled with NaN.

    Examples
    --------
    >>> pad_curves([[3.0], [4.0, 3.5, 3.0]], 2).tolist()
    [[3.0, nan], [4.0, 3.5]]
    """
    padded = np.full((len(curves), n_epochs), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        kept = curve[:n_epochs]
        row[: len(kept)] = kept
    return padded
