"""`dvc repro` in a temporary clone: everything once, nothing twice, only what depends on a change."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from mlpf_hpo.config import load_params
from mlpf_hpo.config.champion import search_scope
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.registry.load import load_champion
from mlpf_hpo.search.search_result import best_trial
from mlpf_hpo.space import TABLE_1
from mlpf_hpo.tracking.client import connect

pytestmark = pytest.mark.pipeline

STAGES = [
    "events",
    "campaign",
    "curves",
    "predictors",
    "register",
    "champion",
    "search",
    "physics",
    "benchmark",
    "report",
]


def ran(output: str) -> list[str]:
    """Return the stages that `dvc repro` ran, in order."""
    return re.findall(r"Running stage '(\w+)'", output)


def registry_of(clone) -> tuple[MlflowClient, str]:
    """Return a client of a clone's registry, and the registered model of its search's champion."""
    scope = search_scope(load_params(clone.folder / "params.yaml"))
    return connect(f"sqlite:///{clone.folder / 'mlflow.db'}"), scope.model


@pytest.fixture(scope="module")
def clone(finished, copy):
    return copy(finished)


def test_every_stage_ran_once(clone) -> None:
    assert sorted(ran(clone.output)) == sorted(STAGES)
    assert "http://127.0.0.1:5000/#/experiments/" in clone.output


def test_nobody_writes_to_the_home_folder(clone, read_only_home, measured) -> None:
    """Pythia, Ray, MLflow, DVC: none needs to."""
    if read_only_home is None:
        pytest.skip("no file system can be mounted here; it takes root")
    with pytest.raises(OSError, match="Read-only"):
        (read_only_home / "file").touch()
    measured("machine", "`dvc repro` with a read-only home folder", "all stages run to their end")


def test_mlflow_holds_every_trial(clone) -> None:
    uri = f"sqlite:///{clone.folder / 'mlflow.db'}"
    client = connect(uri)
    campaign = json.loads((clone.folder / "data/campaign.json").read_text())
    runs = json.loads((clone.folder / "data/campaign_runs.json").read_text())
    assert len(runs["run_ids"]) == 14
    for run_id, planned in zip(runs["run_ids"], campaign["trials"], strict=True):
        run = client.get_run(run_id)
        assert run.data.tags["mlflow.parentRunId"] == runs["parent_run_id"]
        assert run.data.tags["trial_key"] == planned["trial_key"]
        assert {"hardware_id", "hardware_label", "trial_status"} <= set(run.data.tags)
        assert set(TABLE_1.names) <= set(run.data.params)
        assert run.inputs.dataset_inputs, "the data set is an input of the run"
        epochs = 5 if planned["status"] == "finished" else len(client.get_metric_history(run_id, "val/loss"))
        for metric in ("train/loss", "val/loss", "throughput/events_per_second", "time/epoch_seconds"):
            steps = [point.step for point in client.get_metric_history(run_id, metric)]
            assert steps == list(range(1, epochs + 1)), metric


def test_the_curves_are_those_of_mlflow(clone) -> None:
    table = pd.read_parquet(clone.folder / "data/curves.parquet")
    assert len(table) == 14
    assert (clone.folder / "data/curves.card.md").read_text().strip()


def test_the_champion_is_registered_and_used(clone) -> None:
    registered = json.loads((clone.folder / "results/register.json").read_text())
    search = json.loads((clone.folder / "results/search.json").read_text())
    assert search["champion"]["version"] == str(registered["version"])
    scope = search_scope(load_params(clone.folder / "params.yaml"))
    assert search["champion"]["name"] == registered["model"] == scope.model
    uri, record = f"sqlite:///{clone.folder / 'mlflow.db'}", clone.folder / "results/champion.json"
    predictor, version = load_champion(scope, record, uri)
    assert isinstance(predictor, CurvePredictor)
    assert str(version.version) == str(registered["version"])


def test_the_benchmark_and_every_predictor_are_on_record(clone) -> None:
    client = connect(f"sqlite:///{clone.folder / 'mlflow.db'}")
    found = {}
    for kind in ("predictors", "benchmark"):
        experiment = client.get_experiment_by_name(f"mlpf/{kind}").experiment_id
        found[kind] = client.search_runs([experiment])
    candidates = set(load_params(clone.folder / "params.yaml").predictors.candidates)
    assert {run.data.tags["predictor"] for run in found["predictors"]} == candidates
    (benchmark,) = found["benchmark"]
    assert benchmark.data.metrics["summary/mlpf-train-cpu"] > 0
    assert {file.path for file in client.list_artifacts(benchmark.info.run_id)} == {
        "hosts",
        "mlpf-bmk_summary.json",
    }


def test_the_best_trial_is_judged(clone) -> None:
    search = json.loads((clone.folder / "results/search.json").read_text())
    judged = json.loads((clone.folder / "results/physics/validation_result.json").read_text())["about"]
    best = best_trial(search)
    assert (judged["trial"], judged["trial_key"]) == (best["trial_id"], best["trial_key"])
    digest = EventStore.open(clone.folder / "data/events/train").digest
    trained_on = judged["trained_on"]
    assert set(trained_on.pop("granularity")) == {"ECAL", "HCAL"}
    assert trained_on == {"process": "ttbar", "n_events": 16, "pileup": 0.0, "digest": digest}
    client = connect(f"sqlite:///{clone.folder / 'mlflow.db'}")
    run = client.get_run(best["run_id"])
    assert "summary/physics_photon_efficiency" in run.data.metrics
    kept = {file.path for file in client.list_artifacts(best["run_id"], "physics")}
    assert kept == {"physics/figures", "physics/validation_result.json", "physics/table.csv"}
    output = clone.run("mlpf-hpo", "physics", best["run_id"], "--events", "data/events/validation")
    assert "jets: efficiency" in output


def test_schedulers_saw_the_same_configurations(clone) -> None:
    schedulers = json.loads((clone.folder / "results/search.json").read_text())["schedulers"]
    seen = [[trial["configuration"] for trial in policy["trials"]] for policy in schedulers.values()]
    assert len(seen) == 2
    assert seen[0] == seen[1]
    firsts = [[trial["curve"][:1] for trial in policy["trials"]] for policy in schedulers.values()]
    assert firsts[0] == firsts[1], "equal keys give equal curves"


def test_the_report_is_one_page(clone) -> None:
    page = (clone.folder / "report/index.html").read_text()
    assert "<svg" in page
    assert not re.findall(r"""(?:src|href)=["']https?://(?!127\.0\.0\.1)""", page)


