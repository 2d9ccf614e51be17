"""Whether predictors chosen by replayed searches save epochs, and whether other criteria choose as well.

``python -m benchmarks.criterion [--quick] [--json FILE] [--splits N] [--table NAME[=FILE[:PREFIX[:MODE]]]]...
[--split [NAME=]FILE]...``; tables and splits as for `benchmarks.schedulers`, by default the published curves,
clean rows (`MLPF_HPO_REFERENCE_DIR`). Only the design part is used. In each of the splits by configuration a
predictor is chosen on the training curves by each criterion; every candidate is then fitted on all of them,
and the other curves are searched with it: epochs over those of promotion by last values, at equal regret.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.schedulers import read_tables
from benchmarks.tables import MLPF
from mlpf_hpo.array_types import IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, MlpfHpoError
from mlpf_hpo.files import write_json
from mlpf_hpo.predictors.criteria import CRITERIA, choose_by_predictions, out_of_fold
from mlpf_hpo.predictors.nested_cv import known_epochs_at
from mlpf_hpo.predictors.paired_difference import paired_difference
from mlpf_hpo.predictors.scoring import grouped_folds, held_out
from mlpf_hpo.predictors.search_criterion import (
    SEARCH,
    candidate_makers,
    choose_by_search,
    replay_predictors,
)
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.search.predicted_searches import PromotionReplay
from mlpf_hpo.seeds import derive_seed

SPLITS, QUICK_SPLITS = 10, 2
TRAIN, TRAIN_SHARE = 48, 0.6
"""Training curves of a split: as many as the pipeline has, and at most that share of a table."""

SEARCHED = 80
OLD = tuple(CRITERIA)
SEED = 1


def measure(curves: LearningCurves, splits: int, params: PredictorsParams) -> dict[str, Any]:
    """Return what each criterion chooses on a table, and the epochs that are taken with it."""
    train = min(TRAIN, int(TRAIN_SHARE * len(curves)))
    found = []
    for split in range(splits):
        begin = time.process_time()
        found.append(_measure_split(curves, train, params, derive_seed(SEED, "split", split)))
        one = found[-1]
        print(
            f"  split {split}: {one['chosen']}, by {one['decided_by']}; {time.process_time() - begin:.0f} s",
            flush=True,
        )
    return {
        "train": train,
        "searched": found[0]["searched"],
        "criteria": {name: _summary(name, found) for name in (SEARCH, *OLD)},
        "candidates": {
            name: _ratio([one["logarithms"][name] for one in found]) for name in params.candidates
        },
        "hindsight": _ratio([min(one["logarithms"].values()) for one in found]),
        "decided_by_search": float(np.mean([one["decided_by"] == SEARCH for one in found])),
        "per_split": found,
    }


def _measure_split(curves: LearningCurves, train: int, params: PredictorsParams, seed: int) -> dict[str, Any]:
    """Return the choices of one split, and the logarithm of each candidate's ratio of epochs."""
    rows, test = held_out(curves.groups, train, seed)
    test = np.random.default_rng(seed).permutation(test)[:SEARCHED]
    learnt, replay = curves.select(rows), PromotionReplay()
    by_search = choose_by_search(learnt, params, seed, replay)
    assert by_search.search is not None
    known = known_epochs_at(params.known_fraction, curves.n_epochs)
    chosen = {SEARCH: by_search.winner}
    y, groups = learnt.final, learnt.groups
    folds = list(grouped_folds(groups, params.inner_folds, seed))
    predicted = {
        name: out_of_fold(partial(make, [known]), learnt.frame(), learnt.frame(known), y, groups, folds)
        for name, make in candidate_makers(params, seed, curves.mode).items()
    }
    for criterion in OLD:
        chosen[criterion] = choose_by_predictions(predicted, y, groups, criterion, curves.mode).winner
    return {
        "chosen": chosen,
        "decided_by": by_search.search.decided_by,
        "logarithms": _logarithms(curves, rows, test, params, seed),
        "searched": len(test),
    }


def _logarithms(
    curves: LearningCurves, rows: IntArray, test: IntArray, params: PredictorsParams, seed: int
) -> dict[str, float]:
    """Return the logarithm of each candidate's ratio of epochs: fitted on `rows`, searched are others."""
    make = candidate_makers(params, seed, curves.mode)
    _, epochs = replay_predictors(make, curves, [(rows, test)], PromotionReplay(), derive_seed(seed, "fresh"))
    return {name: float(np.log(epochs.ratio(name)["mean"])) for name in make}


def _summary(criterion: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the epochs with the predictors that a criterion chose, and how those of `search` compare."""
    theirs = [one["logarithms"][one["chosen"][criterion]] for one in found]
    ours = [one["logarithms"][one["chosen"][SEARCH]] for one in found]
    return {
        "ratio": _ratio(theirs),
        "search_over_this": _ratio(ours, theirs),
        "chosen": dict(Counter(one["chosen"][criterion] for one in found)),
    }


def _ratio(ours: list[float], theirs: list[float] | None = None) -> dict[str, float]:
    """Return a ratio from logarithms, over 1 or over the others' in pairs."""
    difference = paired_difference(ours, theirs or [0.0] * len(ours), SEED)
    return {end: float(np.exp(difference[end])) for end in ("mean", "low", "high")}


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SPLITS} splits")
    parser.add_argument("--splits", type=int, default=SPLITS, help="random splits by configuration")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--table", action="append", default=[], metavar="TABLE", help="repeatable")
    parser.add_argument("--split", action="append", default=[], metavar="[NAME=]FILE", help="repeatable")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    options = arguments()
    splits = QUICK_SPLITS if options.quick else options.splits
    params = PredictorsParams()
    try:
        if splits < 1:
            raise ConfigurationError(f"--splits {splits}: at least 1")
        found: dict[str, Any] = {"splits": splits, "candidates": params.candidates, "tables": {}}
        for name, table in read_tables(options.table or [MLPF], options.split).items():
            print(f"{name}:", flush=True)
            design = table.design
            found["tables"][name] = measure(design.select(design.complete), splits, params)
            for criterion, one in found["tables"][name]["criteria"].items():
                print(f"  {criterion}: {one['ratio']}, {one['chosen']}", flush=True)
            if options.json is not None:
                write_json(options.json, found)
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
