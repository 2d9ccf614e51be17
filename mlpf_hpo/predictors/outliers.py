"""Outliers: a curve whose final value dominates the spread of final values, and therefore R2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mlpf_hpo.curves.schema import LearningCurves

DOMINATED = 0.5
"""A curve dominates if its share of the spread of final values exceeds this."""


class Outlier(NamedTuple):
    """A curve that dominates the spread of final values.

    Attributes
    ----------
    row : int
        Its row, from 0.
    value : float
        Its final value.
    share : float
        Its share of the sum of squared distances from the mean, which R2 in units of the metric explains.
    """

    row: int
    value: float
    share: float


def dominating_curve(curves: LearningCurves) -> Outlier | None:
    """Return the curve that makes up more than `DOMINATED` of the spread of final values, if one does."""
    rows = np.flatnonzero(np.isfinite(curves.final))
    final = curves.final[rows]
    if len(rows) < 3 or np.ptp(final) == 0:
        return None
    scaled = final / np.abs(final).max()  # squares of 1e200 are infinite
    squares = np.square(scaled - scaled.mean())
    at = int(squares.argmax())
    share = float(squares[at] / squares.sum())
    return Outlier(int(rows[at]), float(final[at]), share) if share > DOMINATED else None


def describe_outlier(curves: LearningCurves) -> list[str]:
    """Return which curve dominates the scores in units of the metric, if one does."""
    outlier = dominating_curve(curves)
    if outlier is None:
        return []
    row = curves.configs.index[outlier.row] + 1
    return [
        f"row {row}, which ends at {outlier.value:.3g}, makes up {outlier.share:.1%} of the "
        "spread of final values and dominates R2 (loss); the scores of ranks and quantiles are not affected"
    ]
