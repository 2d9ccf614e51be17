"""A reader of curves: a line of JSON per trial, {"params": {...}, "values": [...]}."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mlpf_hpo.curves.restarts import first_restarts
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import MissingInputError
from mlpf_hpo.space import config_id
from mlpf_hpo.target_metric import TargetMetric


def read(
    path: Path, hyperparameters: Sequence[str] | None, loss_prefix: str, name: str, mode: str | None = None
) -> LearningCurves:
    """Return the curves of a file."""
    if not path.is_file():
        raise MissingInputError(f"{path}: no such file")
    trials = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    names = list(hyperparameters or trials[0]["params"])
    configs = pd.DataFrame([trial["params"] for trial in trials])[names]
    configs.insert(0, "config_id", [config_id(row) for row in configs.to_dict("records")])
    configs.insert(1, "seed", -1)
    values, nothing = np.array([trial["values"] for trial in trials], dtype=float), np.full(len(trials), "")
    return LearningCurves(
        configs=configs,
        metrics={"loss": values},
        target=TargetMetric("loss", "max" if mode == "max" else "min"),
        status=np.full(len(trials), "finished"),
        restart_epoch=first_restarts(values),
        source=name,
        run_ids=nothing,
        hardware=nothing,
    )
