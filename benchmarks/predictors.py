"""The predictor that is selected within the training rows, beside persistence, on the published curves.

``python -m benchmarks.predictors [--quick] [--json FILE]``; `MLPF_HPO_REFERENCE_DIR` names the folder of the
published curves. For three sets of rows, 20 and 80 training curves, and shares seen of 2, 10, 25 and 50 %:
selected minus persistence on the same splits, with the 95 % interval of the mean.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.command import command
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.files import write_json
from mlpf_hpo.hardware.host import usable_cpus
from mlpf_hpo.predictors.criteria import PERSISTENCE, SELECTED
from mlpf_hpo.predictors.nested_cv import known_epochs_at
from mlpf_hpo.predictors.repeated_splits import evaluate
from mlpf_hpo.predictors.settings import PredictorsParams
from studies.published.data import PublishedCurves, reference_folder

CANDIDATES = ("persistence", "drift", "ridge", "halfway_ridge", "cautious_svr", "cautious_trees")
INNER_FOLDS = 5
ROW_SETS = ("all", "distinct", "clean")
METRICS = ("r2_loss", "spearman", "top_recall")
SHARES = (0.02, 0.10, 0.25, 0.50)
TRAIN = (20, 80)
PRIOR_TRAIN = 53
SPLITS, QUICK_SPLITS = 100, 2
SEED = 1


def row_sets() -> dict[str, LearningCurves]:
    """Return the published curves: all, one row per configuration, and those of them without a restart."""
    curves = PublishedCurves.load(reference_folder()).curves
    distinct = ~curves.duplicated
    found = (curves, curves.select(distinct), curves.select(distinct & curves.complete))
    return dict(zip(ROW_SETS, found, strict=True))


def compare(curves: LearningCurves, train: int, share: float, splits: int) -> dict[str, Any]:
    """Return selected minus persistence for one set of rows, and what was selected."""
    params = PredictorsParams(candidates=CANDIDATES, inner_folds=INNER_FOLDS)
    known, begin = known_epochs_at(share, curves.n_epochs), time.perf_counter()
    names, jobs = [PERSISTENCE, SELECTED], usable_cpus()
    found = evaluate(curves, names, known, train, splits, params, SEED, jobs=jobs)
    return {
        "selected_minus_persistence": {name: found.over_persistence(SELECTED, name) for name in METRICS},
        "coverage": float(np.mean(found.scores[SELECTED]["coverage"])),
        "chosen": dict(Counter(found.chosen)),
        "seconds": time.perf_counter() - begin,
    }


def prior(curves: LearningCurves, splits: int) -> dict[str, float]:
    """Return the rank correlation from hyperparameters alone, before the first epoch."""
    names, params = ["gaussian_process"], PredictorsParams()
    found = evaluate(curves, names, 0, PRIOR_TRAIN, splits, params, SEED, jobs=usable_cpus())
    return found.summary()["gaussian_process"]["spearman"] | {"train": PRIOR_TRAIN}


def compare_sets(
    sets: Mapping[str, LearningCurves], train: Sequence[int], splits: int
) -> dict[str, dict[str, Any]]:
    """Return the comparisons of every set of rows as set -> nN -> shareS, printing as they are made."""
    found: dict[str, dict[str, Any]] = {name: {} for name in sets}
    width = max(map(len, sets))
    for points in train:
        for share in SHARES:
            for name, curves in sets.items():
                one = compare(curves, points, share, splits)
                found[name].setdefault(f"n{points}", {})[f"share{share:.0%}".rstrip("%")] = one
                told = ", ".join(
                    f"{metric} {d['mean']:+.4f} [{d['low']:+.4f}, {d['high']:+.4f}]"
                    for metric, d in one["selected_minus_persistence"].items()
                )
                print(f"{name:<{width}} n{points} {share:>4.0%}  {told}  {one['seconds']:.0f} s", flush=True)
    return found


def compare_all(quick: bool) -> dict[str, Any]:
    """Run all of it, printing as it goes; `quick` takes two splits and one number of training curves."""
    splits, sets = QUICK_SPLITS if quick else SPLITS, row_sets()
    first = prior(sets["clean"], splits)
    print(f"share 0, clean, {PRIOR_TRAIN} training curves: Spearman {first['mean']:.3f}", flush=True)
    found = compare_sets(sets, TRAIN[:1] if quick else TRAIN, splits)
    return {"splits": splits, "candidates": CANDIDATES, "prior": first, **found}


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    options = command(__doc__, quick="two splits, 20 training curves")
    try:
        found = compare_all(options.quick)
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None
    if options.json is not None:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
