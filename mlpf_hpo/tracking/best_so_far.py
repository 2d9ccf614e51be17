"""The best value so far against the epochs spent: how fast a search finds a good trial.

An average over the trials that still run measures something else: a scheduler that stops more looks better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from mlpf_hpo.search.trial_summary import TrialSummary, has_network
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.epoch_metrics import SEARCH


class Point(NamedTuple):
    """A value of a series; the moment in ms since 1970."""

    step: int
    value: float
    moment_ms: int


def series(target: TargetMetric) -> str:
    """Return the metric of a search's parent run that holds the best value so far; its step: epochs spent.

    Examples
    --------
    >>> series(TargetMetric("val/loss", "min"))
    'search/best_loss'
    """
    return f"{SEARCH}best_{target.metric.rpartition('/')[2]}"


def improvements(trials: Iterable[TrialSummary], target: TargetMetric) -> list[Point]:
    """Return where the best value of all trials together improved, and the last epoch.

    Epochs are put in the order in which they ended, by the timestamps on record. Those of a trial whose
    network is not there at the end are spent as well, but its values are never the best: the last point is
    the value of the best trial.

    Returns
    -------
    list of Point
        The step is the number of epochs spent by then; empty where no value is finite.
    """
    ended = sorted(
        (moment, target.cost(value) if has_network(trial.status) else math.inf)
        for trial in trials
        for moment, value in zip(trial.timestamps, trial.metrics.get(target.metric, ()), strict=False)
    )
    best = math.inf
    points: list[Point] = []
    for spent, (moment, cost) in enumerate(ended, start=1):
        improved = math.isfinite(cost) and cost < best
        best = cost if improved else best
        if improved or (points and spent == len(ended)):
            points.append(Point(spent, target.cost(best), round(1000 * moment)))
    return points


def staircase(points: Iterable[Point]) -> list[Point]:
    """Add the epoch before each improvement: what draws straight lines between points then draws steps.

    Examples
    --------
    >>> [(p.step, p.value) for p in staircase([Point(1, 9.0, 0), Point(5, 7.0, 40), Point(6, 7.0, 50)])]
    [(1, 9.0), (4, 9.0), (5, 7.0), (6, 7.0)]
    """
    out: list[Point] = []
    for point in points:
        if out and point.step - 1 > out[-1].step and point.value != out[-1].value:
            out.append(Point(point.step - 1, out[-1].value, point.moment_ms - 1))
        out.append(point)
    return out
