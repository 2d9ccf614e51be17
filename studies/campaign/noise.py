"""Noise between seeds beside the spread of configurations, the null network, and what quality costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.describe import describe_curves
from mlpf_hpo.curves.rank_settling import LEAST_CURVES
from mlpf_hpo.curves.repeats import copied, deviations_within
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.scoring import Scores, bootstrap
from studies.campaign.data import costs, in_logs, one_each
from studies.campaign.settling import agreement


def noise_by_learning_rate(curves: LearningCurves, name: str, draws: int, seed: int) -> dict[str, Any] | None:
    """Return the noise between trainings of a configuration, and whether it grows with the learning rate.

    Returns
    -------
    dict or None
        `configurations` with repeats, `learning_rate` and `deviation` of each, the rank correlation of both
        with its interval over configurations (`spearman`), pooled deviations of the lower and of the upper
        half of the learning rates (`lower_half`, `upper_half`), and `to_spread`, see `describe_curves`. None
        where fewer than three configurations have repeats, or there is no such hyperparameter.
    """
    complete = curves.select(curves.complete & ~copied(curves))
    if name not in complete.hyperparameters:
        return None
    deviations, sizes = deviations_within(in_logs(complete)[:, -1], complete.groups)
    repeated = sizes > 1
    names, member = np.unique(complete.groups[repeated], return_inverse=True)
    if len(names) < LEAST_CURVES:
        return None
    squares = np.bincount(member, deviations[repeated] ** 2)
    variance = squares / (np.bincount(member) - 1)
    rates = complete.configs[name].to_numpy(dtype=float)[repeated]
    rate = np.bincount(member, rates) / np.bincount(member)

    def scores(rows: IntArray) -> Scores:
        low = rate[rows] <= np.median(rate)
        return {
            "spearman": float(agreement(variance[rows, np.newaxis], rate[rows])[0]),
            "lower_half": _root_mean(variance[rows][low]),
            "upper_half": _root_mean(variance[rows][~low]),
        }

    return {
        "configurations": len(names),
        "learning_rate": rate.tolist(),
        "deviation": np.sqrt(variance).tolist(),
        **bootstrap(scores, names, seed, draws),
        "to_spread": describe_curves(curves)["noise_to_spread"],
    }


def null_network(
    curves: LearningCurves, layers: Sequence[str], draws: int, seed: int
) -> dict[str, Any] | None:
    """Return how configurations without any layer do beside the others.

    Returns
    -------
    dict or None
        `configurations` and `null_configurations`; final values of the null networks (`null`) and of the
        others (`others`); `better`, the probability that one of the others is better than a null network,
        with its interval. None where there are fewer than three of either, or no such hyperparameters.
    """
    used = one_each(curves)
    if not layers or not set(layers) <= set(used.hyperparameters):
        return None
    null = (used.configs[list(layers)].to_numpy(dtype=float) == 0).all(axis=1)
    final = costs(used)[:, -1]
    if min(null.sum(), (~null).sum()) < LEAST_CURVES:
        return None

    def scores(rows: IntArray) -> Scores:
        others, nulls = final[rows][~null[rows]], final[rows][null[rows]]
        if not len(others) or not len(nulls):
            return {"better": 0.5}
        lower = others[:, np.newaxis] < nulls
        equal = others[:, np.newaxis] == nulls
        return {"better": float(lower.mean() + equal.mean() / 2)}

    values = used.final
    return {
        "configurations": len(used),
        "null_configurations": int(null.sum()),
        "null": values[null].tolist(),
        "others": values[~null].tolist(),
        **bootstrap(scores, used.groups, seed, draws),
    }


def cost_against_quality(curves: LearningCurves, metric: str, draws: int, seed: int) -> dict[str, Any] | None:
    """Return what each configuration costs beside its final value, and which are on the frontier.

    Returns
    -------
    dict or None
        `configurations`, `cost` and `final` of each, `frontier` (positions of those that nothing cheaper is
        as good as, cheapest first), and their rank correlation with its interval (`spearman`). None if the
        table has no such metric, or fewer than three configurations.
    """
    used = one_each(curves)
    if metric not in used.metrics or len(used) < LEAST_CURVES:
        return None
    cost, final = used.metrics[metric][:, -1], costs(used)[:, -1]
    order = np.lexsort((final, cost))
    best = np.minimum.accumulate(final[order])
    frontier = [int(row) for i, row in enumerate(order) if i == 0 or final[row] < best[i - 1]]

    def scores(rows: IntArray) -> Scores:
        return {"spearman": float(agreement(cost[rows, np.newaxis], final[rows])[0])}

    return {
        "configurations": len(used),
        "cost": cost.tolist(),
        "final": used.final.tolist(),
        "frontier": frontier,
        **bootstrap(scores, used.groups, seed, draws),
    }


def _root_mean(variances: FloatArray) -> float:
    return float(np.sqrt(variances.mean())) if len(variances) else 0.0
