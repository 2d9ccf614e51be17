"""Table 2 of the paper for other curves: R2 over many splits, beside persistence and random bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import r2_score

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.nested_cv import known_epochs_at, usable_rows
from mlpf_hpo.predictors.scoring import halves, quantile_space
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.seeds import derive_seed

ROWS = {
    "persistence": "persistence (the last loss seen)",
    "svr": "SVR",
    "qsvr": "QSVR, {sampler}",
    "random_bits": "QSVR, random bits (the null)",
}

ENSEMBLE_MEMBERS = 4


def table_2(
    curves: LearningCurves,
    params: PredictorsParams,
    seed: int,
    progress: Callable[[float, float], Any] | None = None,
) -> dict[str, Any]:
    """Return best, worst, mean and standard deviation of R2 per predictor.

    Split i: half of the configurations to test on, `params.table_2_points` curves to train on (fewer where
    the half has fewer, which the result says). R2(true, predicted) in quantiles of the training losses,
    transformers fitted on training rows only: the paper's score, without its leaks.

    Returns
    -------
    dict
        splits, points, known_epochs, rows (predictor, label, best, worst, mean, std, r2_scores), not_possible
        (label, reason).
    """
    rows = usable_rows(curves, least=6)
    used = curves.select(rows)
    known = max(1, known_epochs_at(params.known_fraction, curves.n_epochs))
    tested = [
        len(halves(used.groups, 1, derive_seed(seed, "table 2", i))[1]) for i in range(params.table_2_splits)
    ]
    points = min(params.table_2_points, len(used) - max(tested))
    frame, seen, final = used.frame(), used.frame(known), used.final
    scores: dict[str, list[float]] = {name: [] for name in ROWS}
    for split in range(params.table_2_splits):
        train, test = halves(used.groups, points, derive_seed(seed, "table 2", split))
        to_quantile = quantile_space(final[train])
        for name in ROWS:
            predictor = make_predictor(name, params, derive_seed(seed, name, split), [known], folds=0)
            predicted = predictor.fit(frame.iloc[train], final[train]).predict(seen.iloc[test])
            scores[name].append(float(r2_score(to_quantile(final[test]), to_quantile(predicted))))
        if progress is not None:
            progress(split + 1, params.table_2_splits)
    return {
        "splits": params.table_2_splits,
        "points": points,
        "test_curves": min(tested),
        "known_epochs": known,
        "rows": [
            {
                "predictor": name,
                "label": label.format(sampler=params.qsvr.sampler.replace("_", " ")),
                "best": max(scores[name]),
                "worst": min(scores[name]),
                "mean": float(np.mean(scores[name])),
                "std": float(np.std(scores[name])),
                "r2_scores": scores[name],
            }
            for name, label in ROWS.items()
        ],
        "not_possible": _not_possible(len(used), points, params),
    }


def _not_possible(n_curves: int, points: int, params: PredictorsParams) -> list[dict[str, str]]:
    needed = 2 * ENSEMBLE_MEMBERS * params.table_2_points
    missing = []
    if n_curves < needed:
        missing.append(
            {
                "label": f"ensemble of {ENSEMBLE_MEMBERS} QSVRs with {params.table_2_points} curves each",
                "reason": (
                    f"needs {needed} complete curves (half of them to test on), this run has {n_curves}"
                ),
            }
        )
    if points < params.table_2_points:
        missing.append(
            {
                "label": f"{params.table_2_points} training curves",
                "reason": f"half of {n_curves} complete curves allow {points}; all rows are with {points}",
            }
        )
    if params.qsvr.sampler != "qpu":
        missing.append(
            {
                "label": "QSVR on a quantum annealer",
                "reason": f"this run sampled with {params.qsvr.sampler}; see predictors.qsvr.sampler",
            }
        )
    return missing
