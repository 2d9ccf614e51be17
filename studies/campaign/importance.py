"""Importance of each hyperparameter: a forest's permutation importance on configurations it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

from mlpf_hpo.curves.schema import LearningCurves, text_columns
from mlpf_hpo.seeds import derive_seed
from studies.campaign.data import costs, one_each

LEAST = 12
"""Of fewer configurations a forest learns nothing."""

SHUFFLES = 5
"""How often a column is permuted in each bootstrap."""


def importances(curves: LearningCurves, forests: int, trees: int, seed: int) -> dict[str, Any] | None:
    """Return by how much R2 of held-out configurations falls when a hyperparameter is permuted.

    In each bootstrap, configurations are drawn with replacement, a forest is fitted on them, and those not
    drawn are predicted. The target is the rank of the final value, from 0 to 1: a few large losses would
    decide everything else. Means over the bootstraps, and their 95 % intervals.

    Returns
    -------
    dict or None
        `configurations`, `r2`, `hyperparameters` (name -> mean, low, high), most important first; None with
        too few configurations.
    """
    used = one_each(curves)
    n = len(used)
    if n < LEAST:
        return None
    X, y = numeric_columns(used).to_numpy(), rankdata(costs(used)[:, -1]) / n
    fits, falls = [], []
    for draw in range(forests):
        generator = np.random.default_rng(derive_seed(seed, "importance", draw))
        drawn = generator.integers(n, size=n)
        held = np.setdiff1d(np.arange(n), drawn)
        state = derive_seed(seed, "forest", draw) % 2**32
        forest = RandomForestRegressor(trees, min_samples_leaf=2, random_state=state).fit(X[drawn], y[drawn])
        fits.append(float(forest.score(X[held], y[held])))
        found = permutation_importance(forest, X[held], y[held], n_repeats=SHUFFLES, random_state=state)
        falls.append(found.importances_mean)
    names = used.hyperparameters
    each = {name: _spread([fall[i] for fall in falls]) for i, name in enumerate(names)}
    ordered = sorted(each, key=lambda name: -each[name]["mean"])
    return {
        "configurations": n,
        "r2": _spread(fits),
        "hyperparameters": {name: each[name] for name in ordered},
    }


def numeric_columns(curves: LearningCurves) -> pd.DataFrame:
    """Return the hyperparameters as numbers; of texts the places of their values in alphabetical order."""
    table = curves.configs[list(curves.hyperparameters)]
    codes = {name: pd.factorize(table[name], sort=True)[0] for name in text_columns(table)}
    return table.assign(**codes).astype(float)


def _spread(values: Sequence[float]) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}
