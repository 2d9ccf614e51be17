"""Table 2 on other curves: four rows on the same splits, and what these curves do not allow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.predictors.table_2 import table_2
from mlpf_hpo.target_metric import TargetMetric

PARAMS = PredictorsParams.model_validate(
    {"table_2_splits": 3, "table_2_points": 8, "qsvr": {"reads": 5, "sweeps": 20, "points": 8}}
)


@pytest.fixture(scope="module")
def curves() -> LearningCurves:
    generator = np.random.default_rng(0)
    n, epochs = 24, 8
    lr = np.exp(generator.uniform(-10, -4, n))
    values = (1 + (np.log(lr) + 7) ** 2 / 9)[:, None] + 2 * np.exp(-0.5 * np.arange(epochs))
    return LearningCurves(
        configs=pd.DataFrame({"config_id": [str(i) for i in range(n)], "seed": np.arange(n), "lr": lr}),
        metrics={"val/loss": values + 0.05 * generator.normal(size=values.shape)},
        target=TargetMetric("val/loss", "min"),
        status=np.full(n, "finished"),
        restart_epoch=np.full(n, -1),
        source="simulated",
        run_ids=np.full(n, ""),
        hardware=np.full(n, ""),
    )


def test_rows(curves) -> None:
    found = table_2(curves, PARAMS, seed=0)
    assert [row["predictor"] for row in found["rows"]] == ["persistence", "svr", "qsvr", "random_bits"]
    assert (found["splits"], found["points"], found["known_epochs"]) == (3, 8, 2)
    for row in found["rows"]:
        assert len(row["r2_scores"]) == 3
        assert row["worst"] <= row["mean"] <= row["best"] <= 1
        assert row["mean"] == pytest.approx(np.mean(row["r2_scores"]))
        assert row["std"] == pytest.approx(np.std(row["r2_scores"]))
    assert table_2(curves, PARAMS, seed=0) == found


def test_what_these_curves_do_not_allow(curves) -> None:
    labels = {row["label"]: row["reason"] for row in table_2(curves, PARAMS, seed=0)["not_possible"]}
    assert any(
        "64" in reason and "24" in reason for reason in labels.values()
    )  # 4 members x 8, and a test half
    assert any("quantum annealer" in label for label in labels)
    more = PARAMS.model_copy(update={"table_2_points": 20})
    found = table_2(curves, more, seed=0)
    assert (found["points"], found["test_curves"]) == (12, 12), "half of 24"
    assert any("20 training curves" in row["label"] for row in found["not_possible"])
