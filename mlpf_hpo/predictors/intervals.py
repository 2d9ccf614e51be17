"""`Prediction`: final values with intervals; calibration of the intervals by conformal prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


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


def conformal_bounds(residuals: FloatArray, coverage: float) -> tuple[float, float]:
    """Return what to add to a prediction for the bounds of its conformal interval.

    Half of the error is left on either side, so that a predictor with a bias (persistence takes a falling
    loss for its end) gets an interval that is shifted, not one that is wide. The quantiles have the finite-
    sample correction (Vovk et al.; Lei et al., JASA 113 1094): with too few residuals for the coverage a
    bound is infinite.

    Parameters
    ----------
    residuals : array [n]
        True minus predicted, on rows that the model was not fitted on.
    coverage : float
        Nominal coverage in (0, 1).

    Returns
    -------
    low, high : float
        Negative infinity and infinity where n is too small.

    Examples
    --------
    >>> import numpy as np
    >>> conformal_bounds(np.arange(1.0, 20.0), 0.9)
    (1.0, 19.0)
    >>> conformal_bounds(np.arange(1.0, 19.0), 0.9)
    (-inf, inf)
    """
    ordered = np.sort(residuals)
    n = len(ordered)
    # The rank from either end; rounded first, as 20 x 0.05 must not become 0.
    rank = math.floor(round((n + 1) * (1 - coverage) / 2, 9))
    if rank < 1:
        return -math.inf, math.inf
    return float(ordered[rank - 1]), float(ordered[n - rank])
