"""`RoundModels`: regressors that learn during a Hyperband to predict how its rounds end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import NuSVR

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.errors import look_up
from mlpf_hpo.predictors.regressors import subsampled_qsvr
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.search.bounds import partial_curves
from mlpf_hpo.search.schedulers.checks import check_whole
from mlpf_hpo.space import Configuration

REGRESSORS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {"nu_svr": NuSVR, "qsvr": lambda: subsampled_qsvr(PredictorsParams(), seed=0)}
)
"""By name: support vector regression with scikit-learn's defaults, and the paper's as a QUBO."""

FOLDS = 5


@dataclass(frozen=True)
class RoundModel:
    """A fitted regressor, and what it was fitted on."""

    regressor: Pipeline
    X: pd.DataFrame
    y: FloatArray

    @cached_property
    def error(self) -> float:
        """Root mean square of its errors out of fold."""
        predicted = cross_val_predict(self.regressor, self.X, self.y, cv=FOLDS)
        return float(np.sqrt(np.mean((self.y - predicted) ** 2)))


class RoundModels:
    """Curves of the trials of a Hyperband, and a model for each level and number of observed epochs.

    A model is fitted once, at its first use, on the curves that are kept for its level by then. Features and
    targets are scaled to (0, 1).

    Parameters
    ----------
    regressor : str
        A name in `REGRESSORS`.
    least_curves : int
        No model is fitted on fewer curves.
    shapes : sequence of str
        Features of the curve, see `CurveFeatures`.
    hyperparameters : bool
        Whether hyperparameters are features too.

    Raises
    ------
    ConfigurationError
        If there is no such regressor, or the number of curves is not possible.
    """

    def __init__(
        self, regressor: str, least_curves: int, shapes: Sequence[str], hyperparameters: bool
    ) -> None:
        check_whole("least_curves", least_curves, least=FOLDS)
        self.least_curves = least_curves
        self._features = CurveFeatures(hyperparameters=hyperparameters, curve=tuple(shapes))
        self._regressor = TransformedTargetRegressor(
            look_up(REGRESSORS, regressor, "regressor", "regressor of rounds")(), transformer=MinMaxScaler()
        )
        self._configurations: dict[str, Configuration] = {}
        self.costs: dict[str, list[float]] = {}
        self._kept: defaultdict[int, list[str]] = defaultdict(list)
        self._models: dict[tuple[int, int], RoundModel] = {}

    def add(self, trial_id: str, configuration: Configuration) -> None:
        """Add a trial."""
        self._configurations[trial_id] = configuration
        self.costs[trial_id] = []

    def keep(self, trial_id: str, level: int) -> None:
        """Learn from a trial that was trained to a level."""
        self._kept[level].append(trial_id)

    def n_kept(self, level: int) -> int:
        """Return the number of trials that were kept for a level."""
        return len(self._kept[level])

    def model(self, level: int, epoch: int) -> RoundModel | None:
        """Return the model of the cost at a level from the epochs before; None with too few curves."""
        if (level, epoch) not in self._models:
            kept = self._kept[level]
            if len(kept) < self.least_curves:
                return None
            X, y = self._frame(kept, level), np.array([self.costs[trial][level - 1] for trial in kept])
            regressor = Pipeline(
                [
                    ("features", clone(self._features).set_params(known_epochs=epoch)),
                    ("scale", MinMaxScaler()),
                    ("regressor", clone(self._regressor)),
                ]
            )
            self._models[level, epoch] = RoundModel(regressor.fit(X, y), X, y)
        return self._models[level, epoch]

    def predict(self, model: RoundModel, trial_ids: Sequence[str], level: int) -> FloatArray:
        """Return the predicted costs of trials at the model's level, [n]."""
        return np.asarray(model.regressor.predict(self._frame(trial_ids, level)))

    def done(self, trial_ids: Sequence[str], level: int) -> list[float]:
        """Return the costs at a level of those trials that came so far."""
        return [self.costs[trial][level - 1] for trial in trial_ids if len(self.costs[trial]) >= level]

    def _frame(self, trial_ids: Sequence[str], level: int) -> pd.DataFrame:
        return partial_curves(
            [self._configurations[trial] for trial in trial_ids],
            [self.costs[trial] for trial in trial_ids],
            level,
        )
