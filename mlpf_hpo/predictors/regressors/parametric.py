"""Curves continued by formulas: a few parameters are fitted to what is known of each, and to nothing else.

Each family is y(t) = a + b g(t; shape) with t = 1 for the first epoch. For a given shape the least-squares a
and b are a formula, so that shapes are tried on a grid, all curves at once. Domhan et al. (IJCAI 2015) list
the families; they sample parameters and average, here the best fit of each is weighted by its likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.predictors.regressors.residual import MAD_TO_SIGMA

Shape = Callable[[FloatArray, int], FloatArray]
"""From epochs [T] and the number of known epochs to g on a grid of shapes, [n_shapes, T]."""

RATES = np.geomspace(0.2, 20.0, 48)
"""Rates of decay within what is known of the curve."""

EXPONENTS = np.geomspace(0.1, 3.0, 48)
STEEPNESS = EXPONENTS[24::2]
"""Of families with two shape parameters, which would be flat for smaller ones."""

PARAMETERS = 3
"""A formula needs more epochs than this; with fewer, the last value stands."""

HUBER = 1.345
"""Residuals beyond this many standard deviations of the noise count less (Huber 1964)."""

REWEIGHTINGS = 2

TINY = 1e-9
"""Errors below this share of a curve's range are rounding."""


def power_law(t: FloatArray, known: int) -> FloatArray:
    """Return t^-c."""
    del known
    return np.asarray(t ** -EXPONENTS[:, np.newaxis])


def exponential(t: FloatArray, known: int) -> FloatArray:
    """Return exp(-c t)."""
    return np.asarray(np.exp(-np.outer(RATES, t / known)))


def mmf(t: FloatArray, known: int) -> FloatArray:
    """Return 1 / (1 + (c t)^d), of Morgan, Mercer and Flodin."""
    return np.stack([1.0 / (1.0 + (c * t / known) ** d) for c, d in product(RATES[::2], STEEPNESS)])


def weibull(t: FloatArray, known: int) -> FloatArray:
    """Return exp(-(c t)^d)."""
    return np.stack([np.exp(-((c * t / known) ** d)) for c, d in product(RATES[::2], STEEPNESS)])


FAMILIES: dict[str, Shape] = {
    "power_law": power_law,
    "exponential": exponential,
    "mmf": mmf,
    "weibull": weibull,
}

COMBINED = "combined"


class ParametricCurve(RegressorMixin, BaseEstimator):
    """Fits a formula to each row and returns its value at the last epoch.

    Parameters
    ----------
    family : str
        A key of `FAMILIES`; "combined" is the mean of all, weighted by the likelihood of their errors.
    n_epochs : int or None
        The epoch to predict, counted from 1; None: the first column of X, for each row. Rows that are longer
        are continued to their last column.

    Attributes
    ----------
    n_features_in_ : int
        Number of known epochs.
    """

    def __init__(self, family: str = COMBINED, n_epochs: int | None = 100) -> None:
        self.family = family
        self.n_epochs = n_epochs

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Check curves X [n, k], or [n, 1 + k] with each row's epoch to predict, and y [n].

        Nothing is learnt across curves.

        Raises
        ------
        ConfigurationError
            If there is no such family.
        """
        if self.family not in (*FAMILIES, COMBINED):
            known = ", ".join([*FAMILIES, COMBINED])
            hint = did_you_mean(self.family, FAMILIES)
            raise ConfigurationError(f"family = {self.family!r}: no such family{hint}; known: {known}")
        validate_data(self, X, y, y_numeric=True)
        self.is_fitted_ = True
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the value of each row of X at the epoch to predict."""
        check_is_fitted(self)
        rows: FloatArray = validate_data(self, X, reset=False, dtype=np.float64)
        if self.n_epochs is not None:
            return self._continued(rows, self.n_epochs)
        predicted = np.empty(len(rows))
        for epoch in np.unique(rows[:, 0]):
            chosen = rows[:, 0] == epoch
            predicted[chosen] = self._continued(rows[chosen, 1:], int(epoch))
        return predicted

    def _continued(self, curves: FloatArray, n_epochs: int) -> FloatArray:
        """Return the value of each curve [n, k] after `n_epochs`."""
        if curves.shape[1] <= PARAMETERS:
            return curves[:, -1].copy()
        last, reach = curves[:, -1], np.ptp(curves, axis=1)
        scaled = (curves - last[:, np.newaxis]) / np.where(reach > 0, reach, 1.0)[:, np.newaxis]
        horizon = max(n_epochs, curves.shape[1])
        names = list(FAMILIES) if self.family == COMBINED else [self.family]
        found = [continued(scaled, FAMILIES[name], horizon) for name in names]
        ends, errors = (np.stack(column) for column in zip(*found, strict=True))
        likelihood = (errors.min(axis=0) / errors) ** (curves.shape[1] / 2)
        return np.asarray(last + reach * (likelihood * ends).sum(axis=0) / likelihood.sum(axis=0))

    def __sklearn_tags__(self) -> object:
        """Declare poor scores on arbitrary data to scikit-learn: rows have to be curves."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


def continued(curves: FloatArray, shape: Shape, horizon: int) -> tuple[FloatArray, FloatArray]:
    """Return each curve's value at `horizon` by the best shape of a family, and its mean squared error.

    Parameters
    ----------
    curves : array [n, k]
        Known epochs, shifted and scaled: the last value is 0, the range 1. The value at the horizon is
        confined to [-1, 1]: no curve goes on by more than it has gone.
    shape : callable
        A value of `FAMILIES`.
    horizon : int
        The epoch to predict, from 1.
    """
    n, known = curves.shape
    grid = shape(np.append(np.arange(1.0, known + 1), float(horizon)), known)
    g, end = grid[:, :-1], grid[:, -1]
    weights, rows = np.ones((n, known)), np.arange(n)
    for _ in range(REWEIGHTINGS + 1):
        a, b, error = _least_squares(curves, g, weights)
        best = error.argmin(axis=1)
        left = curves - a[rows, best, np.newaxis] - b[rows, best, np.newaxis] * g[best]
        noise = MAD_TO_SIGMA * np.median(np.abs(left), axis=1, keepdims=True)
        limit = HUBER * np.maximum(noise, TINY)
        used, weights = weights, limit / np.maximum(np.abs(left), limit)
    values = a[rows, best] + b[rows, best] * end[best]
    return np.clip(values, -1.0, 1.0), np.maximum((used * left**2).mean(axis=1), TINY**2)


def _least_squares(
    y: FloatArray, g: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a, b and the weighted squared error of y = a + b g for every curve and shape, [n, n_shapes]."""
    total = weights.sum(axis=1, keepdims=True)
    mean_y = (weights * y).sum(axis=1, keepdims=True) / total
    mean_g = weights @ g.T / total
    centred = weights * (y - mean_y)
    covariance = centred @ g.T
    variance = np.maximum(weights @ (g**2).T - total * mean_g**2, TINY**2)
    b = covariance / variance
    error = (centred * (y - mean_y)).sum(axis=1, keepdims=True) - b * covariance
    return mean_y - b * mean_g, b, error
