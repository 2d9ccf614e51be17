"""`Prediction`: final values with intervals; calibration of the intervals by conformal prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.repeats import deviations_within

BETTER_SHARE = 0.2
"""Share of the misses that is left on the better side of an interval.

A search gives up what cannot win by its interval's better end, and the trials that win are those whose values
are better than predicted: with half of the misses on that side most of them would lie among the eventual
best.
"""

WIDTH, EVEN_ROWS = 0.5, 3.0
"""Errors are compared with those of predictions within about `WIDTH`, and of `EVEN_ROWS` average rows."""

LEAST_ERRORS = 5
"""With fewer errors a bound is infinite."""

TAIL_SHARE = 0.25
"""Share of the errors on one side that the exponential tail beyond them is fitted to."""


@dataclass(frozen=True)
class Prediction:
    """Predicted final values of n curves.

    Attributes
    ----------
    mean, lower, upper : array [n], float64
        The point prediction and the interval's bounds, in the units of the metric. A bound may be infinite.
    coverage : float
        Nominal probability that the final value lies within [lower, upper].
    """

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    coverage: float


def interval_offsets(
    at: FloatArray,
    left_out: FloatArray,
    errors: FloatArray,
    coverage: float,
    low_is_better: bool,
    floor: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Return what to add to predictions for the bounds of their intervals, [n] each.

    Errors out of fold are divided by the mean absolute error near their prediction, the quantiles of the
    quotients are multiplied by that at the new one (normalised conformal prediction, Papadopoulos et al.
    2008): where curves are hard to predict the interval is wider, and survivors of a rung are covered
    like all others.

    Parameters
    ----------
    at : array [n]
        New predictions.
    left_out, errors : array [m]
        Predictions of rows that the model was not fitted on, and true minus predicted.
    coverage : float
        Nominal coverage in (0, 1).
    low_is_better : bool
        Whether small values are good.
    floor : float
        Least mean absolute error anywhere, such as that between repeats of one configuration.
    """
    if len(errors) < LEAST_ERRORS:
        return np.full(len(at), -np.inf), np.full(len(at), np.inf)
    near = np.maximum(local_errors(left_out, left_out, errors), floor)
    normalised = errors / np.where(near > 0, near, 1.0)
    share = BETTER_SHARE if low_is_better else 1.0 - BETTER_SHARE
    low, high = conformal_bounds(normalised, coverage, share)
    scale = np.maximum(local_errors(at, left_out, errors), floor)
    return low * scale, high * scale


def local_errors(at: FloatArray, left_out: FloatArray, errors: FloatArray) -> FloatArray:
    """Return the mean absolute error near predictions, [n]; of rows themselves if `at` is `left_out`."""
    weights = np.exp(-0.5 * np.square((at[:, np.newaxis] - left_out) / WIDTH))
    if at is left_out:
        np.fill_diagonal(weights, 0.0)
    absolute = np.abs(errors)
    return np.asarray((weights @ absolute + EVEN_ROWS * absolute.mean()) / (weights.sum(axis=1) + EVEN_ROWS))


def repeat_error(scores: FloatArray, groups: NDArray[Any]) -> float:
    """Return the mean absolute error of a normal noise as large as that within groups; 0 without repeats.

    Parameters
    ----------
    scores : array [n]
        Final values on the scale of the intervals.
    groups : array [n]
        Configuration of each row.
    """
    freedom = len(scores) - len(np.unique(groups))
    if not freedom:
        return 0.0
    deviations, _ = deviations_within(scores, groups)
    return float(np.sqrt(np.square(deviations).sum() / freedom * 2.0 / np.pi))


def conformal_bounds(errors: FloatArray, coverage: float, low_share: float = 0.5) -> tuple[float, float]:
    """Return what to add to a prediction for the bounds of its conformal interval.

    The quantiles have the finite-sample correction (Vovk et al.; Lei et al., JASA 113 1094), by
    interpolation between errors. Beyond the outermost error the bound follows an exponential tail fitted to
    the outer quarter: with 20 errors a side that may miss one in fifty is not given by any of them.

    Parameters
    ----------
    errors : array [n]
        True minus predicted, on rows that the model was not fitted on.
    coverage : float
        Nominal coverage in (0, 1).
    low_share : float
        Share of the misses that may lie below the interval.

    Returns
    -------
    low, high : float
        Negative infinity and infinity with fewer than five errors.

    Examples
    --------
    >>> import numpy as np
    >>> conformal_bounds(np.arange(1.0, 20.0), 0.9)
    (1.0, 19.0)
    >>> low, high = conformal_bounds(np.arange(1.0, 20.0), 0.9, low_share=0.2)
    >>> low < 1.0, round(high, 2)
    (True, 18.4)
    """
    ordered = np.sort(errors)
    if len(ordered) < LEAST_ERRORS:
        return -math.inf, math.inf
    miss = (1.0 - coverage) * (len(ordered) + 1)
    return -_outer(-ordered[::-1], miss * low_share), _outer(ordered, miss * (1.0 - low_share))


def _outer(ordered: FloatArray, rank: float) -> float:
    """Return the value that `rank` of n + 1 exceed, counted from the largest of `ordered` [n]."""
    rank = round(rank, 9)  # 20 x 0.05 must not become less than 1
    n = len(ordered)
    if rank >= 1:
        return float(np.interp(n - rank, np.arange(n), ordered))
    tail = max(2, round(TAIL_SHARE * n))
    excess = float((ordered[n - tail :] - ordered[n - tail - 1]).mean())
    return float(ordered[-1] + excess * math.log(1.0 / max(rank, np.finfo(float).tiny)))
