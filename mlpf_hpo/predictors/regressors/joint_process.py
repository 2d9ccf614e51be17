"""`JointProcess`: a Gaussian process of hyperparameters and the last observed value together."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_solve
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.regressors.folds import are_distinct, row_folds
from mlpf_hpo.predictors.regressors.one_thread import one_blas_thread

ROOT_5 = np.sqrt(5.0)
JITTER = 1e-8
REACH = 4.0
"""Logarithms of parameters stay this near to their prior means."""

STEPS, FOLD_STEPS = 60, 15
"""Largest numbers of optimisation steps: from the prior means, and from the optimum of all rows."""

EXACT_FOLDS = 50
"""Up to this many rows the out-of-fold predictions are made by processes fitted anew.

With more, the process that leaves one row out keeps the parameters found on all rows: what a row adds to
them is negligible then, and the predictions follow in closed form.
"""

TUNED_ROWS = 300
"""The parameters are found on at most this many rows; the process itself uses all."""

PART_MEANS = {"hyperparameters": -0.3, "curve": -1.0, "both": -1.0, "line": 0.0}
"""Prior means of the logarithms of the parts' amplitudes."""

NOISE_MEAN = -1.5


class JointProcess(RegressorMixin, BaseEstimator):
    """Gaussian process whose kernel adds up what hyperparameters, the curve, and both together explain.

    The kernel is a line in the last observed value, a Matern 5/2 process of the hyperparameters with a length
    scale for each, one of the last observed value, and the product of both: at the first epochs the
    hyperparameters carry the prediction, at the last ones the line does, and the likelihood decides how far.
    Amplitudes, length scales and noise maximise the posterior under broad log-normal priors, which keep 20
    rows from being explained by ten length scales.

    Parameters
    ----------
    curve_columns : {0, 1}
        1 if the last column of X is the last observed value. All columns should have a spread of about 1.
    folds : int
        Folds of the out-of-fold predictions.

    Attributes
    ----------
    parameters_ : array
        Logarithms of length scales, amplitudes and noise, as `_Kernel` orders them.
    oob_prediction_ : array [n]
        Out-of-fold predictions of the training rows.
    """

    def __init__(self, curve_columns: int = 0, folds: int = 10) -> None:
        self.curve_columns = curve_columns
        self.folds = folds

    def fit(self, X: ArrayLike, y: ArrayLike, groups: NDArray[Any] | None = None) -> Self:
        """Fit on X [n, d] and y [n]; rows of one group [n] are left out together."""
        rows, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        kernel = _Kernel(rows.shape[1], self.curve_columns)
        self.mean_, self.spread_ = float(target.mean()), float(target.std()) or 1.0
        self.rows_, z = rows, (target - self.mean_) / self.spread_
        with one_blas_thread():
            tuned = _spread_over(len(z), TUNED_ROWS)
            self.parameters_ = _maximum(kernel, rows[tuned], z[tuned], kernel.means, STEPS)
            inverse = _inverse(kernel.matrix(self.parameters_, rows, rows), kernel.noise(self.parameters_))
            self.weights_ = inverse @ z
            left_out = self._out_of_fold(kernel, z, inverse, groups)
        self.oob_prediction_ = self.mean_ + self.spread_ * left_out
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the mean of the process at each row of X [n, d]."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        kernel = _Kernel(rows.shape[1], self.curve_columns)
        with one_blas_thread():
            between = kernel.matrix(self.parameters_, rows, self.rows_)
            return np.asarray(self.mean_ + self.spread_ * (between @ self.weights_))

    @property
    def noise_variance_(self) -> float:
        """Variance of the noise, in units of the squared spread."""
        check_is_fitted(self)
        return _Kernel(self.n_features_in_, self.curve_columns).noise(self.parameters_) + JITTER

    def covariance(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return the covariance of rows a [n, d] and b [m, d] without noise, in squared spreads, [n, m]."""
        check_is_fitted(self)
        return _Kernel(self.n_features_in_, self.curve_columns).matrix(self.parameters_, a, b)

    def _out_of_fold(
        self, kernel: _Kernel, z: FloatArray, inverse: FloatArray, groups: NDArray[Any] | None
    ) -> FloatArray:
        """Return predictions of the rows without themselves, [n], in units of the spread."""
        if len(z) > EXACT_FOLDS and are_distinct(groups):
            return np.asarray(z - self.weights_ / np.diag(inverse))
        predicted = np.empty_like(z)
        for train, test in row_folds(len(z), self.folds, groups):
            part = self.rows_[train]
            found = _maximum(kernel, part, z[train], self.parameters_, FOLD_STEPS)
            weights = _inverse(kernel.matrix(found, part, part), kernel.noise(found)) @ z[train]
            predicted[test] = kernel.matrix(found, self.rows_[test], part) @ weights
        return predicted


class _Kernel:
    """The kernel's parts, parameters and priors; parameters are length scales, amplitudes, noise, as logs."""

    def __init__(self, columns: int, curve_columns: int) -> None:
        self.n_hyper, self.n_lengths = columns - curve_columns, columns
        present = {
            "hyperparameters": self.n_hyper,
            "curve": curve_columns,
            "both": self.n_hyper * curve_columns,
            "line": curve_columns,
        }
        self.parts = [part for part, columns in present.items() if columns]
        self.means = np.array(
            [np.log(1.5 * np.sqrt(max(self.n_hyper, 1)))] * self.n_hyper
            + [np.log(2.0)] * curve_columns
            + [PART_MEANS[part] for part in self.parts]
            + [NOISE_MEAN]
        )

    def noise(self, parameters: FloatArray) -> float:
        """Return the variance of the noise."""
        return float(np.exp(2 * parameters[-1]))

    def matrix(self, parameters: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return the covariance of rows a [n, d] and b [m, d], [n, m]."""
        parts, _ = self._values(parameters, _squares(a, b), self.lines(a, b))
        return np.asarray(sum(parts.values()))

    def with_gradient(
        self, parameters: FloatArray, squares: FloatArray, lines: FloatArray
    ) -> tuple[FloatArray, dict[str, FloatArray], dict[str, FloatArray]]:
        """Return the matrix, factors of its derivatives by the length scales of each part, and all parts."""
        parts, slopes = self._values(parameters, squares, lines)
        amplitudes = self._amplitudes(parameters)
        both = amplitudes.get("both", 0.0)
        for part, other in (("hyperparameters", "curve"), ("curve", "hyperparameters")):
            if part in slopes:
                crossed = both * parts[other] / amplitudes[other] if both else 0.0
                slopes[part] *= amplitudes[part] + crossed
        return np.asarray(sum(parts.values())), slopes, parts

    def lengths(self, part: str) -> slice:
        """Return where the length scales of "hyperparameters" or the "curve" stand among the parameters."""
        return slice(self.n_hyper) if part == "hyperparameters" else slice(self.n_hyper, self.n_lengths)

    def _amplitudes(self, parameters: FloatArray) -> dict[str, float]:
        logs = parameters[self.n_lengths : -1]
        return dict(zip(self.parts, np.exp(2 * logs).tolist(), strict=True))

    def _values(
        self, parameters: FloatArray, squares: FloatArray, lines: FloatArray
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        weights = np.exp(-2 * parameters[: self.n_lengths])
        units: dict[str, FloatArray] = {"line": lines}
        slopes: dict[str, FloatArray] = {}
        for part in ("hyperparameters", "curve"):
            if part in self.parts:
                at = self.lengths(part)
                units[part], slopes[part] = _matern(np.tensordot(weights[at], squares[at], 1))
        if "both" in self.parts:
            units["both"] = units["hyperparameters"] * units["curve"]
        return {part: a * units[part] for part, a in self._amplitudes(parameters).items()}, slopes

    def lines(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return the products of the last observed values of rows a [n, d] and b [m, d], [n, m]."""
        return np.asarray(a[:, self.n_hyper :] @ b[:, self.n_hyper :].T)


def matern_covariance(rows: FloatArray, length_scale: float) -> FloatArray:
    """Return the Matern 5/2 covariance of rows [n, d] with one length scale for all columns, [n, n]."""
    value, _ = _matern(_squares(rows, rows).sum(axis=0) / length_scale**2)
    return value


def _squares(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return squared differences of each column, [d, n, m]."""
    return np.asarray(np.square(a.T[:, :, np.newaxis] - b.T[:, np.newaxis, :]))


def _matern(squared: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the Matern 5/2 kernel of squared distances, and its derivative's factor by log length scales."""
    distance = ROOT_5 * np.sqrt(squared)
    decay, line = np.exp(-distance), 1 + distance
    return (line + 5 / 3 * squared) * decay, 5 / 3 * line * decay


def _inverse(matrix: FloatArray, noise: float) -> FloatArray:
    """Return the inverse of a covariance with noise."""
    n = len(matrix)
    factor = np.linalg.cholesky(matrix + (noise + JITTER) * np.eye(n))
    return np.asarray(cho_solve((factor, True), np.eye(n)))


def _spread_over(n: int, most: int) -> slice:
    """Return at most `most` of n rows, evenly spaced."""
    return slice(None, None, max(1, -(-n // most)))


def _maximum(kernel: _Kernel, rows: FloatArray, z: FloatArray, begin: FloatArray, steps: int) -> FloatArray:
    """Return the parameters of the largest posterior density that is found from `begin`."""
    squares, lines, eye = _squares(rows, rows), kernel.lines(rows, rows), np.eye(len(z))
    n_lengths, means, diagonal = kernel.n_lengths, kernel.means, np.diag_indices(len(z))

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        matrix, slopes, parts = kernel.with_gradient(parameters, squares, lines)
        noise = kernel.noise(parameters)
        try:
            matrix[diagonal] += noise + JITTER
            factor = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(parameters)
        inverse = cho_solve((factor, True), eye, check_finite=False)
        weights = inverse @ z
        value = 0.5 * z @ weights + np.log(np.diag(factor)).sum()
        half = 0.5 * (inverse - np.outer(weights, weights))
        gradient = np.empty_like(parameters)
        for part, slope in slopes.items():
            at = kernel.lengths(part)
            gradient[at] = np.tensordot(squares[at], half * slope, 2)
        gradient[:n_lengths] *= np.exp(-2 * parameters[:n_lengths])
        gradient[n_lengths:-1] = [2 * (half * part).sum() for part in parts.values()]
        gradient[-1] = 2 * noise * np.trace(half)
        away = parameters - means
        return float(value + 0.5 * away @ away), gradient + away

    bounds = [(mean - REACH, mean + REACH) for mean in means]
    options = {"maxiter": steps, "ftol": 1e-5, "gtol": 1e-2}
    return np.asarray(minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)
