"""The search space of recorded curves, and the recorded configuration that is nearest to a proposed one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.features import is_logarithmic
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.space import (
    Choice,
    Configuration,
    Domain,
    Integer,
    LogUniform,
    SearchSpace,
    Uniform,
    Value,
    is_number,
    kind_of,
)

FEW = 8
"""A hyperparameter with at most so many values is one of a few choices."""


def space_of(curves: LearningCurves, prior: LearningCurves | None = None) -> SearchSpace:
    """Return the space that recorded configurations span; what was offered when they were drawn is not known.

    A hyperparameter with at most eight values, or with texts or booleans, is a choice of these. Another is a
    number from the smallest to the largest recorded one, on a logarithmic scale if it is positive and spans
    more than one and a half decades, as in `CurveFeatures`.

    Parameters
    ----------
    curves : LearningCurves
        The searched curves.
    prior : LearningCurves, optional
        A prior campaign, whose configurations lie in the space too if it has all of these hyperparameters.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> rows = [{"lr": 10.0 ** -i, "optimizer": "adam"} for i in range(1, 11)]
    >>> target = TargetMetric("loss", "min")
    >>> space = space_of(LearningCurves.from_arrays(rows, [[1.0]] * 10, target))
    >>> [domain.describe() for domain in space.domains.values()]
    ['1e-10 to 0.1 (log)', 'one of adam']
    """
    table = curves.configs[list(curves.hyperparameters)]
    if prior is not None and set(table.columns) <= set(prior.hyperparameters):
        table = pd.concat([table, prior.configs[list(table.columns)]], ignore_index=True)
    return SearchSpace({str(name): _domain(str(name), table[name].tolist()) for name in table})


class NearestRow:
    """Takes recorded rows one after the other, each time the one that is nearest to a configuration.

    Distances are Euclidean, in units of each hyperparameter's range on its own scale; of a choice, different
    values are 1 apart, and of several numbers their places in order over the number of steps. Of equally
    near rows the first is taken.

    Parameters
    ----------
    curves : LearningCurves
        The rows.
    space : SearchSpace
        Theirs.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> rows = [{"dropout": i / 10} for i in range(10)]
    >>> curves = LearningCurves.from_arrays(rows, [[1.0]] * 10, TargetMetric("loss", "min"))
    >>> nearest = NearestRow(curves, space_of(curves))
    >>> [nearest.take({"dropout": 0.42}) for _ in range(3)]
    [4, 5, 3]
    """

    def __init__(self, curves: LearningCurves, space: SearchSpace) -> None:
        self._domains = dict(space.domains)
        columns = [_places(one, curves.configs[name].tolist()) for name, one in self._domains.items()]
        self._rows = np.hstack([np.zeros((len(curves), 1)), *columns])
        self._left = np.ones(len(curves), dtype=bool)

    def take(self, configuration: Configuration) -> int:
        """Return the nearest row that was not taken, which is taken now."""
        asked = [_places(one, [configuration[name]]) for name, one in self._domains.items()]
        distances = ((self._rows - np.hstack([np.zeros((1, 1)), *asked])) ** 2).sum(axis=1)
        row = int(np.argmin(np.where(self._left, distances, np.inf)))
        self._left[row] = False
        return row


def _domain(name: str, values: list[Value]) -> Domain:
    distinct = sorted(set(values), key=lambda value: (kind_of(value), value))
    if len(distinct) <= FEW or not all(is_number(value) for value in distinct):
        return Choice(tuple(distinct))
    low, high = float(distinct[0]), float(distinct[-1])
    log = is_logarithmic(name, np.array([low, high]))
    if all(float(value).is_integer() for value in distinct):
        return Integer(int(low), int(high), "log" if log else "linear")
    return LogUniform(low, high) if log else Uniform(low, high)


def _places(domain: Domain, values: list[Value]) -> FloatArray:
    """Return where values lie, [n, 1], or [n, number of choices] of choices without an order."""
    if isinstance(domain, Choice):
        places = np.array([domain.values.index(value) for value in values], dtype=float)
        if all(is_number(value) for value in domain.values):
            return places[:, None] / max(1, len(domain.values) - 1)
        return (places[:, None] == np.arange(len(domain.values))) / np.sqrt(2.0)
    scale = np.log if domain.scale == "log" else np.asarray
    low, high, at = scale(float(domain.low)), scale(float(domain.high)), scale(np.array(values, dtype=float))
    return np.asarray((at - low) / (high - low))[:, None]
