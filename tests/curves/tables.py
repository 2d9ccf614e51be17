"""Small learning curves for tests of what does not depend on what they mean."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.space import config_id
from mlpf_hpo.target_metric import TargetMetric


def some_curves(n: int, epochs: int, seed: int = 0, warm_up: int = 0) -> LearningCurves:
    """Return curves that fall to an end that depends on a hyperparameter, equal while they warm up."""
    generator = np.random.default_rng(seed)
    lr, dropout = np.exp(generator.uniform(-10, -4, n)), generator.uniform(0, 0.5, n)
    end = 1 + (np.log(lr) + 7) ** 2 / 9 + 0.1 * generator.normal(size=n) ** 2
    values = end[:, None] + generator.uniform(0.5, 2, n)[:, None] * np.exp(-0.4 * np.arange(epochs))
    values[:, :warm_up] = 9.0
    configs = pd.DataFrame({"lr": lr, "dropout": dropout})
    configs.insert(0, "config_id", [config_id(row) for row in configs.to_dict("records")])
    configs.insert(1, "seed", -1)
    return LearningCurves(
        configs=configs,
        metrics={"loss": values},
        target=TargetMetric("loss", "min"),
        status=np.full(n, "finished"),
        restart_epoch=np.full(n, -1),
        source="made up",
        run_ids=np.full(n, ""),
        hardware=np.full(n, ""),
    )
