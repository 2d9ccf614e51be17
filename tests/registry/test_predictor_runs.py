"""The sampling log of a predictor is recorded in its MLflow run."""

from __future__ import annotations

from mlflow import MlflowClient

from mlpf_hpo.config import Params
from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.predictors.samplers import mock
from mlpf_hpo.registry.predictor_runs import compare_predictors
from tests.faults.artefacts import curves

PARAMS = Params.model_validate(
    {
        "predictors": {
            "candidates": ["persistence", "qsvr"],
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
