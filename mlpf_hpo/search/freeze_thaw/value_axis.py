"""`ValueAxis`: costs on an axis that is linear near the best ones and logarithmic beyond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from mlpf_hpo.array_types import LARGEST_SQUARED, FloatArray

UNIT = 0.1
"""Unit of the axis near the best cost, in distances from the best to the median."""

LEAST_UNIT = 1 / LARGEST_SQUARED
"""Of equal costs; with a smaller one a large cost would have no place on the axis."""


@dataclass(frozen=True)
class ValueAxis:
    """arcsinh((cost - best) / unit): differences count among good costs, orders of magnitude among bad ones.

    Attributes
    ----------
    best, unit : float
        Origin, and the cost per unit there: a tenth of the distance from the best to the median cost.

    Examples
    --------
    >>> axis = ValueAxis.of([1.0, 2.0, 3.0])
    >>> axis.transform([1.0, 1.1, 1e6]).round(2).tolist()
    [0.0, 0.88, 16.81]
    """

    best: float
    unit: float

    @classmethod
    def of(cls, costs: ArrayLike) -> Self:
        """Return the axis of costs [n], smaller is better; all must be finite."""
        values = np.clip(np.asarray(costs, dtype=np.float64), -LARGEST_SQUARED, LARGEST_SQUARED)
        best = float(values.min())
        least = max(abs(best) * 1e-12, LEAST_UNIT)
        return cls(best, max(UNIT * (float(np.median(values)) - best), least))

    def transform(self, costs: ArrayLike) -> FloatArray:
        """Return costs on the axis; NaN stays NaN."""
        bounded = np.clip(np.asarray(costs, dtype=np.float64), -LARGEST_SQUARED, LARGEST_SQUARED)
        return np.asarray(np.arcsinh((bounded - self.best) / self.unit))

    def inverse_transform(self, values: ArrayLike) -> FloatArray:
        """Return the costs that stand at values of the axis."""
        furthest = np.arcsinh(2 * LARGEST_SQUARED / self.unit)
        return np.asarray(self.best + self.unit * np.sinh(np.clip(values, -furthest, furthest)))
