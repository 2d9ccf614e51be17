"""Paired difference of two predictions of the same curves, with its jackknife standard error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
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


def leave_out_blocks(groups: NDArray[Any]) -> IntArray:
    """Return the block, from 0, that the configuration of each row [n] belongs to."""
    distinct, member = np.unique(groups, return_inverse=True)
    return np.asarray(np.arange(len(distinct)) % min(BLOCKS, len(distinct)))[member]


def jackknife_difference(
    measure: Measure,
    true: FloatArray,
    predicted: FloatArray,
    instead: FloatArray,
    blocks: IntArray | None = None,
) -> tuple[float, float]:
    """Return by how much `predicted` is better than `instead`, and the standard error of the difference.

    Parameters
    ----------
    measure : callable
        See `Measure`.
    true, predicted, instead : array [n]
        Final values, and the predictions of two predictors.
    blocks : array [n], optional
        The block of each row, see `leave_out_blocks`; without blocks the standard error is 0.
    """
    difference = measure(true, predicted) - measure(true, instead)
    if blocks is None:
        return difference, 0.0
    kept = blocks != np.arange(blocks.max() + 1)[:, np.newaxis]
    values = _without_each(measure, true, predicted, kept) - _without_each(measure, true, instead, kept)
    n = len(values)
    return difference, float(np.sqrt((n - 1) / n * np.square(values - values.mean()).sum()))


def _without_each(measure: Measure, true: FloatArray, predicted: FloatArray, kept: BoolArray) -> FloatArray:
    """Return a measure of the rows that are kept without each block [blocks, n], [blocks]."""
    at_once = AT_ONCE.get(measure)
    if at_once is not None and not (np.isnan(true).any() or np.isnan(predicted).any()):
        return at_once(true, predicted, kept)
    return np.array([measure(true[rows], predicted[rows]) for rows in kept])


def _rank_correlations(true: FloatArray, predicted: FloatArray, kept: BoolArray) -> FloatArray:
    """Return the rank correlation of the rows kept without each block, [blocks].

    A block lowers the ranks of what is above it. Twice the distance of a rank from the mean rank is a whole
    number, of which sums are exact.
    """
    ranks, others = (_doubled_ranks(values, kept) for values in (true, predicted))
    squares = np.sqrt((ranks**2).sum(axis=1) * (others**2).sum(axis=1, dtype=np.float64))
    products = (ranks * others).sum(axis=1)
    return np.asarray(np.divide(products, squares, out=np.zeros(len(kept)), where=squares > 0))


def _doubled_ranks(values: FloatArray, kept: BoolArray) -> IntArray:
    """Return twice the distances of mid-ranks from their mean among the rows kept, [blocks, n]; else 0."""
    distinct, place = np.unique(values, return_inverse=True)
    blocks = np.arange(len(kept))[:, np.newaxis]
    equal = np.zeros((len(kept), len(distinct)), dtype=np.int64)
    np.add.at(equal, (blocks, place), kept)
    up_to = equal.cumsum(axis=1)
    return np.where(kept, (2 * up_to - equal - up_to[:, -1:])[:, place], 0)


def _negative_log_errors(true: FloatArray, predicted: FloatArray, kept: BoolArray) -> FloatArray:
    """Return minus the mean absolute error of logarithms of the rows kept without each block, [blocks]."""
    positive = np.minimum(true, predicted) > 0
    logarithmic = (positive | ~kept).all(axis=1)
    errors = np.zeros(kept.shape)
    if logarithmic.any():
        logs = np.log(true[positive] / predicted[positive])
        errors[np.ix_(logarithmic, positive)] = np.abs(logs)
    if not logarithmic.all():
        errors[~logarithmic] = np.abs(true - predicted)
    return np.asarray(-np.where(kept, errors, 0.0).sum(axis=1) / kept.sum(axis=1))


AT_ONCE: dict[Measure, Callable[[FloatArray, FloatArray, BoolArray], FloatArray]] = {
    rank_correlation: _rank_correlations,
    negative_log_error: _negative_log_errors,
}
"""Measures whose values without each of fifty blocks take one pass over the rows, not fifty."""
