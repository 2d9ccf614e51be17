"""`Prediction`: a final loss with the interval that should hold it, and how such intervals are calibrated."""

from __future__ import annotations

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
