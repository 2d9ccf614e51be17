"""`Prediction`: a final loss with the interval that should hold it, and how such intervals are calibrated."""

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


def conformal_radius(residuals: FloatArray, coverage: float) -> float:
    """Return the half width of a symmetric conformal interval.

    The quantile has the finite-sample correction ceil((n + 1) coverage) / n (Vovk et al.; Lei et al., JASA
    113 1094): with too few residuals for the coverage the radius is infinite, which is the truth.

    Parameters
    ----------
    residuals : array [n]
        Errors on rows that the model was not fitted on.
    coverage : float
        Nominal coverage in (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> conformal_radius(np.arange(1.0, 10.0), 0.8)
    8.0
    >>> conformal_radius(np.arange(1.0, 4.0), 0.9)
    inf
    """
    rank = math.ceil((len(residuals) + 1) * coverage)
    if rank > len(residuals):
        return math.inf
    return float(np.sort(np.abs(residuals))[rank - 1])
