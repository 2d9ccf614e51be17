"""The stopping index: how good a finished trial must be before another one is not worth its next epochs.

What is known of a trial's final value is a normal distribution, which narrows as epochs are observed. Going
on costs a price per epoch; at the end the trial is worth what it is better than the best finished one. The
index is the value of a finished trial at which the best that can be done with the other, stopping whenever
that is wise, is worth nothing. The trial with the smallest index runs; none runs if a finished one is below
all indices. This is the reservation value of a search with costs (Weitzman 1979), of trials that are observed
in steps (Gittins 1979).
"""

from __future__ import annotations

import math

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray

VARIANCES = np.geomspace(1e-3, 100.0, 24)
"""Variances of what is known before the first epoch that indices are tabulated for."""

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
"""Quadrature of a normal distribution."""

LEFT, MIDDLE, RIGHT = -12.0, -4.0, 6.0
COARSE, FINE = 9, 61
"""The grid of means, in standard deviations before the first epoch: coarse far below the finished trial."""

RATIO = math.sqrt(2.0)


def decision_epochs(max_epochs: int) -> IntArray:
    """Return the numbers of epochs at which trials are compared: 0, 1, 2, 3, 4, 6, 8, 11, ..., `max_epochs`.

    Examples
    --------
    >>> decision_epochs(16).tolist()
    [0, 1, 2, 3, 4, 6, 8, 11, 16]
    """
    found = [0]
    length = 1.0
    while round(length) < max_epochs:
        if round(length) > found[-1]:
            found.append(round(length))
        length *= RATIO
    return np.array([*found, max_epochs])


def margins(
    epochs: IntArray, variance: FloatArray, price: float | FloatArray, before: FloatArray = VARIANCES
) -> FloatArray:
    """Return how far a trial's mean may be above the best finished value while it still pays to go on.

    Parameters
    ----------
    epochs : array of int [k]
        Numbers of epochs at which a trial can be stopped, from 0 to a full training.
    variance : array [k]
        Variance of a prediction of the final value from the curve alone after each of them: infinite at
        first, 0 at last.
    price : float or array [p]
        Of an epoch, in units of the value; several take hardly longer than one.
    before : array [v]
        Variances of what is known before the first epoch.

    Returns
    -------
    array [k, v] or [p, k, v]
        For each number of epochs and variance before. 0 in the last row, where nothing is left to decide.

    Examples
    --------
    >>> table = margins(np.array([0, 1, 2]), np.array([np.inf, 0.5, 0.0]), price=0.01)
    >>> bool(table[0, 20] > table[1, 20] > 0)
    True
    """
    root = np.sqrt(before)
    spread = _variances(variance, before)
    grid = np.concatenate([np.linspace(LEFT, MIDDLE, COARSE)[:-1], np.linspace(MIDDLE, RIGHT, FINE)])
    prices = np.atleast_1d(np.asarray(price, dtype=np.float64))
    found = np.zeros((len(prices), len(epochs), len(root)))
    worth = np.broadcast_to(np.maximum(-grid, 0.0), (len(prices), len(root), len(grid)))  # in units of root
    for k in range(len(epochs) - 2, -1, -1):
        step = np.sqrt(np.maximum(spread[k] - spread[k + 1], 0.0)) / root
        expected = np.moveaxis(_expectation(grid, step) @ np.moveaxis(worth, 0, 2), 2, 0)
        paid = prices[:, np.newaxis] * (epochs[k + 1] - epochs[k]) / root
        going_on = expected - paid[:, :, np.newaxis]
        crossings = _last_crossing(grid, going_on.reshape(-1, len(grid)))
        found[:, k] = root * crossings.reshape(len(prices), -1)
        worth = np.maximum(going_on, 0.0)
    return found if np.ndim(price) else found[0]


def _expectation(grid: FloatArray, step: FloatArray) -> FloatArray:
    """Return what takes values on the grid to their expectations a normal step away, [v, n, n].

    Between points of the grid lines are straight. Beyond the left end the line goes on.
    """
    at = grid[np.newaxis, :, np.newaxis] + step[:, np.newaxis, np.newaxis] * NODES
    wide, narrow = (MIDDLE - LEFT) / (COARSE - 1), (RIGHT - MIDDLE) / (FINE - 1)
    # The finer part of the grid is the steeper line.
    position = np.maximum((at - LEFT) / wide, (at - MIDDLE) / narrow + (COARSE - 1))
    cell = position.astype(np.int64).clip(0, len(grid) - 2)
    share = np.minimum(position - cell, 1.0)
    weights = np.broadcast_to(WEIGHTS / WEIGHTS.sum(), at.shape)
    flat = (np.arange(at.shape[0] * at.shape[1]).reshape(at.shape[:2]) * len(grid))[..., np.newaxis] + cell
    size = at.shape[0] * len(grid) ** 2
    found = np.bincount(flat.ravel(), (weights * (1 - share)).ravel(), size)
    found += np.bincount(flat.ravel() + 1, (weights * share).ravel(), size)
    return np.asarray(found, dtype=np.float64).reshape(at.shape[0], len(grid), len(grid))


class MarginTable:
    """`margins` at several prices, found for those of `VARIANCES` that are asked for.

    A search asks for few of them, and waits for those that it asks for.

    Parameters
    ----------
    epochs, variance, price
        As for `margins`, price [p].
    """

    def __init__(self, epochs: IntArray, variance: FloatArray, price: FloatArray) -> None:
        self._epochs, self._variance, self._price = epochs, variance, price
        self._found = np.zeros((len(price), len(epochs), len(VARIANCES)))
        self._known = np.zeros(len(VARIANCES), dtype=bool)

    def at(self, row: IntArray, variance: FloatArray) -> FloatArray:
        """Return margins [p, n] after numbers of epochs [n], for variances before the first epoch [n]."""
        position = np.interp(np.log(variance), np.log(VARIANCES), np.arange(len(VARIANCES), dtype=float))
        low = np.minimum(position.astype(np.int64), len(VARIANCES) - 2)
        self._find(np.union1d(low, low + 1))
        share = position - low
        return np.asarray((1 - share) * self._found[:, row, low] + share * self._found[:, row, low + 1])

    def _find(self, columns: IntArray) -> None:
        missing = columns[~self._known[columns]]
        if len(missing):
            before = VARIANCES[missing]
            self._found[:, :, missing] = margins(self._epochs, self._variance, self._price, before)
            self._known[missing] = True


def _variances(curve: FloatArray, before: FloatArray) -> FloatArray:
    """Return the variance that is left at each number of epochs, for each variance before, [k, v]."""
    with np.errstate(divide="ignore"):
        return np.asarray(1 / (1 / before[np.newaxis] + 1 / curve[:, np.newaxis]))


def _last_crossing(grid: FloatArray, values: FloatArray) -> FloatArray:
    """Return where falling values [v, n] become 0, by straight lines; beyond the grid they have slope -1."""
    positive = values > 0
    last = np.where(positive.any(axis=1), len(grid) - 1 - positive[:, ::-1].argmax(axis=1), -1)
    found = np.where(last < 0, grid[0] + values[:, 0], grid[-1])
    inside = np.flatnonzero((last >= 0) & (last < len(grid) - 1))
    at = last[inside]
    above, below = values[inside, at], values[inside, at + 1]
    found[inside] = grid[at] + (grid[at + 1] - grid[at]) * above / (above - below)
    return np.asarray(found)
