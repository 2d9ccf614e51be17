"""Scores of an evaluation, and predictions: as rows of a table and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpf_hpo.curves.ends import known_lengths
from mlpf_hpo.curves.repeats import RepeatNoise, describe_repeat_noise
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.target_epochs import describe_targets
from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.number_format import fixed, interval
from mlpf_hpo.predictors.checked_prediction import predict_checked
from mlpf_hpo.predictors.criteria import PERSISTENCE, SELECTED
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.regressors import CLASSICAL, REGRESSORS
from mlpf_hpo.predictors.repeated_splits import Evaluation

SCORE_LABELS = {
    "r2_loss": "R2 (loss)",
    "r2_quantile": "R2 (quantile)",
    "spearman": "Spearman",
    "kendall": "Kendall",
    "top_recall": "top-10 recall",
    "coverage": "coverage",
}


def parse_predictor_names(text: str) -> list[str]:
    """Return the predictors of a list with commas, persistence first; all classical ones by default.

    Raises
    ------
    ConfigurationError
        If there is no such predictor.
    """
    names = [name.strip() for name in text.split(",") if name.strip()] or list(CLASSICAL)
    for name in names:
        if name not in (*REGRESSORS, SELECTED):
            hint, known = did_you_mean(name, [*REGRESSORS, SELECTED]), ", ".join([*REGRESSORS, SELECTED])
            raise ConfigurationError(f"--predictors: no predictor {name!r}{hint}; there are: {known}")
    return list(dict.fromkeys([PERSISTENCE, *names]))


HEADER = ("predictor", *SCORE_LABELS.values())


def describe_evaluation(found: Evaluation, curves: LearningCurves) -> str:
    """Return curves, sizes of the splits, and the selected predictors where selection was evaluated."""
    lines = [
        f"{len(curves)} curves of {describe_targets(curves)}, {found.known_epochs} seen; "
        f"{found.train} to train on, at least {found.test} to test on; mean over splits [95 % interval of "
        "the mean]"
    ]
    if found.chosen:
        counts = Counter(found.chosen).most_common()
        lines.append("selected: " + ", ".join(f"{name} in {n} splits" for name, n in counts))
    return "\n".join(lines)


def score_rows(found: Evaluation) -> list[list[str]]:
    """Return the scores with their intervals, a row per predictor."""
    return [
        [name, *(_cell(scores[metric]) for metric in SCORE_LABELS)]
        for name, scores in found.summary().items()
    ]


CEILING = "noise ceiling"


def ceiling_rows(ceiling: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """Return the noise ceiling as a row of the table of scores, without intervals; no row if not known."""
    if not ceiling:
        return []
    means = {metric: fixed(float(np.mean(values))) for metric, values in ceiling.items()}
    return [[CEILING, *(means.get(metric, "") for metric in SCORE_LABELS)]]


def describe_noise(noise: RepeatNoise | None, ceiling: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the noise between trainings of one configuration as text, if there are such."""
    if noise is None:
        return []
    freedom = f"{noise.degrees_of_freedom} degrees of freedom"
    text = f"repeats: {describe_repeat_noise(noise.to_dict())}, {freedom}"
    what = "of a perfect prediction of each configuration's mean; one from a part of the curve can be above"
    return [
        text,
        f"{CEILING}: {what}" if ceiling else "no noise ceiling: too few repeats, or too large values",
    ]


def as_json(
    found: Evaluation,
    curves: LearningCurves,
    share: float,
    seed: int,
    noise: RepeatNoise | None,
    ceiling: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    """Return the scores, with the differences to persistence on the same splits, and the noise of repeats."""
    metrics = list(SCORE_LABELS)
    return {
        "source": curves.source,
        "curves": len(curves),
        "metric": curves.metric,
        "mode": curves.mode,
        "hyperparameters": list(curves.hyperparameters),
        "left_out": dict(curves.left_out),
        "left_out_rows": dict(curves.left_out_rows),
        "target_epoch": "own" if curves.own_targets else curves.n_epochs,
        "known_fraction": share,
        "known_epochs": found.known_epochs,
        "n_epochs": found.n_epochs,
        "train": found.train,
        "test": found.test,
        "seed": seed,
        "splits": len(found.scores[PERSISTENCE]["spearman"]),
        "predictors": found.summary(),
        "per_split": found.scores,
        "minus_persistence": {
            name: {metric: found.over_persistence(name, metric) for metric in metrics}
            for name in found.scores
            if name != PERSISTENCE
        },
        "chosen": dict(Counter(found.chosen)),
        "repeat_noise": None if noise is None else noise.to_dict(),
        "noise_ceiling": {metric: float(np.mean(values)) for metric, values in ceiling.items()},
    }


PREDICTED = ("row", "epochs seen", "final", "lower", "upper")


def predicted_rows(
    predictor: CurvePredictor, curves: LearningCurves, coverage: float
) -> tuple[list[list[str]], list[str]]:
    """Return the predicted final value of each curve with its interval, a row per curve, and all warnings.

    Rows are numbered from 1, as in messages.

    Raises
    ------
    DataError
        If a curve has a gap, see `predict_checked`.
    """
    found, names = predict_checked(predictor, curves.frame(), coverage), curves.configs.index + 1
    numbers = found[["prediction", "lower", "upper"]].to_numpy(dtype=float)
    rows = [
        [str(names[row]), str(seen), *(f"{number:.6g}" for number in numbers[row])]
        for row, seen in enumerate(known_lengths(curves.values))
    ]
    warned = zip(names, found["warning"], strict=True)
    return rows, [f"row {row}: {warning}" for row, warning in warned if warning]


def _cell(scores: dict[str, float]) -> str:
    return interval(scores["mean"], scores["low"], scores["high"])
