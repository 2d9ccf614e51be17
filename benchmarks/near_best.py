"""How many of the searched configurations are near the best one: what a search may find, and may confuse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.anytime import EXACT, RegretScale


def near_best(searched: Sequence[LearningCurves], regrets: Iterable[float]) -> dict[str, float]:
    """Return the mean number of curves in a search, the best included, whose regret is at most each of some.

    Examples
    --------
    >>> from mlpf_hpo import TargetMetric
    >>> losses = [[1.0], [1.25], [2.0], [9.0], [9.0]]
    >>> rows = [{"lr": 0.1 * i} for i in range(5)]
    >>> curves = LearningCurves.from_arrays(rows, losses, TargetMetric("loss", "min"))
    >>> near_best([curves], (0.1, 0.25))
    {'0.1': 1.0, '0.25': 2.0}
    """
    scaled = [(RegretScale.of(one), one) for one in searched]
    found = [
        ((one.final if one.mode == "min" else -one.final) - scale.best) / scale.unit for scale, one in scaled
    ]
    return {str(r): float(np.mean([np.sum(one <= r + EXACT) for one in found])) for r in regrets}
