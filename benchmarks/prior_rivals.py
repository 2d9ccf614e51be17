"""Well-known models of the hyperparameters alone: a yardstick for the selection before the first epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor

from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.curves.row_order import by_content
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.hardware.host import usable_cpus
from mlpf_hpo.parallel import parallel
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.regressors.rank_transform import RankScale
from mlpf_hpo.predictors.scoring import held_out, score
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.seeds import derive_seed

FloatArray = NDArray[np.float64]

TREES = 200
RANKINGS = ("spearman", "top_recall")
"""Scores that need no values in units of the metric."""


def rivals(curves: LearningCurves, train: int, splits: int, seed: int) -> dict[str, dict[str, list[float]]]:
    """Return rival -> metric -> scores split by split, on the splits of `repeated_splits.evaluate`."""
    ordered = by_content(curves)
    calls = ((ordered, train, seed, split) for split in range(splits))
    found = list(parallel(_split, calls, usable_cpus()))
    return {name: {metric: [one[name][metric] for one in found] for metric in RANKINGS} for name in found[0]}


def _split(curves: LearningCurves, train: int, seed: int, split: int) -> dict[str, dict[str, float]]:
    frame, seen, y = curves.frame(), curves.frame(0), curves.final
    rows, test = held_out(curves.groups, train, derive_seed(seed, "split", split))
    made = make_predictor("gaussian_process", PredictorsParams(), seed, [0], folds=0)
    process = made.fit(frame.iloc[rows], y[rows]).predict(seen.iloc[test])
    features = CurveFeatures().fit(frame.iloc[rows])
    X, new = features.transform(frame.iloc[rows]), features.transform(frame.iloc[test])
    target = RankScale().fit_transform(y[rows][:, np.newaxis])[:, 0]
    trees = ExtraTreesRegressor(TREES, random_state=split).fit(X, target).predict(new)
    boosting = HistGradientBoostingRegressor(random_state=split).fit(X, target).predict(new)
    predictions = {
        "gaussian_process": process,
        "extra_trees": trees,
        "hist_gradient_boosting": boosting,
        "rank_mean": rankdata(process) + rankdata(trees),
    }
    return {
        name: score(y[test], values, y[test], values, curves.mode) for name, values in predictions.items()
    }
