"""The predictor that is selected on a table of curves, share by share: what is gained, and what is covered.

Used by `benchmarks.predictors` and `benchmarks.other_tasks`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.prior_rivals import RANKINGS, rivals
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.hardware.host import usable_cpus
from mlpf_hpo.predictors.criteria import PERSISTENCE, SELECTED
from mlpf_hpo.predictors.nested_cv import known_epochs_at
from mlpf_hpo.predictors.paired_difference import paired_difference
from mlpf_hpo.predictors.repeated_splits import Evaluation, evaluate
from mlpf_hpo.predictors.settings import PredictorsParams

CANDIDATES = ("persistence", "drift", "stacked")
INNER_FOLDS = 5
METRICS = ("r2_loss", "spearman", "top_recall")
SHARES = (0.0, 0.02, 0.10, 0.25, 0.50)
TRAIN = (20, 80)
SEED = 1
COVERED = {
    "all": "coverage",
    "best_third": "coverage_best_third",
    "best_twentieth": "coverage_best_twentieth",
}
LEAST_COVERAGE = 0.8

Numbers = dict[str, Any]


def compare_sets(
    sets: Mapping[str, LearningCurves], train: Sequence[int], splits: int
) -> dict[str, dict[str, Numbers]]:
    """Return the comparisons of every table as table -> nN -> shareS, printing as they are made."""
    found: dict[str, dict[str, Numbers]] = {name: {} for name in sets}
    for name, curves in sets.items():
        for points in train:
            found[name][f"n{points}"] = {}
            nothing_seen: Evaluation | None = None
            for share in SHARES:
                one, evaluation = compare(curves, points, share, splits, nothing_seen)
                nothing_seen = nothing_seen or evaluation
                found[name][f"n{points}"][f"share{share:.0%}".rstrip("%")] = one
                print(f"{name} n{points} {share:.0%}: {_line(one)}", flush=True)
    return found


def compare(
    curves: LearningCurves, train: int, share: float, splits: int, nothing_seen: Evaluation | None
) -> tuple[Numbers, Evaluation]:
    """Return the numbers of one cell, and its scores split by split.

    Parameters
    ----------
    curves : LearningCurves
    train, splits : int
        Training curves of a split, and number of splits.
    share : float
        Of the curve that is seen.
    nothing_seen : Evaluation or None
        On the same splits at share 0; None at share 0 itself.
    """
    params = PredictorsParams(candidates=CANDIDATES, inner_folds=INNER_FOLDS)
    known, begin = known_epochs_at(share, curves.n_epochs), time.perf_counter()
    names, jobs = [PERSISTENCE, SELECTED], usable_cpus()
    found = evaluate(curves, names, known, train, splits, params, SEED, jobs=jobs)
    ours = found.scores[SELECTED]
    numbers: Numbers = {"selected": {metric: float(np.mean(ours[metric])) for metric in METRICS}}
    if nothing_seen is None:
        numbers["selected_minus_best"] = _minus_best(curves, train, splits, ours)
    else:
        before = nothing_seen.scores[SELECTED]
        numbers["selected_minus_share0"] = {
            metric: paired_difference(ours[metric], before[metric], SEED) for metric in RANKINGS
        }
        numbers["selected_minus_persistence"] = {
            metric: found.over_persistence(SELECTED, metric) for metric in METRICS
        }
    numbers["coverage"] = {
        region: {
            "mean": float(np.mean(ours[key])),
            "below_80": float(np.mean(np.array(ours[key]) < LEAST_COVERAGE)),
        }
        for region, key in COVERED.items()
    }
    numbers["chosen"] = dict(Counter(found.chosen))
    numbers["per_split"] = {metric: ours[metric] for metric in (*METRICS, *COVERED.values())}
    numbers["seconds"] = time.perf_counter() - begin
    return numbers, found


def _minus_best(curves: LearningCurves, train: int, splits: int, ours: Mapping[str, list[float]]) -> Numbers:
    """Return selected minus the rival that is best on this table, chosen with hindsight, by metric."""
    theirs = rivals(curves, train, splits, SEED)
    found = {}
    for metric in RANKINGS:
        best = max(theirs, key=lambda name: float(np.mean(theirs[name][metric])))
        found[metric] = {**paired_difference(ours[metric], theirs[best][metric], SEED), "best": best}
    return found


def _line(one: Numbers) -> str:
    told = []
    for key in ("selected_minus_best", "selected_minus_share0", "selected_minus_persistence"):
        for metric, d in one.get(key, {}).items():
            label = key.removeprefix("selected_minus_")
            told.append(f"{metric} - {label} {d['mean']:+.4f} [{d['low']:+.4f}, {d['high']:+.4f}]")
    covered = " ".join(f"{region} {c['mean']:.2f}" for region, c in one["coverage"].items())
    return f"{', '.join(told)}; covered {covered}; {one['seconds']:.0f} s"
