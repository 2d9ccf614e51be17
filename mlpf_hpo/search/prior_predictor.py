"""`PriorPredictor`: a predictor that is fitted on a prior campaign, for the schedulers of a replay."""

from __future__ import annotations

import math
from collections.abc import Hashable
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.search.scheduler import rungs

if TYPE_CHECKING:
    import pandas as pd

REGRESSOR = "residual_trees"
FIRST_RUNGS, ETAS = (1, 2, 3), (2, 3, 4)
"""Of the rungs at which yardsticks compare trials: a model is fitted for each."""

LEAST_CURVES = 5


class PriorPredictor:
    """Final values predicted from partial curves, by `REGRESSOR` fitted on a prior campaign.

    In a replay the curves are known: the predictions at rungs are made for all of them at once, and looked up
    when a scheduler asks.

    Parameters
    ----------
    prior : LearningCurves
        Of the same hyperparameters and number of epochs as the searched curves.
    searched : LearningCurves
        The curves of the replay.

    Raises
    ------
    DataError
        If the prior has too few final values.
    """

    def __init__(self, prior: LearningCurves, searched: LearningCurves) -> None:
        whole = prior.select(~prior.truncated)
        if len(whole) < LEAST_CURVES:
            raise DataError(
                f"prior {prior.source or 'campaign'}: {len(whole)} complete curves are too few for a "
                f"predictor; needed are {LEAST_CURVES}"
            )
        epochs = rung_epochs(prior.n_epochs)
        self._predictor = make_predictor(
            REGRESSOR, PredictorsParams(), seed=0, known_epochs=epochs, folds=0, mode=prior.mode
        )
        self._predictor.fit(whole.frame(), whole.final, whole.groups)
        self._made: dict[Hashable, Prediction] = {}
        for known in epochs:
            rows = np.flatnonzero(np.isfinite(searched.values[:, :known]).all(axis=1))
            if len(rows):
                self._predict_ahead(searched.select(rows).frame(known)[whole.frame().columns])

    def predict_interval(self, X: pd.DataFrame, coverage: float | None = None) -> Prediction:
        """Return predicted final values of partial curves; their intervals are not known."""
        ready = self._made.get(_key(X)) if len(X) == 1 else None
        return ready or self._predictor.predict_interval(X, coverage)

    def _predict_ahead(self, frame: pd.DataFrame) -> None:
        found = self._predictor.predict_interval(frame)
        for i in range(len(frame)):
            row = slice(i, i + 1)
            one = Prediction(found.mean[row], found.lower[row], found.upper[row], found.coverage)
            self._made[_key(frame.iloc[row])] = one


def rung_epochs(n_epochs: int) -> list[int]:
    """Return the first epochs at or after the rungs of yardsticks.

    Examples
    --------
    >>> rung_epochs(10)
    [1, 2, 3, 4, 6, 8, 9]
    """
    pairs = product(FIRST_RUNGS, ETAS)
    return sorted({math.ceil(level) for first, eta in pairs for level in rungs(n_epochs, first, eta)})


def _key(X: pd.DataFrame) -> Hashable:
    """Return what a partial curve is known by: its configuration and values."""
    return tuple(zip(X.columns, map(str, X.iloc[0].tolist()), strict=True))
