"""Scores of predictors on the design half, and once of the selected one on the final half."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.criteria import PERSISTENCE, SELECTED, choose, is_choice
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.predictors.nested_cv import known_epochs_at
from mlpf_hpo.predictors.repeated_splits import evaluate
from mlpf_hpo.predictors.scoring import Scores, bootstrap, coverage, quantile_space, region_scores, score
from mlpf_hpo.predictors.settings import REGRESSOR_NAMES
from mlpf_hpo.seeds import derive_seed
from studies.campaign.params import PredictorScoresParams

KEPT = ("spearman", "top_recall", "r2_quantile", "log_mae", "coverage", "coverage_best_tenth")
"""Scores that are kept."""

Progress = Callable[[float, float], Any]


def design_scores(
    design: LearningCurves,
    params: PredictorScoresParams,
    seed: int,
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the scores of every predictor at every share, over splits of the design half.

    Returns
    -------
    dict
        `curves`, `n_epochs`, `train`, `coverage` (nominal), and `shares`: for each `share`, `known_epochs`,
        `test`, `scores` (predictor -> score -> mean, std, low, high), `over_persistence` (Spearman, paired:
        mean, low, high) and `chosen` (predictor -> in how many splits "selected" was it).
    """
    used = design.select(design.complete)
    names = (*(params.names or REGRESSOR_NAMES), SELECTED)
    settings, shares = params.settings, []
    for done, share in enumerate(params.shares, start=1):
        known = known_epochs_at(share, used.n_epochs)
        run = (used, names, known, params.train, params.splits, settings, derive_seed(seed, "splits"))
        found = evaluate(*run, jobs=jobs)
        summary = found.summary()
        shares.append(
            {
                "share": share,
                "known_epochs": known,
                "test": found.test,
                "scores": {name: {key: summary[name][key] for key in KEPT} for name in names},
                "over_persistence": {name: found.over_persistence(name, "spearman") for name in names},
                "chosen": dict(Counter(found.chosen)),
            }
        )
        if progress is not None:
            progress(done, len(params.shares))
    return {
        "curves": len(used),
        "n_epochs": used.n_epochs,
        "train": params.train,
        "splits": params.splits,
        "coverage": settings.coverage,
        "shares": shares,
    }


def final_scores(
    design: LearningCurves, final: LearningCurves, params: PredictorScoresParams, draws: int, seed: int
) -> dict[str, Any]:
    """Return the scores on the final half of what is selected and fitted on all of the design half.

    Returns
    -------
    dict
        `train`, `test` (numbers of curves), `coverage`, and `shares`: for each `share`, `known_epochs`,
        `winner`, and `scores` of "selected" and persistence (mean, std, low, high over configurations).
    """
    known_half, new = design.select(design.complete), final.select(final.complete)
    shares = []
    for share in params.shares:
        known = known_epochs_at(share, known_half.n_epochs)
        winner, selected = select_predictor(known_half, known, params, derive_seed(seed, "final", known))
        trivial = _fitted(PERSISTENCE, known_half, known, params, seed)
        shares.append(
            {
                "share": share,
                "known_epochs": known,
                "winner": winner,
                "scores": {
                    SELECTED: score_on(selected, known_half, new, known, draws, seed),
                    PERSISTENCE: score_on(trivial, known_half, new, known, draws, seed),
                },
            }
        )
    return {
        "train": len(known_half),
        "test": len(new),
        "n_epochs": new.n_epochs,
        "coverage": params.settings.coverage,
        "shares": shares,
    }


def select_predictor(
    curves: LearningCurves, known: int, params: PredictorScoresParams, seed: int
) -> tuple[str, CurvePredictor]:
    """Return the name of the predictor that is chosen by cross-validation, and it fitted on all curves."""
    settings = params.settings
    frame, seen = curves.frame(), curves.frame(known)
    choice = choose(frame, seen, curves.final, curves.groups, known, settings, seed, curves.mode)
    fitted = choice.fitted.get(choice.winner)
    if fitted is None:
        shrink = is_choice(settings.candidates)
        fitted = _fitted(choice.winner, curves, known, params, seed, shrink=shrink)
    return choice.winner, fitted


def score_on(
    predictor: CurvePredictor,
    train: LearningCurves,
    test: LearningCurves,
    known: int,
    draws: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Return a predictor's scores on other curves, with intervals over their configurations."""
    prediction, true = predictor.predict_interval(test.frame(known)), test.final
    to_quantile = quantile_space(train.final)
    last = test.values[:, known - 1] if known else None

    def scores(rows: IntArray) -> Scores:
        told = _rows_of(prediction, rows)
        quantiles = to_quantile(true[rows]), to_quantile(told.mean)
        found = {
            **score(true[rows], told.mean, *quantiles, test.mode),
            **region_scores(true[rows], told, None if last is None else last[rows], test.mode),
            "coverage": coverage(true[rows], told),
        }
        return {name: found[name] for name in KEPT}

    return bootstrap(scores, test.groups, derive_seed(seed, "bootstrap"), draws)


def _fitted(
    name: str,
    curves: LearningCurves,
    known: int,
    params: PredictorScoresParams,
    seed: int,
    shrink: bool = False,
) -> CurvePredictor:
    made = make_predictor(name, params.settings, derive_seed(seed, name), [known], None, shrink, curves.mode)
    return made.fit(curves.frame(), curves.final, curves.groups)


def _rows_of(prediction: Prediction, rows: IntArray | Sequence[int]) -> Prediction:
    mean, lower, upper = (part[rows] for part in (prediction.mean, prediction.lower, prediction.upper))
    return Prediction(mean, lower, upper, prediction.coverage)
