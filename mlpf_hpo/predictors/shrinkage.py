"""Shrinkage of predictions toward persistence, the last observed value, and the shrinkage factor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.jackknife import (
    jackknife_difference,
    leave_out_blocks,
    negative_log_error,
    rank_correlation,
)


def shrink_toward(last: FloatArray, predicted: FloatArray, share: float, log_scale: bool) -> FloatArray:
    """Return predictions shrunk toward the last observed values, [n].

    Parameters
    ----------
    last, predicted : array [n]
        The last observed values, and the predictions before shrinkage.
    share : float
        The shrinkage factor: 0 returns `last`, 1 returns `predicted`.
    log_scale : bool
        Whether to shrink on a log scale, where values that are not positive become the smallest number.
    """
    if not log_scale:
        return last + share * (predicted - last)
    begin, end = (np.maximum(values, np.finfo(float).tiny) for values in (last, predicted))
    return np.asarray(begin * (end / begin) ** share)


def shrinkage_factor(
    true: FloatArray, predicted: FloatArray, last: FloatArray, groups: NDArray[Any]
) -> float:
    """Return the share of a model's correction of the last value that should be kept, from 0 to 1.

    It is ``1 - 1 / z^2``, where z is the model's improvement over the last observed value, in standard
    errors: in rank correlation or in errors of logarithms, whichever is larger; 0 up to one standard error.
    The positive-part Stein estimator (Efron and Morris 1973) has the same factor.

    Parameters
    ----------
    true, last : array [n]
        Final values, and the last observed ones.
    predicted : array [n]
        Out-of-fold predictions of the model.
    groups : array [n]
        Configuration of each row.
    """
    blocks = leave_out_blocks(groups)
    gains = (
        jackknife_difference(measure, true, predicted, last, blocks)
        for measure in (rank_correlation, negative_log_error)
    )
    return max((1.0 - (error / more) ** 2 for more, error in gains if more > error), default=0.0)
