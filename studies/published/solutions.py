"""Predictions from stored samples, computed as the paper's code does, flaws included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.predictors.bias import published_bias
from mlpf_hpo.predictors.combination import COMBINATIONS, combination_weights
from mlpf_hpo.predictors.regressors.ensemble import published_r2, published_weights
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from studies.published.data import PaperSplit

FloatArray = NDArray[np.float64]

MEMBERS, BLOCK = 4, 20
"""Of the paper's ensembles: members, and the rows of each."""

Ways = Mapping[str, Any]
"""From the name of a way to combine samples to a fitted model."""


def ways_of_samples(model: QSVR, y: FloatArray) -> Ways:
    """Return the seven solutions that the paper's code makes of the samples that a fitted QSVR kept.

    It scored samples by exp(y) − exp(f(x)), although no logarithm had been taken of y.
    """
    kept = model.kept_alphas_
    kernel = rbf_kernel(model.X_fit_, gamma=model.gamma)
    left = y - (kept[:, 0] - kept[:, 1]) @ kernel
    predictions = y - left + published_bias(left, kept, model.epsilon)[:, np.newaxis]
    errors = np.exp(y) - np.exp(predictions)
    weights = {name: combination_weights(name, errors, model.kept_energies_) for name in COMBINATIONS}
    return {
        name: QSVR.from_solution(
            model.X_fit_,
            y,
            np.tensordot(weight, kept, axes=1),
            gamma=model.gamma,
            epsilon=model.epsilon,
            bias="paper",
        )
        for name, weight in weights.items()
    }


def ways_of_stored(solution: Mapping[str, Any]) -> Ways:
    """Return the seven models of a stored solution."""
    settings = {"gamma": solution["gamma"], "epsilon": solution["epsilon"], "bias": "paper"}
    return {
        name: QSVR.from_solution(solution["X_train"], solution["y_train"], alphas, **settings)
        for name, alphas in zip(COMBINATIONS, solution["combined_alphas"], strict=True)
    }


def fitted_ways(regressor: BaseEstimator, X: FloatArray, y: FloatArray) -> Ways:
    """Fit a regressor; return the seven ways of a QSVR with the paper's bias, itself if it is any other."""
    regressor.fit(X, y)
    of_the_paper = isinstance(regressor, QSVR) and regressor.bias == "paper"
    return ways_of_samples(regressor, y) if of_the_paper else {"as fitted": regressor}


def ensemble_prediction(members: Sequence[Ways], split: PaperSplit) -> FloatArray:
    """Return the prediction of the test rows by the paper's code.

    Of every member the way with the highest R² on the other members' training rows is taken, and members are
    weighted by that R², its arguments exchanged.
    """
    blocks = np.split(np.arange(MEMBERS * BLOCK), MEMBERS)
    chosen = []
    for ways, block in zip(members, blocks, strict=True):
        others = np.setdiff1d(np.arange(MEMBERS * BLOCK), block)
        X, y = split.X_train[others], split.y_train[others]
        chosen.append(max(ways.values(), key=lambda way: published_r2(y, way.predict(X))))
    on_train = np.stack([model.predict(split.X_train) for model in chosen])
    weights = published_weights(on_train, split.y_train, blocks)
    return np.asarray(weights @ np.stack([model.predict(split.X_test) for model in chosen]))


def blocks_of(split: PaperSplit) -> list[tuple[FloatArray, FloatArray]]:
    """Return the members' training rows: consecutive blocks of the first 80."""
    return [
        (split.X_train[start : start + BLOCK], split.y_train[start : start + BLOCK])
        for start in range(0, MEMBERS * BLOCK, BLOCK)
    ]
