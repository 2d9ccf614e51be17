"""Paired difference of two predictions of the same curves, with its jackknife standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.predictors.scoring import log_errors

Measure = Callable[[FloatArray, FloatArray], float]
"""Function of true and predicted final values; larger is better."""

BLOCKS = 50
"""Largest number of blocks of configurations that the jackknife leaves out in turn."""


def rank_correlation(true: FloatArray, predicted: FloatArray) -> float:
    """Return Spearman's rank correlation; 0 if either is constant."""
    if np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return float(np.corrcoef(stats.rankdata(true), stats.rankdata(predicted))[0, 1])


def negative_log_error(true: FloatArray, predicted: FloatArray) -> float:
    """Return minus the mean absolute error of logarithms, see `log_errors`."""
    return -float(np.abs(log_errors(true, predicted)).mean())


def leave_out_blocks(groups: NDArray[Any]) -> list[IntArray]:
    """Return for each block of configurations the rows outside of it."""
    distinct, member = np.unique(groups, return_inverse=True)
    block = np.arange(len(distinct)) % min(BLOCKS, len(distinct))
    return [np.flatnonzero(block[member] != b) for b in range(block.max() + 1)]


def jackknife_difference(
    measure: Measure,
    true: FloatArray,
    predicted: FloatArray,
    instead: FloatArray,
    blocks: Sequence[IntArray] = (),
) -> tuple[float, float]:
    """Return by how much `predicted` is better than `instead`, and the standard error of the difference.

    Parameters
    ----------
    measure : callable
        See `Measure`.
    true, predicted, instead : array [n]
        Final values, and the predictions of two predictors.
    blocks : sequence of arrays of int
        Rows outside of each block, see `leave_out_blocks`; without blocks the standard error is 0.
    """

    def of(rows: IntArray | slice) -> float:
        return measure(true[rows], predicted[rows]) - measure(true[rows], instead[rows])

    values = np.array([of(rows) for rows in blocks])
    n = len(values)
    error = np.sqrt((n - 1) / n * np.square(values - values.mean()).sum()) if n else 0.0
    return of(slice(None)), float(error)
