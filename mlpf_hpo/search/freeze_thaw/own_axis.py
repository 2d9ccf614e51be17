"""Predict the end of all curves of a search together, on an axis that is made of the predictions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.search.freeze_thaw.extrapolation import mean_changes
from mlpf_hpo.search.freeze_thaw.value_axis import ValueAxis

LEAST_EXPECTED = 1e-4
"""Least variance of a curve from one number of epochs to the next."""


class OwnPredictions(NamedTuple):
    """Final values of trials on their own axis [n], and squared errors of steps, in expected variances."""

    axis: ValueAxis
    values: FloatArray
    errors: FloatArray


def predict_together(
    last: FloatArray, reached: IntArray, curves: FloatArray, variance: FloatArray
) -> OwnPredictions:
    """Return where trials are expected to end: at their last value and the mean change of curves.

    Parameters
    ----------
    last, reached : array [n], array of int [n]
        Last cost of each trial, and the column of `curves` that it is of.
    curves : array [m, k]
        Costs of those that mean changes are taken from, at numbers of epochs, see `decision_epochs`; NaN in
        the first column, and beyond the last one that they have reached.
    variance : array [k]
        Of the rest of a curve, see `usual_variance`.
    """
    final = last
    for _ in range(2):  # the axis is that of the predicted final values, which are predicted on it
        axis = ValueAxis.of(final)
        changes = mean_changes(axis.transform(curves))
        final = axis.inverse_transform(axis.transform(last) + changes[reached])
    axis = ValueAxis.of(final)
    values = axis.transform(curves)
    steps = np.diff(values, axis=1)[:, 1:] + np.diff(mean_changes(values))[1:]
    errors = steps**2 / np.maximum(-np.diff(variance)[1:], LEAST_EXPECTED)
    # A single curve is its own mean.
    several = errors[:, np.isfinite(errors).sum(axis=0) > 1]
    return OwnPredictions(axis, axis.transform(final), several[np.isfinite(several)])
