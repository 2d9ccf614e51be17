"""Choose samples of a QUBO, and combine them into one solution: two orders and seven weightings by name.

Of all reads those of least training error are kept. The paper kept those of lowest energy, which says little
of how well a solution predicts (`studies/published`).

The solution is the weighted mean of the kept samples' multipliers. Five weightings depend on a sample's error
on the training rows: the mean squared error, or the sum of log₂ cosh. Both are computed from residuals
y − f(x), each sample with a bias of its own.

The published solutions follow from the same formulas, but their residuals are exp(y) − exp(f(x)), although no
logarithm had been taken of y; tests/predictors/test_combination.py shows it for all that are on record.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import look_up


def mean_squared_error(residuals: FloatArray) -> FloatArray:
    """Return the mean of squares of each row of [n_samples, n_points]."""
    return np.asarray((residuals**2).mean(axis=-1))


def log_cosh_error(residuals: FloatArray) -> FloatArray:
    """Return Σ log₂((2^r + 2^−r) / 2) of each row: quadratic for small residuals, linear for large ones."""
    return np.asarray((np.logaddexp2(residuals, -residuals) - 1.0).sum(axis=-1))


def normalised_inverse(errors: FloatArray) -> FloatArray:
    """Return weights in proportion to 1 / error; samples without any error share all of the weight."""
    smallest = errors.min()
    shares = smallest / errors if smallest > 0 else (errors == smallest).astype(np.float64)
    return np.asarray(shares / shares.sum())


def softmax_inverse(errors: FloatArray) -> FloatArray:
    """Return the softmax of 1 / error; samples without any error share all of the weight."""
    smallest = errors.min()
    if smallest <= 0:
        return normalised_inverse(errors)
    with np.errstate(over="ignore"):  # next to a vanishing error, any other has no weight
        shares = np.exp((smallest / errors - 1.0) / smallest)
    return np.asarray(shares / shares.sum())


def first_of_smallest(values: FloatArray) -> FloatArray:
    """Return weight 1 for the first of the smallest values, 0 for the others."""
    return (np.arange(len(values)) == int(values.argmin())).astype(np.float64)


def equal(values: FloatArray) -> FloatArray:
    """Return equal weights."""
    return np.full(len(values), 1.0 / len(values))


Weighting = Callable[[FloatArray, FloatArray], FloatArray]

COMBINATIONS: dict[str, Weighting] = {
    "mse": lambda residuals, _: normalised_inverse(mean_squared_error(residuals)),
    "mse_softmax": lambda residuals, _: softmax_inverse(mean_squared_error(residuals)),
    "log_cosh": lambda residuals, _: normalised_inverse(log_cosh_error(residuals)),
    "log_cosh_softmax": lambda residuals, _: softmax_inverse(log_cosh_error(residuals)),
    "best": lambda residuals, _: first_of_smallest(mean_squared_error(residuals)),
    "mean": lambda _, energies: equal(energies),
    "min_energy": lambda _, energies: first_of_smallest(energies),
}
"""From residuals [n_samples, n_points] and energies [n_samples] to weights [n_samples] that sum to 1.

In the paper's order: scores norm, scores softmax, scores lc norm, scores lc softmax, best set of alphas,
simple mean, min energy.
"""


KEPT_BY: dict[str, Weighting] = {
    "training_error": lambda residuals, _: mean_squared_error(residuals),
    "energy": lambda _, energies: energies,
}
"""From residuals [n_samples, n_points] and energies [n_samples] to what kept samples have the least of.

"energy" is the paper's.
"""


def kept_samples(name: str, kept: int, residuals: FloatArray, energies: FloatArray) -> NDArray[np.intp]:
    """Return the positions of the first `kept` samples in the order called `name`, a key of `KEPT_BY`.

    Raises
    ------
    ConfigurationError
        If there is no such order.
    """
    order = look_up(KEPT_BY, name, "kept_by", "order")
    return np.argsort(order(residuals, energies), kind="stable")[:kept]


def combination_weights(name: str, residuals: FloatArray, energies: FloatArray) -> FloatArray:
    """Return the samples' weights by the weighting called `name`.

    Parameters
    ----------
    name : str
        A key of `COMBINATIONS`.
    residuals : array [n_samples, n_points]
        Residuals of the training targets by each sample's model.
    energies : array [n_samples]
        Energies of the samples.

    Raises
    ------
    ConfigurationError
        If there is no such weighting.
    """
    return look_up(COMBINATIONS, name, "combination", "weighting")(residuals, energies)
