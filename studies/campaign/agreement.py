"""Whether ranks hold: on a second task, and after more epochs."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.rank_settling import LEAST_CURVES
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.scoring import Scores, bootstrap, top_recall
from studies.campaign.data import costs, one_each
from studies.campaign.settling import agreement


def second_task(
    curves: LearningCurves, second: LearningCurves, top: int, draws: int, seed: int
) -> dict[str, Any] | None:
    """Return how the final ranks of the same configurations agree between two tasks.

    Returns
    -------
    dict or None
        `configurations` that both have, see `compare_ranks`; None if there are fewer than three.
    """
    ours, theirs = one_each(curves), one_each(second)
    shared, here, there = np.intersect1d(ours.groups, theirs.groups, return_indices=True)
    if len(shared) < LEAST_CURVES:
        return None
    return compare_ranks(costs(theirs)[there, -1], costs(ours)[here, -1], top, draws, seed)


def longer_training(longer: LearningCurves, epochs: int, draws: int, seed: int) -> dict[str, Any] | None:
    """Return how ranks after so many epochs agree with those at the end of longer trainings.

    None if there are fewer than three complete curves, or none is longer.
    """
    used = one_each(longer)
    if len(used) < LEAST_CURVES or used.n_epochs <= epochs:
        return None
    values = costs(used)
    found = compare_ranks(values[:, epochs - 1], values[:, -1], max(1, len(used) // 4), draws, seed)
    return {**found, "epochs": epochs, "n_epochs": used.n_epochs}


def compare_ranks(before: FloatArray, after: FloatArray, top: int, draws: int, seed: int) -> dict[str, Any]:
    """Return the rank correlation and the recall of the best, with intervals over configurations.

    Returns
    -------
    dict
        `configurations`, `top`, `chance` (expected recall of a random order), `before` and `after` (the
        values), `spearman` and `top_recall`, each mean, std, low and high.
    """
    top = max(1, min(top, len(before) // 2))

    def scores(rows: IntArray) -> Scores:
        return {
            "spearman": float(agreement(before[rows, np.newaxis], after[rows])[0]),
            "top_recall": top_recall(after[rows], before[rows], top),
        }

    found = bootstrap(scores, np.arange(len(before)), seed, draws)
    return {
        "configurations": len(before),
        "top": top,
        "chance": top / len(before),
        "before": before.tolist(),
        "after": after.tolist(),
        **found,
    }