def test_a_second_run_does_nothing(clone) -> None:
    output = clone.run("dvc", "repro")
    assert ran(output) == ["champion"], "who is asked every time, and says the same"
    assert "stages: all up to date" in clone.run("mlpf-hpo", "status")


def test_an_alias_moved_by_hand_is_searched_with(clone) -> None:
    """The other version is of the same content, so that all of the search's trials are on record."""
    client, model = registry_of(clone)
    first = client.get_model_version(model, "1")
    second = client.create_model_version(
        model, first.source, first.run_id, first.tags, model_id=first.model_id
    )
    client.set_registered_model_alias(model, "champion", second.version)
    assert f"stale: {model}@champion is version 2 now" in clone.run("mlpf-hpo", "status")
    assert ran(clone.run("dvc", "repro", "search")) == ["champion", "search"]
    assert json.loads((clone.folder / "results/search.json").read_text())["champion"]["version"] == "2"


def test_a_change_runs_what_depends_on_it(clone) -> None:
    clone.write_params({"benchmark": {"epochs": 3}})
    try:
        assert ran(clone.run("dvc", "repro")) == ["champion", "benchmark", "report"]
    finally:
        clone.write_params({})


def test_curves_travel_by_push_and_pull(clone, make_clone, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    for command in (
        ["dvc", "remote", "add", "-d", "shared", str(remote)],
        ["dvc", "push", "-q", "data/curves.parquet"],
        ["git", "add", "-f", "dvc.lock", "params.yaml", ".dvc/config"],
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "curves"],
    ):
        clone.run(*command)
    other = make_clone()
    other.run("git", "checkout", "-q", "--", ".")
    other.run("git", "pull", "-q", str(clone.folder))
    other.run("dvc", "pull", "-q", "data/curves.parquet")
    read = [(c.folder / "data/curves.parquet").read_bytes() for c in (clone, other)]
    assert read[0] == read[1]
    output = other.run("dvc", "repro", "--single-item", "curves", status=255)
    assert "Traceback" not in output


def test_what_is_gone_from_the_registry_comes_back_by_the_command_that_is_named(clone) -> None:
    """Versions deleted, the alias with them; then all of MLflow's database."""
    client, model = registry_of(clone)
    for version in client.search_model_versions(f"name = '{model}'"):
        client.delete_model_version(model, version.version)
    told = rf"^error: .* has no {model}@champion, .*; the stage `register` makes one \((dvc repro [-\w ]+)\)$"
    for number in ("3", "1"):
        output = clone.run("dvc", "repro", "search", status=255)
        remedy = re.search(told, output, re.MULTILINE)
        assert remedy is not None, output
        assert "Traceback" not in output
        assert ran(clone.run(*remedy[1].split())) == ["register"]
        assert f"version {number}: " in clone.run("dvc", "repro", "champion")
        (clone.folder / "mlflow.db").unlink()
