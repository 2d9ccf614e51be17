"""Predictions of training rows by models that were not fitted on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.utils.validation import has_fit_parameter

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.regressors.folds import are_distinct, row_folds

LEAST_ROWS = 3
"""Least number of training curves."""


def fitted_by_groups(template: Any, X: pd.DataFrame, y: FloatArray, groups: NDArray[Any]) -> Any:
    """Return a pipeline fitted on all rows; its regressor is told the groups if it leaves them out itself."""
    if leaves_groups_out(template[-1]):
        return template.fit(X, y, **{f"{template.steps[-1][0]}__groups": groups})
    return template.fit(X, y)


def leaves_groups_out(regressor: Any) -> bool:
    """Return whether a regressor's `fit` takes groups, so that its out-of-fold predictions leave them out."""
    return bool(has_fit_parameter(regressor, "groups"))


def out_of_fold_predictions(
    fitted: Any,
    template: Callable[[], Any],
    X: pd.DataFrame,
    y: FloatArray,
    groups: NDArray[Any],
    folds: int,
) -> FloatArray | None:
    """Return predictions of the rows of X, [n]: those that the fitted model left behind, or by folds.

    None with less than two folds, or too few rows for them.

    Parameters
    ----------
    fitted : pipeline
        Fitted on all rows.
    template : callable
        Returns a new unfitted pipeline of the same kind.
    X, y, groups
        The training rows, final values and configurations.
    folds : int
        A configuration's rows stay in one fold.
    """
    folds = min(folds, len(np.unique(groups)))
    if folds < 2 or len(y) * (folds - 1) // folds < LEAST_ROWS:
        return None
    unseen = _out_of_bag(fitted[-1])
    # A forest's bag may hold another row of the same configuration.
    if unseen is not None and (are_distinct(groups) or leaves_groups_out(fitted[-1])):
        return unseen
    predicted = np.full(len(y), np.nan)
    for train, test in row_folds(len(y), folds, groups):
        model = _without_out_of_bag(template()).fit(X.iloc[train], y[train])
        predicted[test] = model.predict(X.iloc[test])
    return predicted


def _out_of_bag(regressor: Any) -> FloatArray | None:
    """Return each training row's prediction by the parts not fitted on it; None unless it keeps them."""
    if isinstance(regressor, TransformedTargetRegressor):
        found = _out_of_bag(regressor.regressor_)
        return None if found is None else regressor.transformer_.inverse_transform(found[:, np.newaxis])[:, 0]
    return getattr(regressor, "oob_prediction_", None)


def _without_out_of_bag(template: Any) -> Any:
    """Return a model whose forests skip out-of-bag predictions, which take up to an eighth of a fit."""
    switches = [name for name in template.get_params() if name.endswith("oob_score")]
    return template.set_params(**dict.fromkeys(switches, False))
