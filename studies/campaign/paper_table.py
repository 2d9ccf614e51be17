"""Table 2 in the paper's manner on other curves: fixed methods, 20 or 80 training rows, many splits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.criteria import PERSISTENCE
from mlpf_hpo.predictors.nested_cv import known_epochs_at
from mlpf_hpo.predictors.scoring import quantile_space
from studies.campaign.data import one_each
from studies.campaign.params import Table2Params
from studies.published.corrected_protocol import SIZES, predicted_split, scores_of_splits
from studies.published.methods import Method, methods
from studies.published.params import PublishedParams

PLACE = ("campaign", "table 2")
KEPT = ("r2_quantile", "spearman")
"""Scores that are kept of every split."""

Progress = Callable[[float, float], Any]


def paper_table(
    curves: LearningCurves, share: float, params: Table2Params, seed: int, progress: Progress | None = None
) -> dict[str, Any]:
    """Return the scores of the paper's methods over splits by configuration, without the paper's leaks.

    Every configuration counts with its first complete training; half of them are tested on.

    Parameters
    ----------
    curves : LearningCurves
        All of a table: the methods are fixed, nothing is chosen by their scores.
    share : float
        Observed share of the epochs.
    params : Table2Params
        Numbers of splits, and the sampler's settings.
    seed : int
        Of splits and samplers.
    progress : callable, optional
        Called with (methods done, methods in all).

    Returns
    -------
    dict
        `curves`, `known_epochs`, `n_epochs`; `single` and `ensemble`: method -> label, splits, scores (score
        -> list over splits), null where half of the configurations are fewer than the training rows;
        `examples`: true and predicted quantiles of the first split.
    """
    used = one_each(curves)
    known = max(1, known_epochs_at(share, used.n_epochs))
    plan = _plan(params)
    found: dict[str, Any] = {"curves": len(used), "known_epochs": known, "n_epochs": used.n_epochs}
    found["examples"] = {}
    done = 0
    for size, rows in SIZES.items():
        if len(used) // 2 < rows:
            found[size] = None
            continue
        found[size] = {}
        for name, (method, splits) in plan[size].items():
            arguments = used.groups, used.values[:, :known], used.final, method, size
            scores = scores_of_splits(*arguments, range(splits), seed, PLACE)
            found[size][name] = {
                "label": "persistence (last loss seen)" if method is None else method.label,
                "splits": splits,
                "scores": {metric: scores[metric] for metric in KEPT},
            }
            train, test, predicted = predicted_split(*arguments, 0, seed, PLACE)
            to_quantile = quantile_space(used.final[train])
            example = found["examples"].setdefault(size, {"true": to_quantile(used.final[test]).tolist()})
            example[name] = to_quantile(np.asarray(predicted)).tolist()
            done += 1
            if progress is not None:
                progress(done, sum(map(len, plan.values())))
    return found


def _plan(params: Table2Params) -> dict[str, dict[str, tuple[Method | None, int]]]:
    """Return method and number of splits, by size and name."""
    of = methods(PublishedParams(reads=params.reads, sweeps=params.sweeps))
    sampled = ("annealing", "random_bits")
    return {
        "single": {
            PERSISTENCE: (None, params.svr_splits),
            "svr": (of["svr"], params.svr_splits),
            **{name: (of[name], params.qsvr_splits) for name in sampled},
        },
        "ensemble": {
            PERSISTENCE: (None, params.ensemble_splits),
            **{name: (of[name], params.ensemble_splits) for name in sampled},
        },
    }
