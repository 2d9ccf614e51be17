"""Trained networks in the Model Registry: stored as they are, found by reference, refused when damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mlpf_hpo.errors import MissingInputError, TrackingError
from mlpf_hpo.files import sha256
from mlpf_hpo.mlpf.training import train_trial
from mlpf_hpo.networks.find_network import find_network, run_of
from mlpf_hpo.networks.registration import register_network_version
from mlpf_hpo.networks.trained_network import TrainedNetwork, load_network
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.network_registry import network_file
from mlpf_hpo.tracking.records import NETWORK, TrialRun
from mlpf_hpo.tracking.versions import CHECKSUM
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning.task import TrialSpec


@pytest.fixture(scope="module")
def spec(make_spec: Callable[..., TrialSpec]) -> TrialSpec:
    return make_spec()


@pytest.fixture(scope="module")
def checkpoints(spec: TrialSpec, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The checkpoints after one epoch and after two."""
    folder = tmp_path_factory.mktemp("trained")
    train_trial(spec, 2, folder, lambda report: None)
    return sorted(folder.iterdir())


@pytest.fixture
def run(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: TrialSpec) -> TrialRun:
    """The run of the training, in an MLflow database of this test's own."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    writer = RunWriter(connect())
    parent = writer.open_parent("reference", "c1", "reference-c1", {}, {}, "a note")
    run_id = writer.open_trial(parent, "reference", "c1", "t000", spec.key, spec.configuration, spec.seed)
    return TrialRun(run_id, writer.experiment_id("reference"), "t000", "t000", spec.key, "c1")


@pytest.fixture
def trained(checkpoints: list[Path]) -> TrainedNetwork:
    return load_network(checkpoints[1])


def test_a_version_says_what_it_is_and_of_which_training(run: TrialRun, trained: TrainedNetwork) -> None:
    version = register_network_version(trained, run)
    assert (version.name, version.run_id, version.aliases) == (NETWORK, run.run_id, ["champion"])
    assert version.tags["trial_key"] == trained.trial_key
    assert version.tags["epoch"] == "2"
    assert json.loads(version.tags["configuration"]) == trained.configuration
    assert json.loads(version.tags["trained_on"]) == trained.trained_on
    assert version.tags[CHECKSUM] == sha256(trained.path)


def test_the_same_weights_come_back_by_every_reference(
    run: TrialRun, trained: TrainedNetwork, checkpoints: list[Path]
) -> None:
    register_network_version(load_network(checkpoints[0]), run)
    register_network_version(trained, run)
    for reference, epoch in (
        ("mlpf@champion", 2),
        ("mlpf/1", 1),
        ("models:/mlpf/2", 2),
        ("models:/mlpf@champion", 2),
    ):
        found, of = find_network(reference)
        assert (found.epoch, of.run_id) == (epoch, run.run_id), reference
    weights = found.network.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in trained.network.state_dict().items())
    assert run_of(trained).run_id == run.run_id, "a checkpoint's run is found in this experiment too"


def test_what_is_registered_is_not_registered_again_but_may_be_champion_again(
    run: TrialRun, trained: TrainedNetwork, checkpoints: list[Path]
) -> None:
    first, second = checkpoints
    assert load_network(second).validation_loss < load_network(first).validation_loss
    for path, number, alias in (
        (first, 1, "champion"),
        (second, 2, "champion"),
        (second, 2, "champion"),
        (first, 1, "challenger"),
    ):
        version = register_network_version(load_network(path), run)
        assert (int(version.version), version.aliases) == (number, [alias])
    losses = [f"{load_network(path).validation_loss:.6g}" for path in checkpoints]
    assert (
        f"validation loss {float(losses[0]):g} against {float(losses[1]):g}; to change" in version.description
    )
    connect().set_registered_model_alias(NETWORK, "champion", "1")
    version = register_network_version(trained, run)
    assert (version.aliases, version.description) == (
        ["challenger"],
        "@champion was moved by hand to version 1: it stays there",
    )


def test_a_smoke_training_does_not_depose_a_long_one(run: TrialRun, checkpoints: list[Path]) -> None:
    """Of other events, whose losses do not compare: less is never better."""
    long, short = load_network(checkpoints[1]), load_network(checkpoints[0])
    n_events = long.trained_on["n_events"]
    register_network_version(long, run)
    other = replace(short, trained_on={**short.trained_on, "digest": "other", "n_events": n_events})
    version = register_network_version(other, run)
    assert version.aliases == ["challenger"]
    assert (
        f"other events: {n_events} events, 1 epochs against {n_events} events, 2 epochs"
        in version.description
    )
    client = connect()
    trained_on = client.get_model_version(NETWORK, "1").tags["trained_on"]
    client.delete_model_version_tag(NETWORK, "1", "trained_on")
    version = register_network_version(other, run)
    assert version.aliases == ["challenger"]
    text = "mlpf version 1 does not say what it was trained on ('trained_on'): it stays"
    assert text in version.description
    client.set_model_version_tag(NETWORK, "1", "trained_on", trained_on)
    client.set_model_version_tag(NETWORK, "1", "epoch", "1")
    assert register_network_version(other, run).aliases == ["champion"], "as much of other events is not less"


def test_damage_is_noticed_and_repaired_by_another_version(run: TrialRun, trained: TrainedNetwork) -> None:
    file = network_file(register_network_version(trained, run))
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(
        TrackingError, match=r"mlpf version 1: .*damaged: its checksum is not the one on record"
    ):
        find_network("mlpf@champion")
    file.unlink()
    with pytest.raises(TrackingError, match=r"mlpf version 1: .*register one anew"):
        find_network("mlpf/1")
    assert int(register_network_version(trained, run).version) == 2
    assert find_network("mlpf@champion")[0].epoch == 2


def test_a_pickle_that_has_its_checksum_on_record_is_not_executed(
    run: TrialRun, trained: TrainedNetwork, tmp_path: Path
) -> None:
    """Whoever can write to the registry still cannot run code here."""

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    version = register_network_version(trained, run)
    file = network_file(version)
    torch.save({"state_dict": Bomb()}, tmp_path / "bomb")
    file.unlink()
    bomb = file.with_name(f"epoch-00002-{sha256(tmp_path / 'bomb')[:16]}.ckpt")
    shutil.copy(tmp_path / "bomb", bomb)
    connect().set_model_version_tag(NETWORK, version.version, CHECKSUM, sha256(bomb))
    with pytest.raises(TrackingError, match="damaged"):
        find_network("mlpf@champion")
    assert not (tmp_path / "exploded").exists()


def test_what_is_not_registered_is_reported(run: TrialRun, trained: TrainedNetwork) -> None:
    for reference in ("mlpf@champion", "mlpf/1"):
        with pytest.raises(
            MissingInputError, match="no such network; `make reference` trains and registers one"
        ):
            find_network(reference)
    register_network_version(trained, run)
    for reference in ("mlpf@nobody", "mlpf/7"):
        with pytest.raises(MissingInputError, match="has no such network"):
            find_network(reference)


def test_without_a_database_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a project whose campaign has not run, wherever the tests run
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(MissingInputError, match="no runs are tracked here yet: run `make repro`"):
        find_network("mlpf@champion")
    assert not list(tmp_path.iterdir())
