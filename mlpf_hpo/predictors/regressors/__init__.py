"""Regressors by name, one line each: models that take a table of curves and give the final loss.

A model is a scikit-learn pipeline that begins with `CurveFeatures`; `CurvePredictor` fits it once per number
of known epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.svm import SVR

from mlpf_hpo.config import PredictorsParams
from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.predictors.regressors.ensemble import QSVREnsemble
from mlpf_hpo.predictors.regressors.persistence import Persistence
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.regressors.subsampled import Subsampled

QUANTILES = 50
"""Of the quantile transformers of the paper; fewer where there are fewer rows."""


def paper_svr(params: PredictorsParams, _seed: int) -> SVR:
    """Return the support vector regression of the paper."""
    return SVR(C=params.svr.C, gamma=params.svr.gamma, epsilon=params.svr.epsilon)


def paper_qsvr(params: PredictorsParams, seed: int, sampler: str | None = None) -> QSVR:
    """Return the same regression trained as a QUBO."""
    settings = params.qsvr.model_dump(exclude={"points", "sampler"})
    return QSVR(**settings, sampler=sampler or params.qsvr.sampler, random_state=seed)


def few_points(params: PredictorsParams, seed: int, sampler: str | None = None) -> BaseEstimator:
    """Return QSVR on as many rows as the annealer's graph holds."""
    qsvr = paper_qsvr(params, seed, sampler)
    return Subsampled(qsvr, points=params.qsvr.points, random_state=seed)


def disjoint_members(params: PredictorsParams, seed: int) -> BaseEstimator:
    """Return an ensemble of QSVRs on disjoint rows."""
    return QSVREnsemble(few_points(params, seed), members=2, random_state=seed)


def in_quantile_space(regressor: BaseEstimator) -> Pipeline:
    """Return the paper's model: features and target quantile-transformed, fitted on training rows only."""
    target = QuantileTransformer(n_quantiles=QUANTILES, random_state=0)
    return Pipeline(
        [
            ("features", CurveFeatures()),
            ("scale", QuantileTransformer(n_quantiles=QUANTILES, random_state=0)),
            ("regressor", TransformedTargetRegressor(regressor, transformer=target)),
        ]
    )


def last_seen() -> Pipeline:
    """Return persistence."""
    return Pipeline([("features", CurveFeatures(hyperparameters=False)), ("regressor", Persistence())])


def median() -> Pipeline:
    """Return what persistence becomes before the first epoch: the median of the training curves."""
    return Pipeline([("features", CurveFeatures()), ("regressor", DummyRegressor(strategy="median"))])


Build = Callable[[PredictorsParams, int], tuple[Any, Any]]
"""From (params, seed) to the model, and the one to use before the first epoch (None: the same)."""

REGRESSORS: dict[str, Build] = {
    "persistence": lambda _params, _seed: (last_seen(), median()),
    "svr": lambda params, seed: (in_quantile_space(paper_svr(params, seed)), None),
    "qsvr": lambda params, seed: (in_quantile_space(few_points(params, seed)), None),
    "qsvr_ensemble": lambda params, seed: (in_quantile_space(disjoint_members(params, seed)), None),
    "random_bits": lambda params, seed: (in_quantile_space(few_points(params, seed, "random")), None),
}


def make_models(name: str, params: PredictorsParams, seed: int) -> tuple[Any, Any]:
    """Return the model called `name`, and the one for curves that have not begun (None: the same).

    Raises
    ------
    ConfigurationError
        If there is no such regressor.
    """
    if name not in REGRESSORS:
        hint = did_you_mean(name, REGRESSORS)
        known = ", ".join(REGRESSORS)
        raise ConfigurationError(f"predictors.candidates: no regressor {name!r}{hint}; there are: {known}")
    return REGRESSORS[name](params, seed)
