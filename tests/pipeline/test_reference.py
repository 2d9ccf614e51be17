"""The reference training at a tiny size: its own `dvc repro` in a clone, and what it leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
import yaml

from mlpf_hpo.files import read_record, sha256
from mlpf_hpo.networks.trained_network import load_network
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.network_registry import find_network, network_file
from tests.clones import Clone, merged

pytestmark = pytest.mark.pipeline

STUDY = "studies/reference_training"

STAGES = {"events", "train", "physics", "register", "report"}

TINY = {
    "pileup": 2.0,
    "minimum_bias_pool": 60,
    "events": {"train": 12, "ttbar": 6, "qcd": 6},
    "epochs": 2,
    "configuration": {"output_dim": 8, "bin_size": 32},
    "network": {"embedding_dim": 8, "class_head": [8], "charge_head": [8], "regression_head": [8]},
    "training": {"threads": 1},
}


def test_the_study_turns_once_and_its_network_can_be_used(make_clone: Callable[[], Clone]) -> None:
    clone = make_clone()
    file = clone.folder / STUDY / "params.yaml"
    file.write_text(yaml.safe_dump(merged(yaml.safe_load(file.read_text()), TINY)))
    told = clone.run("dvc", "repro", f"{STUDY}/dvc.yaml")
    assert set(re.findall(r"Running stage '.*:(\w+)'", told)) == STAGES
    results = clone.folder / STUDY / "results"

    training = read_record(results / "training.json", "train")
    metrics = json.loads((results / "metrics.json").read_text())
    assert len(training["epochs"]) == metrics["epochs"] == 2
    assert metrics["validation_loss"] == training["epochs"][-1]["val/loss"]
    for process in ("ttbar", "qcd"):
        said = metrics[process]["charged_hadron_efficiency"]
        assert 0 < said["ycand"] <= 1
        assert said["copy"] >= said["ycand"], "every track is taken for charged, as by the rules"
    page = (results / "index.html").read_text()
    for words in ("copied input", "held-back ttbar", "more epochs", "MLPF is worse in", "<svg"):
        assert words in page
    assert len(re.findall(r'<h2 id="', page)) == len(set(re.findall(r'<h2 id="([^"]*)"', page)))
    assert len(list((results / "figures").glob("*.png"))) == 5

    client = connect(f"sqlite:///{clone.folder / 'mlflow.db'}")
    version = find_network(client, "mlpf@champion")
    kept = load_network(clone.folder / STUDY / "network")
    stored = network_file(version, client.tracking_uri)
    assert sha256(stored) == sha256(kept.path) == read_record(results / "register.json", "x")["sha256"]
    run = client.get_run(version.run_id)
    assert (run.info.status, run.data.tags["trial_key"]) == ("FINISHED", kept.trial_key)
    losses = [point.value for point in client.get_metric_history(version.run_id, "val/loss")]
    assert losses == [epoch["val/loss"] for epoch in training["epochs"]]

    assert "Running stage" not in clone.run("dvc", "repro", f"{STUDY}/dvc.yaml")
