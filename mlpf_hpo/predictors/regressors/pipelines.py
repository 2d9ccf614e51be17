"""Scikit-learn pipelines of the built-in regressors, from a table of curves to final values."""

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
from mlpf_hpo.curves.shapes import shape_features
from mlpf_hpo.predictors.regressors.forest import ExtraTrees, Forest
from mlpf_hpo.predictors.regressors.gaussian_process import GaussianProcess
from mlpf_hpo.predictors.regressors.half_shrinkage import HalfShrinkage
from mlpf_hpo.predictors.regressors.parametric import ParametricCurve
from mlpf_hpo.predictors.regressors.persistence import Persistence
from mlpf_hpo.predictors.regressors.rank_transform import RankScale
from mlpf_hpo.predictors.regressors.residual import Residual
from mlpf_hpo.predictors.regressors.stacked import Stacked

QUANTILES = 50
"""Of the quantile transformers of the paper; fewer where there are fewer rows."""

SHAPE = ("slopes", "last")
"""Features of the curve for regressors of ranks and residuals."""

DEAD_ZONE = 2.0
"""Soft threshold of residuals, in standard deviations of the noise, for `shrunk_residual`."""

TREES = 60
LEAST_LEAF = 2
PENALTIES = tuple(np.geomspace(0.1, 1e4, 11).tolist())


def transformed(regressor: BaseEstimator, transformer: BaseEstimator) -> TransformedTargetRegressor:
    """Return a model of a target that is transformed, without a check of the way back at every fit."""
    return TransformedTargetRegressor(regressor, transformer=transformer, check_inverse=False)


def in_quantile_space(regressor: BaseEstimator) -> Pipeline:
    """Return the paper's model: features and target quantile-transformed, fitted on training rows only."""
    target = QuantileTransformer(n_quantiles=QUANTILES, random_state=0)
    return Pipeline(
        [
            ("features", CurveFeatures()),
            ("scale", QuantileTransformer(n_quantiles=QUANTILES, random_state=0)),
            ("regressor", transformed(regressor, target)),
        ]
    )


def on_ranks(regressor: BaseEstimator) -> Pipeline:
    """Return a model of the target's rank, from the ranks of hyperparameters and of the curve's shape."""
    return Pipeline(
        [
            ("features", CurveFeatures(curve=SHAPE)),
            ("scale", RankScale()),
            ("regressor", transformed(regressor, RankScale())),
        ]
    )


def residual(regressor: BaseEstimator, dead_zone: float = 0.0, hyperparameters: bool = True) -> Pipeline:
    """Return a model of the difference from persistence."""
    features = CurveFeatures(curve=SHAPE, hyperparameters=hyperparameters)
    return Pipeline([("features", features), ("regressor", Residual(regressor, dead_zone))])


def shrunk_residual(regressor: BaseEstimator) -> Pipeline:
    """Return a residual model of the curve alone, thresholded and shrunk halfway toward persistence."""
    return half_shrunk(residual(regressor, DEAD_ZONE, hyperparameters=False))


def half_shrunk(model: Pipeline) -> Pipeline:
    """Return the mean of persistence and a model."""
    features, *others = (step for _, step in model.steps)
    rest = others[0] if len(others) == 1 else make_pipeline(*others)
    return Pipeline([("features", features), ("regressor", HalfShrinkage(rest))])


def prior() -> Pipeline:
    """Return the model of configurations before their first epoch."""
    return on_ranks(GaussianProcess())


def stacked(seed: int) -> Pipeline:
    """Return the stacked models of hyperparameters and curve."""
    names, _ = shape_features(np.ones((1, 1)), SHAPE, log=False)
    return Pipeline([("features", CurveFeatures(curve=SHAPE)), ("regressor", Stacked(len(names), seed))])


def stacked_prior(seed: int) -> Pipeline:
    """Return the stacked models of configurations before their first epoch."""
    return Pipeline([("features", CurveFeatures()), ("regressor", Stacked(0, seed))])


def continuation(family: str) -> Pipeline:
    """Return a parametric family, fitted to the curve alone."""
    return Pipeline(
        [("features", CurveFeatures(hyperparameters=False)), ("regressor", ParametricCurve(family))]
    )


def persistence() -> Pipeline:
    """Return persistence."""
    return Pipeline([("features", CurveFeatures(hyperparameters=False)), ("regressor", Persistence())])


def drift() -> Pipeline:
    """Return persistence shifted by the median remaining change of the training curves (on a log scale).

    It ranks exactly as persistence does; "random walk with drift" in Hyndman and Athanasopoulos, Forecasting.
    """
    return residual(DummyRegressor(strategy="median"), hyperparameters=False)


def median() -> Pipeline:
    """Return the median of the training curves, which replaces persistence before the first epoch."""
    return Pipeline([("features", CurveFeatures()), ("regressor", DummyRegressor(strategy="median"))])


def ridge() -> BaseEstimator:
    """Return a linear model whose penalty is chosen by leave-one-out errors."""
    return make_pipeline(StandardScaler(), RidgeCV(PENALTIES))


def svr() -> BaseEstimator:
    """Return a support vector regression of targets with a spread of about 1."""
    return make_pipeline(StandardScaler(), SVR(C=1.0, gamma="auto", epsilon=0.1))


def nu_svr() -> BaseEstimator:
    """Return a support vector regression whose tube contains a given share of the points."""
    return make_pipeline(StandardScaler(), NuSVR(C=1.0, gamma="auto", nu=0.5))


def forest(seed: int) -> BaseEstimator:
    """Return a random forest with out-of-bag predictions."""
    return Forest(TREES, min_samples_leaf=LEAST_LEAF, max_features=0.5, oob_score=True, random_state=seed)


def extra_trees(seed: int) -> BaseEstimator:
    """Return extremely randomised trees, with bootstrap for their out-of-bag predictions."""
    return ExtraTrees(TREES, min_samples_leaf=LEAST_LEAF, bootstrap=True, oob_score=True, random_state=seed)
