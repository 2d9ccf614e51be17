"""Part of the way from persistence to what a model says: how to go it, and how much of it is worth going."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.predictors.gain import accuracy, blocks_of, gain, order

FloatArray = NDArray[np.float64]


def shrink_toward(last: FloatArray, predicted: FloatArray, share: float, log_scale: bool) -> FloatArray:
    """Return what lies a share of the way from the last values seen to the predicted ones, [n].

    Parameters
    ----------
    last, predicted : array [n]
        Both ends.
    share : float
        0 stays with `last`, 1 goes to `predicted`.
    log_scale : bool
        Whether the way is one of logarithms; what is not positive counts as the smallest number then.
    """
    if not log_scale:
        return last + share * (predicted - last)
    begin, end = (np.maximum(values, np.finfo(float).tiny) for values in (last, predicted))
    return np.asarray(begin * (end / begin) ** share)


def shrinkage_factor(
    true: FloatArray, predicted: FloatArray, last: FloatArray, groups: NDArray[Any]
) -> float:
    """Return how much of the way to a model should be gone, from 0 to 1.

    It is ``1 - 1 / z^2``, where z is what the model gains over the last value seen, in standard errors: in
    order or in errors of logarithms, whichever is surer; 0 up to one standard error. That is how far the
    positive part of Stein's estimator (Efron and Morris 1973) draws a number known with such an error
    towards zero.

    Parameters
    ----------
    true, last : array [n]
        Final values, and the last ones seen.
    predicted : array [n]
        What the model said without having seen the curve.
    groups : array [n]
        Configuration of each row.
    """
    blocks = blocks_of(groups)
    gains = (gain(measure, true, predicted, last, blocks) for measure in (order, accuracy))
    return max((1.0 - (error / more) ** 2 for more, error in gains if more > error), default=0.0)
