"""The learning curves of trials that MLflow holds, as a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlpf_hpo.curves.ends import pad_curves
from mlpf_hpo.curves.restarts import first_restarts
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError, did_you_mean
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import config_id
from mlpf_hpo.target_metric import TargetMetric


def curves_from_trials(
    trials: Sequence[TrialSummary],
    target: TargetMetric,
    n_epochs: int,
    source: str,
) -> LearningCurves:
    """Return the curves of tracked trials, cut or padded with NaN to `n_epochs`.

    Raises
    ------
    DataError
        If there are no trials, or none logged the target.
    """
    if not trials:
        raise DataError(f"{source}: no trials")
    names = sorted({name for trial in trials for name in trial.metrics})
    if target.metric not in names:
        raise DataError(f"{source}: no trial logged {target.metric}{did_you_mean(target.metric, names)}")
    metrics = {
        name: pad_curves([trial.metrics.get(name, ()) for trial in trials], n_epochs) for name in names
    }
    configs = pd.DataFrame([dict(trial.configuration) for trial in trials])
    configs.insert(0, "config_id", [config_id(trial.configuration) for trial in trials])
    configs.insert(1, "seed", [trial.seed for trial in trials])
    return LearningCurves(
        configs=configs,
        metrics=metrics,
        target=target,
        status=np.array([trial.status for trial in trials]),
        restart_epoch=first_restarts(metrics[target.metric]),
        source=source,
        run_ids=np.array([trial.run_id for trial in trials]),
        hardware=np.array([trial.hardware_label for trial in trials]),
    )
