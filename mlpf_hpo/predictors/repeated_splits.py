"""Score predictors over repeated splits of a table of curves, and compare them with persistence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlpf_hpo.array_types import apart_from_zero
from mlpf_hpo.curves.row_order import by_content
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.parallel import parallel
from mlpf_hpo.predictors.criteria import PERSISTENCE, SELECTED, choose, is_choice
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.paired_difference import paired_difference
from mlpf_hpo.predictors.scoring import (
    METRICS,
    REGIONS,
    Scores,
    coverage,
    held_out,
    quantile_space,
    region_scores,
    score,
)
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.seeds import derive_seed


@dataclass
class Evaluation:
    """Scores of predictors, split by split.

    Attributes
    ----------
    known_epochs, n_epochs, train, test : int
        Observed epochs, length of the curves, training curves, and test curves of the smallest split.
    scores : mapping
        Predictor -> metric -> list over splits.
    chosen : list of str
        The predictor that "selected" was, split by split.
    """

    known_epochs: int
    n_epochs: int
    train: int
    test: int = 0
    scores: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    chosen: list[str] = field(default_factory=list)

    def summary(self, seed: int = 0) -> dict[str, dict[str, dict[str, float]]]:
        """Return predictor -> metric -> mean, std, low, high: the 95 % interval of the mean over splits."""
        return {
            name: {metric: _spread(values, seed) for metric, values in found.items()}
            for name, found in self.scores.items()
        }

    def over_persistence(self, name: str, metric: str, seed: int = 0) -> dict[str, float]:
        """Return a predictor's score minus persistence's on the same splits: mean, low, high."""
        return paired_difference(self.scores[name][metric], self.scores[PERSISTENCE][metric], seed)


def evaluate(
    curves: LearningCurves,
    names: Sequence[str],
    known_epochs: int,
    train: int,
    splits: int,
    params: PredictorsParams,
    seed: int,
    progress: Callable[[float, float], Any] | None = None,
    jobs: int = 1,
) -> Evaluation:
    """Score predictors over splits by configuration.

    Parameters
    ----------
    curves : LearningCurves
        Every curve has a last value, see `curves.target_epochs.with_finals`.
    names : sequence of str
        Registered predictors; "selected" stands for the choice among `params.candidates`.
    known_epochs : int
        Number of observed epochs, from 0.
    train, splits : int
        Training curves of a split, and number of splits.
    params : PredictorsParams
        Settings.
    seed : int
        Of splits, folds and regressors.
    progress : callable, optional
        Called with (splits done, splits in all).
    jobs : int
        Processes; changes no score.

    Raises
    ------
    DataError
        If there are too few curves, or nothing to predict.
    """
    _check(curves, known_epochs)
    curves = by_content(curves)
    found = Evaluation(known_epochs, curves.n_epochs, train, test=len(curves))
    found.scores = {name: {metric: [] for metric in (*METRICS, *REGIONS)} for name in names}
    calls = ((curves, names, known_epochs, train, params, seed, split) for split in range(splits))
    results = parallel(_score_split, calls, jobs)
    for done, (tested, chosen, scores) in enumerate(results, start=1):
        found.test = min(found.test, tested)
        found.chosen += chosen
        for name, by_metric in scores.items():
            for metric, value in by_metric.items():
                found.scores[name][metric].append(value)
        if progress is not None:
            progress(done, splits)
    return found


def _score_split(
    curves: LearningCurves,
    names: Sequence[str],
    known_epochs: int,
    train: int,
    params: PredictorsParams,
    seed: int,
    split: int,
) -> tuple[int, list[str], dict[str, Scores]]:
    """Return the number of test curves of a split, the selected predictor, and all scores."""
    frame, seen, y = curves.frame(), curves.frame(known_epochs), curves.final
    rows, test = held_out(curves.groups, train, derive_seed(seed, "split", split))
    to_quantile = quantile_space(y[rows])
    part, groups = frame.iloc[rows], curves.groups[rows]
    chosen: list[str] = []
    scores: dict[str, Scores] = {}
    for name in names:
        used, shrink, predictor = name, False, None
        if name == SELECTED:
            shrink = is_choice(params.candidates)
            inner = derive_seed(seed, "inner", split)
            choice = choose(part, seen.iloc[rows], y[rows], groups, known_epochs, params, inner, curves.mode)
            used, predictor = choice.winner, choice.fitted.get(choice.winner)
            chosen.append(used)
        if predictor is None:
            predictor = make_predictor(
                *(used, params, derive_seed(seed, used, split), [known_epochs]),
                shrink=shrink,
                mode=curves.mode,
            ).fit(part, y[rows], groups)
        prediction = predictor.predict_interval(seen.iloc[test])
        points = score(
            y[test], prediction.mean, to_quantile(y[test]), to_quantile(prediction.mean), curves.mode
        )
        last = curves.values[test, known_epochs - 1] if known_epochs else None
        regions = region_scores(y[test], prediction, last, curves.mode)
        scores[name] = {**points, "coverage": coverage(y[test], prediction), **regions}
    return len(test), chosen, scores


def _check(curves: LearningCurves, known_epochs: int) -> None:
    """Raise DataError for curves that no predictor can be scored on."""
    if known_epochs >= curves.n_epochs:
        raise DataError(
            f"{known_epochs} epochs seen of curves that have {curves.n_epochs}: nothing is left to predict"
        )
    final = apart_from_zero(curves.final)
    if len(final) and np.ptp(final) == 0:
        near = "" if np.ptp(curves.final) == 0 else " or nearer to 0"
        raise DataError(
            f"{curves.source}: all final values are {final[0]:g}{near}: there is nothing to learn or to rank"
        )


def _spread(values: Sequence[float], seed: int) -> dict[str, float]:
    found = paired_difference(values, np.zeros(len(values)).tolist(), seed)
    unit = max(1.0, float(np.abs(values).max()))  # squares may be infinite
    std = unit * float(np.std(np.asarray(values) / unit))
    return {"mean": found["mean"], "std": std, "low": found["low"], "high": found["high"]}
