"""How fast ranks settle, with intervals over configurations, and how far another seed's ranks agree."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.rank_settling import LEAST_CURVES, rank_correlations, rank_settling
from mlpf_hpo.curves.repeats import copied
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.scoring import Scores, bootstrap, top_recall
from studies.campaign.data import costs, one_each

Band = dict[str, list[float]]
"""mean, low and high after each epoch."""


def ranks_settling(curves: LearningCurves, top: int, draws: int, seed: int) -> dict[str, Any] | None:
    """Return how ranks after each epoch agree with the last; None with too few complete curves.

    Every configuration counts with its first training. Intervals are those of other configurations: they are
    drawn again with replacement.

    Returns
    -------
    dict
        `curves`, `top`, `epochs` (1 to T - 1), `spearman` and `top_recall` (mean, low, high of each epoch),
        `reversed_pairs` and `crossing_pairs`, see `rank_settling`; `across_seeds`, see below.
    """
    used = one_each(curves)
    settled = rank_settling(used)
    if settled is None:
        return None
    values, top = costs(used), min(top, len(used) // 2)

    def scores(rows: IntArray) -> Scores:
        taken = values[rows]
        recall = [top_recall(taken[:, -1], now, top) for now in taken.T[:-1]]
        return _named(spearman=agreement(taken, taken[:, -1])[:-1], top_recall=recall)

    found = bootstrap(scores, used.groups, seed, draws)
    return {
        **settled.to_dict(),
        "top": top,
        "spearman": _band(found, "spearman"),
        "top_recall": _band(found, "top_recall"),
        "across_seeds": ranks_across_seeds(curves, draws, seed),
    }


def ranks_across_seeds(curves: LearningCurves, draws: int, seed: int) -> dict[str, Any] | None:
    """Return how ranks after each epoch agree with the final ranks of trainings with other seeds.

    The value after the last epoch is the ceiling: what ranks configurations better than another training of
    them knows the noise. Means over all ordered pairs of seeds; intervals are over configurations.

    Returns
    -------
    dict or None
        `configurations`, `seeds`, `spearman` (mean, low, high of epochs 1 to T); None where fewer than three
        configurations have a repeat.
    """
    complete = curves.select(curves.complete & ~copied(curves))
    names, member, sizes = np.unique(complete.groups, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(sizes > 1)
    if len(repeated) < LEAST_CURVES:
        return None
    seeds = int(sizes[repeated].min())
    of_all = costs(complete)
    values = np.stack([of_all[member == one][:seeds] for one in repeated])

    def scores(rows: IntArray) -> Scores:
        taken = values[rows]
        pairs = [agreement(taken[:, a], taken[:, b, -1]) for a, b in permutations(range(seeds), 2)]
        return _named(spearman=np.mean(pairs, axis=0))

    return {
        "configurations": len(repeated),
        "seeds": seeds,
        "spearman": _band(bootstrap(scores, names[repeated], seed, draws), "spearman"),
    }


def agreement(values: FloatArray, last: FloatArray) -> FloatArray:
    """Return the rank correlation of each column of `values` with `last`; 0 where either is constant."""
    return np.nan_to_num(rank_correlations(values, last), nan=0.0)


def _named(**columns: Any) -> Scores:
    return {f"{name}/{i}": float(value) for name, values in columns.items() for i, value in enumerate(values)}


def _band(found: dict[str, dict[str, float]], name: str) -> Band:
    each = [scores for key, scores in found.items() if key.startswith(f"{name}/")]
    return {bound: [scores[bound] for scores in each] for bound in ("mean", "low", "high")}
