"""The predictor that is selected within the training rows, beside persistence, on the published curves.

``python -m benchmarks.predictors [--quick] [--json FILE]``; `MLPF_HPO_REFERENCE_DIR` names the folder of the
published curves. For three sets of rows, 20 and 80 training curves, and shares seen of 2, 10, 25 and 50 %:
selected minus persistence on the same splits, with the 95 % interval of the mean.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.config import PredictorsParams
from mlpf_hpo.curves.csv_table import import_csv
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.files import write_json
from mlpf_hpo.predictors.evaluation import REFERENCE, SELECTED, evaluate
from mlpf_hpo.predictors.selection import known_epochs_at
from mlpf_hpo.space import TABLE_1

CANDIDATES = ("persistence", "drift", "ridge", "cautious_svr", "cautious_trees")
INNER_FOLDS = 5
METRICS = ("r2_loss", "spearman", "top_recall")
SHARES = (0.02, 0.10, 0.25, 0.50)
TRAIN = (20, 80)
PRIOR_TRAIN = 53
SPLITS, QUICK_SPLITS = 100, 2
SEED = 1


def row_sets() -> dict[str, LearningCurves]:
    """Return the published curves: all, one row per configuration, and those of them without a restart."""
    path = Path(os.environ["MLPF_HPO_REFERENCE_DIR"], "mlpf_learning_curves.csv")
    curves = import_csv(path, hyperparameters=TABLE_1.names, loss_prefix="loss_", name="published")
    distinct = ~curves.duplicated
    return {
        "all": curves,
        "distinct": curves.select(distinct),
        "clean": curves.select(distinct & curves.complete),
    }


def compare(curves: LearningCurves, train: int, share: float, splits: int) -> dict[str, Any]:
    """Return selected minus persistence for one set of rows, and what was selected."""
    params = PredictorsParams(candidates=CANDIDATES, inner_folds=INNER_FOLDS)
    known, begin = known_epochs_at(share, curves.n_epochs), time.perf_counter()
    found = evaluate(curves, [REFERENCE, SELECTED], known, train, splits, params, SEED)
    return {
        "selected_minus_persistence": {name: found.over_persistence(SELECTED, name) for name in METRICS},
        "coverage": float(np.mean(found.scores[SELECTED]["coverage"])),
        "chosen": dict(Counter(found.chosen)),
        "seconds": time.perf_counter() - begin,
    }


def prior(curves: LearningCurves, splits: int) -> dict[str, float]:
    """Return the rank correlation from hyperparameters alone, before the first epoch."""
    found = evaluate(curves, ["gaussian_process"], 0, PRIOR_TRAIN, splits, PredictorsParams(), SEED)
    return found.summary()["gaussian_process"]["spearman"]


def main(quick: bool) -> dict[str, Any]:
    """Run all of it, printing as it goes; `quick` takes two splits and one number of training curves."""
    splits, sets = QUICK_SPLITS if quick else SPLITS, row_sets()
    found: dict[str, Any] = {name: {} for name in sets}
    found["prior"] = prior(sets["clean"], splits)
    print(f"share 0, clean, {PRIOR_TRAIN} training curves: Spearman {found['prior']['mean']:.3f}", flush=True)
    for train in TRAIN[:1] if quick else TRAIN:
        for share in SHARES:
            for name, curves in sets.items():
                one = compare(curves, train, share, splits)
                found[name].setdefault(f"n{train}", {})[f"share{share:.0%}".rstrip("%")] = one
                told = ", ".join(
                    f"{metric} {d['mean']:+.4f} [{d['low']:+.4f}, {d['high']:+.4f}]"
                    for metric, d in one["selected_minus_persistence"].items()
                )
                print(f"{name:<8} n{train} {share:>4.0%}  {told}  {one['seconds']:.0f} s", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two splits, 20 training curves")
    parser.add_argument("--json", type=Path, help="keep the numbers")
    parsed = parser.parse_args()
    if "MLPF_HPO_REFERENCE_DIR" not in os.environ:
        sys.exit("MLPF_HPO_REFERENCE_DIR is not set: it names the folder of mlpf_learning_curves.csv")
    result = main(parsed.quick)
    if parsed.json:
        write_json(parsed.json, result)
