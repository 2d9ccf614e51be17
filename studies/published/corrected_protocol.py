"""Protocol without the flaws of the paper: grouped splits, scalers on training rows, the true last loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.predictors.regressors.ensemble import QSVREnsemble
from mlpf_hpo.predictors.scoring import halves, quantile_space, score
from mlpf_hpo.seeds import derive_seed
from studies.published.data import QUANTILES, PublishedCurves
from studies.published.methods import Method
from studies.published.solutions import BLOCK, MEMBERS

ROW_SETS: dict[str, tuple[str, Callable[[PublishedCurves], NDArray[np.bool_]]]] = {
    "clean": (
        "one row per configuration, no restart",
        lambda curves: curves.clean(np.arange(len(curves.curves))),
    ),
    "distinct": ("one row per configuration, restarts included", lambda curves: ~curves.curves.duplicated),
    "all": ("all rows, split by configuration", lambda curves: np.ones(len(curves.curves), bool)),
}
"""From a name to what it means and the mask of its rows."""

SIZES = {"single": BLOCK, "ensemble": BLOCK * MEMBERS}
"""Training rows: of one regressor, and of an ensemble of four."""


def possible(curves: PublishedCurves, rows: str, size: str) -> bool:
    """Tell whether half of the configurations of a row set have enough rows to learn from."""
    groups = curves.curves.groups[ROW_SETS[rows][1](curves)]
    distinct = len(np.unique(groups))
    return distinct // 2 >= SIZES[size]


def corrected_scores(
    curves: PublishedCurves,
    method: Method | None,
    rows: str,
    size: str,
    splits: Sequence[int],
    seed: int,
) -> dict[str, list[float]]:
    """Return the scores of `protocol.score` of every split.

    Half of the configurations are tested, 20 or 80 rows of the others learnt from. Features are the paper's
    13 losses, the target is the last loss of all. Members of an ensemble are weighted by their scores on the
    other members' training rows.

    Parameters
    ----------
    curves : PublishedCurves
    method : Method or None
        None is persistence.
    rows, size : str
        Keys of `ROW_SETS` and `SIZES`.
    splits : sequence of int
        Numbers of the splits: all methods meet the same ones.
    seed : int
        Of the splits and of what is random in a method.
    """
    at = np.flatnonzero(ROW_SETS[rows][1](curves))
    table = curves.curves.select(at)
    return scores_of_splits(
        table.groups, curves.seen[at], table.final, method, size, splits, seed, ("published", rows)
    )


def scores_of_splits(
    groups: NDArray[np.str_],
    X: FloatArray,
    y: FloatArray,
    method: Method | None,
    size: str,
    splits: Sequence[int],
    seed: int,
    place: tuple[str, str],
) -> dict[str, list[float]]:
    """Return the scores of every split of a table, see `corrected_scores`.

    Parameters
    ----------
    groups, X, y : array [n], [n, d], [n]
        Configuration, observed losses and final loss of each row.
    method, size, splits, seed
        As for `corrected_scores`.
    place : (study, rows)
        Names, for seeds.
    """
    found: dict[str, list[float]] = {}
    for number in splits:
        train, test, predicted = predicted_split(groups, X, y, method, size, number, seed, place)
        to_quantile = quantile_space(y[train])
        scores = score(y[test], predicted, to_quantile(y[test]), to_quantile(predicted))
        for metric, value in scores.items():
            found.setdefault(metric, []).append(value)
    return found


def predicted_split(
    groups: NDArray[np.str_],
    X: FloatArray,
    y: FloatArray,
    method: Method | None,
    size: str,
    number: int,
    seed: int,
    place: tuple[str, str],
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return training rows, test rows and predicted final losses of one split, see `scores_of_splits`."""
    train, test = halves(groups, SIZES[size], derive_seed(seed, *place, size, number))
    if method is None:
        return train, test, X[test, -1]
    model = _model(method, size, derive_seed(seed, place[0], number))
    return train, test, model.fit(X[train], y[train]).predict(X[test])


def _model(method: Method, size: str, seed: int) -> Any:
    regressor: BaseEstimator = method.regressor(seed)
    if size == "ensemble":
        regressor = QSVREnsemble(regressor, members=MEMBERS, weighting="out_of_bag", random_state=seed)
    n_quantiles = min(QUANTILES, SIZES[size])
    target = QuantileTransformer(n_quantiles=n_quantiles, random_state=0)
    return Pipeline(
        [
            ("scale", QuantileTransformer(n_quantiles=n_quantiles, random_state=0)),
            ("regressor", TransformedTargetRegressor(regressor, transformer=target)),
        ]
    )
