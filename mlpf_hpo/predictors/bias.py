"""The constant term of a support vector regression, from the residuals that its multipliers leave."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlpf_hpo.array_types import FloatArray


def loss_minimising_bias(residuals: FloatArray, multipliers: FloatArray, epsilon: float) -> FloatArray:
    """Return the bias with the least ε-insensitive training loss Σ max(0, |r_n − b| − ε).

    The loss is convex and piecewise linear in b with breakpoints r_n ± ε. Its slope starts at −N and grows
    by 1 at each of the 2N breakpoints, so that it is zero between the two in the middle: any value from one
    to the other is a minimum. Their midpoint is taken, which changes its sign when all residuals do.

    Parameters
    ----------
    residuals : array [..., n_points]
        r = y − K d, what is left of the targets without a bias.
    multipliers : array [..., 2, n_points]
        Not used; the paper's rule needs them.
    epsilon : float
        Half width of the tube.

    Returns
    -------
    array [...]
    """
    del multipliers
    return np.asarray(np.median(np.concatenate([residuals - epsilon, residuals + epsilon], axis=-1), axis=-1))


def published_bias(residuals: FloatArray, multipliers: FloatArray, epsilon: float) -> FloatArray:
    """Return the bias as the paper's code computed it; use it to reproduce its numbers, for nothing else.

    It is the mean of r_n − ε over all α_n and all α̂_n that are not close to 0, where the optimality
    conditions ask for r_n + ε at α̂_n. Its second condition, a multiplier below C = 67.61, always holds:
    the encoding ends at 1.756. Where all multipliers are close to 0 the rule has nothing to average, and the
    value that minimises the loss stands in.

    Parameters and result are those of `loss_minimising_bias`.
    """
    support = (~np.isclose(multipliers, 0.0)).sum(axis=-2)
    count = support.sum(axis=-1)
    total = (support * (residuals - epsilon)).sum(axis=-1)
    substitute = loss_minimising_bias(residuals, multipliers, epsilon)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), substitute))


BIASES: dict[str, Callable[[FloatArray, FloatArray, float], FloatArray]] = {
    "loss": loss_minimising_bias,
    "paper": published_bias,
}
