"""MLflow runs of predictors: the sampling log, the criterion and what decided."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from mlflow import MlflowClient

from mlpf_hpo.config import Params
from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.predictors import nested_cv
from mlpf_hpo.predictors.samplers import mock
from mlpf_hpo.predictors.scoring import bootstrap
from mlpf_hpo.registry.predictor_runs import compare_predictors, summary
from tests.faults.artefacts import QUICK, curves

PARAMS = Params.model_validate(
    {
        "predictors": {
            "candidates": ["persistence", "qsvr"],
            "criterion": "spearman",
            "outer_folds": 2,
            "inner_folds": 2,
            "table_2_splits": 1,
            "table_2_points": 3,
            "qsvr": {"sampler": "mock_zephyr", "reads": 4, "sweeps": 10, "points": 4, "chain_strength": 2.0},
        }
    }
)


def test_embedding_and_chain_breaks_are_on_record(monkeypatch, tmp_path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setitem(mock.GRAPHS, "zephyr", [4, 4])  # a small device: it is made, and embeds, in no time
    mock._device.cache_clear()
    table = tmp_path / "curves.parquet"
    write_curves(curves(), table)
    content = compare_predictors(PARAMS.predictors, PARAMS.seed, table, tmp_path / "models")
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("mlpf/predictors")
    runs = {run.data.tags["predictor"]: run.data for run in client.search_runs([experiment.experiment_id])}
    qsvr, persistence = runs["qsvr"], runs["persistence"]
    assert qsvr.params["sampling.topology"] == "zephyr [4, 4]"
    assert qsvr.params["sampling.solver"] == "MockDWaveSampler"
    assert qsvr.metrics["summary/sampling/fits"] >= 1
    assert qsvr.metrics["summary/sampling/qubits"] >= 24  # 4 points, 3 bits for each of 8 multipliers
    assert 0 <= qsvr.metrics["summary/sampling/chain_break_fraction"] <= 1
    assert qsvr.metrics["summary/sampling/chain_strength"] >= 2
    assert not any("sampling" in name for name in (*persistence.metrics, *persistence.params))
    assert content["sampling"]["qsvr"][0]["sampling/reads"] == 4
    mock._device.cache_clear()


def test_runs_of_the_search_criterion_are_resumed_and_those_of_another_are_others(
    monkeypatch, tmp_path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    table = tmp_path / "curves.parquet"
    write_curves(curves(), table)
    monkeypatch.setattr(nested_cv, "SHARES", (0.0, 0.25))
    monkeypatch.setattr(nested_cv, "bootstrap", partial(bootstrap, draws=2))
    settings = QUICK.predictors.model_copy(update={"candidates": ("persistence", "ridge")})

    def runs_after(criterion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        used = settings.model_copy(update={"criterion": criterion})
        content = compare_predictors(used, 0, table, tmp_path / "models")
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name("mlpf/predictors")
        return content, {run.info.run_id: run.data for run in client.search_runs([experiment.experiment_id])}

    content, runs = runs_after("search")
    search = content["search"]
    assert json.loads(json.dumps(content))["search"] == search
    assert f"decided by {search['decided_by']}" in summary(content)
    for data in runs.values():
        name = data.tags["predictor"]
        assert data.params["criterion"] == "search"
        assert data.tags["decided_by"] == search["decided_by"]
        assert data.metrics["summary/epochs_ratio"] == search["epochs_ratio"][name]["mean"]
        assert data.metrics["summary/spearman"] == content["predictors"][name]["spearman"]["mean"]
    again, same = runs_after("search")
    assert set(same) == set(runs)
    assert again["search"] == search
    _, more = runs_after("spearman")
    others = [data for run_id, data in more.items() if run_id not in runs]
    assert [data.tags["decided_by"] for data in others] == ["spearman", "spearman"]
    assert not any("summary/epochs_ratio" in data.metrics for data in others)
