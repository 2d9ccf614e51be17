"""Somebody else's task, and somebody else's scheduler, through the whole pipeline by params.yaml alone."""

from __future__ import annotations

import json

import pytest
import yaml

from mlpf_hpo.curves.dataset import read_curves
from tests.extension import install

pytestmark = pytest.mark.pipeline

SPACE = {
    "lr": {"low": 1e-3, "high": 0.3, "scale": "log"},
    "penalty": {"low": 1e-6, "high": 0.1, "scale": "log"},
    "batch_size": {"type": "int", "low": 8, "high": 32, "scale": "log"},
    "optimizer": {"values": ["sgd", "adam"]},
    "bias": {"values": [False, True]},
}

SCHEDULERS = [
    {"name": "asha"},
    {"name": "asha", "prediction": {}},
    {"name": "promotion_asha", "prediction": {"coverage": 0.5}, "label": "promoting"},
    {"name": "every_other", "grace_epochs": 2},
    {"name": "freeze_thaw"},
]


def test_a_toy_task_goes_through_every_stage(with_events, copy, tmp_path, measured) -> None:
    clone = copy(with_events)
    clone.write_params(
        {"search": {"schedulers": SCHEDULERS, "configurations": 6}, "campaign": {"trials": 14}}
    )
    file = clone.folder / "params.yaml"
    content = yaml.safe_load(file.read_text())
    content |= {"space": SPACE, "task": "tests.toy_task:ToyRegression", "task_settings": {"rows": 48}}
    file.write_text(yaml.safe_dump(content))
    clone.environment["PYTHONPATH"] = str(install(tmp_path))

    output = clone.run("dvc", "repro")

    campaign = json.loads((clone.folder / "data/campaign.json").read_text())
    assert {trial["status"] for trial in campaign["trials"]} == {"finished"}
    search = json.loads((clone.folder / "results/search.json").read_text())
    assert search["task"] == "toy regression"
    assert list(search["schedulers"]) == [
        "asha",
        "asha+prediction",
        "promoting",
        "every_other",
        "freeze_thaw",
    ]
    assert search["schedulers"]["freeze_thaw"]["prior"].startswith("14 curves of campaign")
    assert search["schedulers"]["asha"]["prior"] is None
    expected = search["schedulers"]["freeze_thaw"]["posterior"]
    assert set(expected) == {trial["trial_id"] for trial in search["schedulers"]["asha"]["trials"]}
    assert search["schedulers"]["asha"]["posterior"] is None
    configurations = [
        [trial["configuration"] for trial in found["trials"]] for found in search["schedulers"].values()
    ]
    assert configurations == [configurations[0]] * 5
    assert set(configurations[0][0]) == set(SPACE)
    curves = read_curves(clone.folder / "data/curves.parquet")
    kinds = {"lr": float, "penalty": float, "batch_size": int, "optimizer": str, "bias": bool}
    for name, kind in kinds.items():
        assert {type(one[name]) for one in configurations[0]} == {kind}
        assert {type(value) for value in curves.configs[name].tolist()} == {kind}
    assert set(curves.configs["optimizer"]) == {"sgd", "adam"}
    other = search["schedulers"]["every_other"]["trials"]
    assert [len(trial["curve"]) for trial in other] == [5, 2] * 3
    for label in ("ASHA:", "ASHA + prediction (predictor version 1):", "promoting:", "every_other:"):
        assert f"search: {label}" in output
    assert "physics: trials are of task tests.toy_task:ToyRegression" in output
    page = (clone.folder / "report/index.html").read_text()
    assert "tests.toy_task:ToyRegression hyperparameter search" in page
    assert "What the best trial reconstructs" not in page
    assert "how MLPF reconstructs particles is not judged" in page
    for label in ("promoting", "every_other"):
        assert f"under {label}" in page
    metrics = json.loads((clone.folder / "report/metrics.json").read_text())
    assert "search.every_other.epochs" in metrics
    assert "up to date" in clone.run("dvc", "status", "campaign", "curves", "search", "report")
    refused = clone.run("mlpf-hpo", "train", "--out", "out", status=1)
    assert "`mlpf-hpo train` trains MLPF only" in " ".join(refused.split())
