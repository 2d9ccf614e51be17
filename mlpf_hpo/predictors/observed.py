"""Curves to be predicted by a fitted predictor, with the epochs that it is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpf_hpo.curves.column_names import TARGET_EPOCH
from mlpf_hpo.curves.left_out_rows import name_rows
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.target_epochs import TargetEpoch
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors.curve_predictor import CurvePredictor


def to_predict(predictor: CurvePredictor, curves: LearningCurves, target: TargetEpoch) -> LearningCurves:
    """Return curves with the target epochs that a predictor is asked for.

    Parameters
    ----------
    predictor : CurvePredictor
        Fitted.
    curves : LearningCurves
        Partial curves.
    target : int, "own" or None
        A number of epochs; otherwise the column `target_epoch` if each curve has its own.

    Raises
    ------
    ConfigurationError
        If the predictor was fitted for another number of epochs.
    DataError
        If it needs a target epoch for each curve, and there is none.
    """
    if not predictor.own_targets:
        if target not in (None, predictor.n_epochs):
            raise ConfigurationError(
                f"--target-epoch {target}: this predictor was fitted for the value after "
                f"{predictor.n_epochs} epochs; fit one with that option"
            )
        return replace(curves, configs=curves.configs.drop(columns=TARGET_EPOCH, errors="ignore"))
    if isinstance(target, int):
        return replace(curves, configs=curves.configs.assign(**{TARGET_EPOCH: target}))
    lacking = np.flatnonzero(curves.target_epochs < 1) if curves.own_targets else np.arange(len(curves))
    if len(lacking):
        rows = [int(row) + 1 for row in curves.configs.index[lacking]]
        raise DataError(
            f"{curves.source}: {name_rows(rows)}: no target epoch, which this predictor "
            f"needs; say after how many epochs the value is to be predicted: a column {TARGET_EPOCH}, or "
            "--target-epoch N"
        )
    return curves
