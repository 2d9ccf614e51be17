"""A campaign begun on one machine and extended on another: every trial leads to its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlpf_hpo.config import Params
from mlpf_hpo.hardware.host import LABEL_VARIABLE
from mlpf_hpo.mlpf.task import task_of
from mlpf_hpo.reporting.machines import compare_machines
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.learning_curves import curves_from_trials
from mlpf_hpo.tracking.store_writes import NOTE
from mlpf_hpo.tuning.campaign import run_campaign

HEADS = {"class_head": [8], "charge_head": [8], "regression_head": [8]}
TINY = {
    "network": {"embedding_dim": 8, "hash_columns": 16, **HEADS},
    "training": {"batch_events": 4},
    "space": {"output_dim": {"values": [8, 16]}},
}


@pytest.mark.ray
@pytest.mark.pipeline
def test_each_trial_leads_to_its_own_machine(
    stores, empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow.db").write_bytes(empty_database.read_bytes())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for label, trials in (("box-a", 3), ("box-b", 5)):
        monkeypatch.setenv(LABEL_VARIABLE, label)
        params = Params.model_validate({**TINY, "campaign": {"trials": trials, "epochs": 2}})
        record = run_campaign(
            task_of(params, stores[0].parent), params.space.search_space(), params.target.with_mode(),
            params.campaign, seed=params.seed, resources=params.resources, state=tmp_path / ".state",
        )  # fmt: skip
    assert record.runs["reused"] == 3
    assert [host["hardware_label"] for host in record.runs["hosts"]] == ["box-a", "box-b"]
    assert "by machine:" in record.runs["links"]
    client = connect()
    trials = reader.trials(client, "campaign")
    assert [trial.hardware_label for trial in trials] == ["box-a"] * 3 + ["box-b"] * 2
    for trial in trials:
        tags = client.get_run(trial.run_id).data.tags
        path = re.search(r"/artifacts/(hosts/\S+\.json)\?", tags[NOTE])[1]
        assert path.startswith(f"hosts/{trial.hardware_label}-")
        stored = [file.path for file in client.list_artifacts(record.runs["parent_run_id"], "hosts")]
        assert path in stored
        assert tags["cpu"] == record.runs["hosts"][0]["cpu_model"]
    curves = curves_from_trials(trials, TargetMetric("val/loss", "min"), 2, "both")
    machines = compare_machines(curves)
    assert [(machine.label, len(machine.rates)) for machine in machines] == [("box-a", 3), ("box-b", 2)]
