"""The paper's protocol, reproduced exactly: leaking splits, one scaler for all rows, R²(predicted, true)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from mlpf_hpo.predictors.criteria import PERSISTENCE
from studies.published.data import SEEN, PaperSplit, PublishedCurves
from studies.published.methods import Method
from studies.published.solutions import (
    BLOCK,
    MEMBERS,
    blocks_of,
    ensemble_prediction,
    fitted_ways,
)

FloatArray = NDArray[np.float64]


def single_r2(curves: PublishedCurves, method: Method | None, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Return R²(prediction, truth) on the test rows of every split, by way to combine samples.

    Parameters
    ----------
    curves : PublishedCurves
    method : Method or None
        None is persistence.
    seeds : sequence of int
        Of the splits.

    Returns
    -------
    dict
        One list per way, in the order of the seeds; what the paper did not have has one way, "as fitted".
    """
    scores: dict[str, list[float]] = {}
    for seed in seeds:
        split = curves.split(seed, BLOCK)
        for way, predicted in _single_predictions(curves, method, split, seed).items():
            scores.setdefault(way, []).append(float(r2_score(predicted, split.y_test)))
    return scores


def ensemble_r2(
    curves: PublishedCurves, method: Method | None, seeds: Sequence[int]
) -> dict[str, list[float]]:
    """Return the same for ensembles of four members of 20 rows, as the paper's code combined them."""
    scores = []
    for seed in seeds:
        split = curves.split(seed, MEMBERS * BLOCK)
        if method is None:
            predicted = last_seen(curves, split)
        else:
            predicted = ensemble_prediction(fitted_members(method, split, seed), split)
        scores.append(float(r2_score(predicted, split.y_test)))
    return {"as fitted": scores}


def fitted_members(method: Method, split: PaperSplit, seed: int) -> list[Any]:
    """Return the ways of every member of an ensemble."""
    return [
        fitted_ways(method.regressor(seed + member, paper=True), X, y)
        for member, (X, y) in enumerate(blocks_of(split))
    ]


def last_seen(curves: PublishedCurves, split: PaperSplit) -> FloatArray:
    """Return persistence of the test rows: the last loss seen, in quantiles of the target."""
    return curves.to_quantile(curves.curves.values[split.test, SEEN[-1]])


def spread(scores: dict[str, list[float]]) -> dict[str, Any]:
    """Return best, worst, mean and standard deviation over splits, of the way with the highest mean.

    That way was chosen on the test rows: the paper's table did so, and nobody else should.
    """
    way = max(scores, key=lambda name: float(np.mean(scores[name])))
    values = scores[way]
    return {
        "way": way if len(scores) > 1 else "",
        "splits": len(values),
        "best": max(values),
        "worst": min(values),
        "mean": float(np.mean(values)),
        "std": float(np.std(values)),
        "r2_scores": values,
    }


def _single_predictions(
    curves: PublishedCurves, method: Method | None, split: PaperSplit, seed: int
) -> dict[str, FloatArray]:
    if method is None:
        return {PERSISTENCE: last_seen(curves, split)}
    ways = fitted_ways(method.regressor(seed, paper=True), split.X_train, split.y_train)
    return {name: model.predict(split.X_test) for name, model in ways.items()}
