"""`rank_by_prior`: order configurations by what a prior campaign says of their hyperparameters alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.curves.schema import LearningCurves, regressor_columns, text_columns
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors.regressors.joint_process import JointProcess
from mlpf_hpo.predictors.regressors.rank_transform import RankScale
from mlpf_hpo.predictors.value_scale import ValueScale
from mlpf_hpo.space import Configuration, Mode

LEAST_ROWS = 3
"""Fewer final values say nothing of hyperparameters."""


_LAST: list[tuple[pd.DataFrame, FloatArray, dict[str, Configuration], list[str]]] = []
"""The last prior's configurations and costs, trials and ranking: a replay ranks the same often."""


def require_prior(prior: LearningCurves | None, mode: Mode, scheduler: str) -> LearningCurves:
    """Return the curves of the prior campaign that a scheduler cannot do without.

    Raises
    ------
    ConfigurationError, DataError
        If there is none, it has another mode, or too few of its trainings came to an end.
    """
    if prior is None:
        raise ConfigurationError(f"{scheduler} needs the curves of a prior campaign, none is given")
    check_mode(prior, mode, scheduler)
    check_known(prior, final_costs(prior), LEAST_ROWS)
    return prior


def check_mode(prior: LearningCurves, mode: Mode, scheduler: str) -> None:
    """Refuse a prior campaign whose good values are the other ones."""
    if prior.mode != mode:
        raise ConfigurationError(f"{scheduler}: mode {mode}, but the prior's target is {prior.target}")


def check_known(prior: LearningCurves, final: FloatArray, least: int) -> None:
    """Refuse a prior campaign of which fewer final values [n] are known, finite, than are needed."""
    known = int(np.isfinite(final).sum())
    if known < least:
        censored = int(prior.censored.sum())
        raise DataError(
            f"prior {prior.source or 'campaign'}: {known} of {len(prior)} curves have a final value"
            f"{f' ({censored} censored)' if censored else ''}; needed are {least}"
        )


def rank_by_prior(prior: LearningCurves, configurations: Mapping[str, Configuration]) -> list[str]:
    """Return trials by their predicted final values, the best first.

    A Gaussian process of the hyperparameters that both have, fitted on the prior's final values, predicts
    them. A diverged training counts as the worst of the prior. Of equal predictions the first trial comes
    first. The last ranking is kept for a next call with the same prior and trials.

    Parameters
    ----------
    prior : LearningCurves
        Curves of the prior campaign.
    configurations : mapping of str to mapping
        Trial -> hyperparameter name -> value.

    Raises
    ------
    ConfigurationError
        If they share no hyperparameter, or one is a number here and a text there.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> rates = [0.1, 0.2, 0.3, 0.4, 0.5]
    >>> losses = [[1.0, rate] for rate in rates]
    >>> target = TargetMetric("loss", "min")
    >>> prior = LearningCurves.from_arrays([{"lr": rate} for rate in rates], losses, target)
    >>> rank_by_prior(prior, {"t0": {"lr": 0.45}, "t1": {"lr": 0.15}, "t2": {"lr": 0.25}})
    ['t1', 't2', 't0']
    """
    asked: dict[str, Configuration] = {trial_id: dict(one) for trial_id, one in configurations.items()}
    costs = final_costs(prior)
    for configs, known, trials, ranking in _LAST:
        if configs is prior.configs and np.array_equal(known, costs, equal_nan=True) and trials == asked:
            return list(ranking)
    ranking = _rank(prior, costs, asked)
    _LAST[:] = [(prior.configs, costs, asked, ranking)]
    return list(ranking)


def _rank(prior: LearningCurves, costs: FloatArray, configurations: Mapping[str, Configuration]) -> list[str]:
    rows = np.flatnonzero(np.isfinite(costs))
    offered = pd.DataFrame([dict(one) for one in configurations.values()])
    names = shared_hyperparameters(prior, offered)
    features = CurveFeatures().fit(regressor_columns(prior.configs[names].iloc[rows]))
    X = features.transform(regressor_columns(prior.configs[names].iloc[rows]))
    varying = np.ptp(X, axis=0) > 0
    trials = list(configurations)
    if not varying.any():
        return trials
    scale = make_pipeline(RankScale(), StandardScaler()).fit(X[:, varying])
    process = JointProcess().fit(
        scale.transform(X[:, varying]), ValueScale().fit(costs[rows]).transform(costs[rows])
    )
    new = features.transform(regressor_columns(offered[names]))
    predicted = process.predict(scale.transform(new[:, varying]))
    return [trials[row] for row in np.argsort(predicted, kind="stable")]


def final_costs(prior: LearningCurves) -> FloatArray:
    """Return final values with the sign that makes smaller better; NaN where they are not known."""
    costs = prior.final if prior.mode == "min" else -prior.final
    finite = costs[np.isfinite(costs)]
    if len(finite):
        costs = np.where((prior.status == "diverged") & ~np.isfinite(costs), finite.max(), costs)
    return np.where(np.isfinite(costs), costs, np.nan)


def shared_hyperparameters(prior: LearningCurves, offered: pd.DataFrame) -> list[str]:
    """Return the names of the hyperparameters that the prior and all trials have."""
    complete = [str(name) for name in offered.columns if offered[name].notna().all()]
    names = [name for name in prior.hyperparameters if name in complete]
    if not names:
        raise ConfigurationError(
            f"the prior {prior.source or 'campaign'} shares no hyperparameter with the trials: it has "
            f"{', '.join(prior.hyperparameters) or 'none'}, they have {', '.join(complete) or 'none'}"
        )
    differing = set(text_columns(prior.configs[names])) ^ set(text_columns(offered[names]))
    if differing:
        raise ConfigurationError(
            f"hyperparameter {min(differing)} is a text in the prior or the trials, a number in the other"
        )
    return names
