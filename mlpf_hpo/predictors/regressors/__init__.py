"""Registry of regressors by name: models that predict the final loss from a table of curves.

A model is a scikit-learn pipeline that begins with `CurveFeatures`; `CurvePredictor` fits it once per number
of observed epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.svm import SVR

from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.extensions import Registry
from mlpf_hpo.predictors.regressors import pipelines as r
from mlpf_hpo.predictors.regressors.ensemble import QSVREnsemble
from mlpf_hpo.predictors.regressors.gaussian_process import GaussianProcess
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.regressors.subsampled import Subsampled
from mlpf_hpo.predictors.settings import PredictorsParams


def paper_svr(params: PredictorsParams) -> SVR:
    """Return the support vector regression of the paper."""
    return SVR(C=params.svr.C, gamma=params.svr.gamma, epsilon=params.svr.epsilon)


def paper_qsvr(params: PredictorsParams, seed: int, sampler: str | None = None) -> QSVR:
    """Return the same regression trained as a QUBO."""
    settings = params.qsvr.model_dump(exclude={"points", "sampler"})
    return QSVR(**settings, sampler=sampler or params.qsvr.sampler, random_state=seed)


def subsampled_qsvr(params: PredictorsParams, seed: int, sampler: str | None = None) -> BaseEstimator:
    """Return QSVR on as many rows as the annealer's graph holds, or on all."""
    qsvr = paper_qsvr(params, seed, sampler)
    if params.qsvr.points == "all":
        return qsvr
    return Subsampled(qsvr, points=params.qsvr.points, random_state=seed)


def qsvr_ensemble(params: PredictorsParams, seed: int) -> BaseEstimator:
    """Return an ensemble of QSVRs on disjoint rows."""
    return QSVREnsemble(subsampled_qsvr(params, seed), members=2, random_state=seed)


Build = Callable[[PredictorsParams, int], tuple[Any, Any]]
"""From (params, seed) to the model, and the one to use before the first epoch (None: the same)."""

_BUILT_IN: dict[str, Build] = {
    "persistence": lambda _params, _seed: (r.persistence(), r.median()),
    "drift": lambda _params, _seed: (r.drift(), r.median()),
    "power_law": lambda _params, _seed: (r.continuation("power_law"), r.median()),
    "exponential": lambda _params, _seed: (r.continuation("exponential"), r.median()),
    "mmf": lambda _params, _seed: (r.continuation("mmf"), r.median()),
    "parametric": lambda _params, _seed: (r.continuation("combined"), r.median()),
    "svr": lambda params, _seed: (r.in_quantile_space(paper_svr(params)), None),
    "nu_svr": lambda _params, _seed: (r.on_ranks(r.nu_svr()), None),
    "ridge": lambda _params, _seed: (r.on_ranks(r.ridge()), None),
    "forest": lambda _params, seed: (r.on_ranks(r.forest(seed)), None),
    "extra_trees": lambda _params, seed: (r.on_ranks(r.extra_trees(seed)), None),
    "gaussian_process": lambda _params, _seed: (r.on_ranks(GaussianProcess()), None),
    "residual_svr": lambda _params, _seed: (r.residual(r.svr()), r.prior()),
    "residual_nu_svr": lambda _params, _seed: (r.residual(r.nu_svr()), r.prior()),
    "residual_ridge": lambda _params, _seed: (r.residual(r.ridge()), r.prior()),
    "residual_forest": lambda _params, seed: (r.residual(r.forest(seed)), r.prior()),
    "residual_trees": lambda _params, seed: (r.residual(r.extra_trees(seed)), r.prior()),
    "halfway_ridge": lambda _params, _seed: (r.half_shrunk(r.on_ranks(r.ridge())), r.prior()),
    "cautious_svr": lambda _params, _seed: (r.shrunk_residual(r.svr()), r.prior()),
    "cautious_trees": lambda _params, seed: (r.shrunk_residual(r.extra_trees(seed)), r.prior()),
    "stacked": lambda _params, seed: (r.stacked(seed), r.stacked_prior(seed)),
    "qsvr": lambda params, seed: (r.in_quantile_space(subsampled_qsvr(params, seed)), None),
    "qsvr_ensemble": lambda params, seed: (r.in_quantile_space(qsvr_ensemble(params, seed)), None),
    "random_bits": lambda params, seed: (r.in_quantile_space(subsampled_qsvr(params, seed, "random")), None),
}

REGRESSORS: Registry[Build] = Registry("mlpf_hpo.regressors", "regressor", _BUILT_IN)
"""Regressors by name. A package adds one by an entry point that names a `Build`; the module lists its types
in a fitted model in `TRUSTED_TYPES`, see `predictors.model_file`. A regressor whose `fit` takes `groups`, the
configuration of each row, has to leave `oob_prediction_`: predictions of the rows without their groups. They
then serve the choice and the intervals, without further fits.
"""

SAMPLED = ("qsvr", "qsvr_ensemble", "random_bits")
CLASSICAL = tuple(name for name in _BUILT_IN if name not in SAMPLED)
"""Regressors that use no sampler: they take milliseconds to fit."""

SECTIONS = {"svr": "svr", **dict.fromkeys(SAMPLED, "qsvr")}
"""Regressor -> section of the params with its settings; the others have no settings."""


def make_models(name: str, params: PredictorsParams, seed: int) -> tuple[Any, Any]:
    """Return the model called `name`, and the one for curves that have not begun (None: the same).

    Raises
    ------
    ConfigurationError
        If there is no such regressor, or that of an installed package returns something else.
    """
    models = REGRESSORS.lookup(name, "predictors.candidates")(params, seed)
    if name not in _BUILT_IN:
        _check_models(name, models)
    return models


def _check_models(name: str, models: Any) -> None:
    """Raise ConfigurationError unless a package's regressor is a pair of models."""
    if not isinstance(models, tuple) or len(models) != 2:
        raise ConfigurationError(
            f"regressor {name!r}: makes {type(models).__name__}, not (model, model before the first epoch)"
        )
    for model in models:
        steps = getattr(model, "named_steps", {})
        if model is not None and not isinstance(steps.get("features"), CurveFeatures):
            raise ConfigurationError(
                f"regressor {name!r}: makes {type(model).__name__}, not a pipeline with a CurveFeatures as "
                "its step 'features'"
            )
