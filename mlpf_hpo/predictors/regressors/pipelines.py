"""What the registered models are made of: pipelines from a table of curves to final values."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVR, NuSVR

from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.predictors.regressors.forest import ExtraTrees, Forest
from mlpf_hpo.predictors.regressors.gaussian_process import GaussianProcess
from mlpf_hpo.predictors.regressors.halfway import Halfway
from mlpf_hpo.predictors.regressors.parametric import ParametricCurve
from mlpf_hpo.predictors.regressors.persistence import Persistence
from mlpf_hpo.predictors.regressors.rank_transform import RankScale
from mlpf_hpo.predictors.regressors.residual import Residual

QUANTILES = 50
"""Of the quantile transformers of the paper; fewer where there are fewer rows."""

SHAPE = ("slopes", "last")
"""How the curve is told to what learns residuals."""

DEAD_ZONE = 2.0
"""A cautious model departs from persistence by what exceeds two standard deviations of the noise."""

TREES = 60
LEAST_LEAF = 2
PENALTIES = tuple(np.geomspace(0.1, 1e4, 11).tolist())


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


def on_ranks(regressor: BaseEstimator) -> Pipeline:
    """Return a model of the target's rank, from the ranks of hyperparameters and of the curve's shape."""
    return Pipeline(
        [
            ("features", CurveFeatures(curve=SHAPE)),
            ("scale", RankScale()),
            ("regressor", TransformedTargetRegressor(regressor, transformer=RankScale())),
        ]
    )


def over_last_seen(
    regressor: BaseEstimator, dead_zone: float = 0.0, hyperparameters: bool = True
) -> Pipeline:
    """Return a model of what a regressor can add to persistence."""
    features = CurveFeatures(curve=SHAPE, hyperparameters=hyperparameters)
    return Pipeline([("features", features), ("regressor", Residual(regressor, dead_zone))])


def cautious(regressor: BaseEstimator) -> Pipeline:
    """Return one that sees the curve alone, and goes half of the way it tells where it is sure."""
    return halfway(over_last_seen(regressor, DEAD_ZONE, hyperparameters=False))


def halfway(model: Pipeline) -> Pipeline:
    """Return the mean of persistence and a model."""
    features, *others = (step for _, step in model.steps)
    rest = others[0] if len(others) == 1 else make_pipeline(*others)
    return Pipeline([("features", features), ("regressor", Halfway(rest))])


def prior() -> Pipeline:
    """Return what ranks configurations before their first epoch."""
    return on_ranks(GaussianProcess())


def continuation(family: str) -> Pipeline:
    """Return a parametric family, which sees nothing but the curve."""
    return Pipeline(
        [("features", CurveFeatures(hyperparameters=False)), ("regressor", ParametricCurve(family))]
    )


def last_seen() -> Pipeline:
    """Return persistence."""
    return Pipeline([("features", CurveFeatures(hyperparameters=False)), ("regressor", Persistence())])


def drift() -> Pipeline:
    """Return persistence moved by the median of what the training curves still went (on a log scale).

    It ranks exactly as persistence does; "random walk with drift" in Hyndman and Athanasopoulos, Forecasting.
    """
    return over_last_seen(DummyRegressor(strategy="median"), hyperparameters=False)


def median() -> Pipeline:
    """Return what persistence becomes before the first epoch: the median of the training curves."""
    return Pipeline([("features", CurveFeatures()), ("regressor", DummyRegressor(strategy="median"))])


def ridge() -> BaseEstimator:
    """Return a linear model whose penalty is chosen by leave-one-out errors."""
    return make_pipeline(StandardScaler(), RidgeCV(PENALTIES))


def svr() -> BaseEstimator:
    """Return a support vector regression of targets with a spread of about 1."""
    return make_pipeline(StandardScaler(), SVR(C=1.0, gamma="auto", epsilon=0.1))


def nu_svr() -> BaseEstimator:
    """Return one whose tube holds a given share of the points."""
    return make_pipeline(StandardScaler(), NuSVR(C=1.0, gamma="auto", nu=0.5))


def forest(seed: int) -> BaseEstimator:
    """Return a random forest with out-of-bag predictions."""
    return Forest(TREES, min_samples_leaf=LEAST_LEAF, max_features=0.5, oob_score=True, random_state=seed)


def extra_trees(seed: int) -> BaseEstimator:
    """Return extremely randomised trees, with bootstrap for their out-of-bag predictions."""
    return ExtraTrees(TREES, min_samples_leaf=LEAST_LEAF, bootstrap=True, oob_score=True, random_state=seed)
