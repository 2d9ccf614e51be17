"""The network of a trial on record: from the folder of state, from its run, or trained again."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpf_hpo.errors import DataError, MissingInputError, TrackingError
from mlpf_hpo.mlpf.training import train_trial
from mlpf_hpo.networks.find_network import find_network
from mlpf_hpo.networks.trained_network import load_network
from mlpf_hpo.target_metric import VALIDATION_LOSS
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning import ray_session
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.task import TrialSpec
from mlpf_hpo.tuning.trial_network import ensure_network
from tests.tracking.servers import MlflowServer

TWO = ResourceParams(concurrency=2, gpus_per_trial=0)

EPOCHS = 2


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start Ray once; what trains again uses a session that it finds."""
    with ray_session.ray_session(tmp_path_factory.mktemp("ray"), TWO):
        yield


@pytest.fixture(scope="module")
def spec(make_spec: Callable[..., TrialSpec]) -> TrialSpec:
    return make_spec()


@pytest.fixture(scope="module")
def trained_state(spec: TrialSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with the trial, trained under the search c1."""
    state = tmp_path_factory.mktemp("state")
    train_trial(spec, EPOCHS, state / "checkpoints" / "c1" / spec.key, lambda report: None)
    return state


@pytest.fixture
def state(trained_state: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_state, tmp_path / "state"))


def record(uri: str, spec: TrialSpec, checkpoints: Path) -> dict[str, Any]:
    """Put the trial on record as a search that stopped it does, and return its row of search.json."""
    writer = RunWriter(connect(uri))
    parent = writer.open_parent("search", "c1", "search-c1", {}, {}, "a note")
    run = writer.open_trial(parent, "search", "c1", spec.trial_id, spec.key, spec.configuration, spec.seed)
    losses = []

    def log(report) -> None:
        losses.append(report.metrics["val/loss"])
        writer.log_epoch(run, report.epoch, report.metrics, timestamp_ms=report.timestamp_ms)

    train_trial(spec, EPOCHS, checkpoints, log)
    writer.close(run, "stopped", tags={"reason": "rank"})
    return {"trial_id": spec.trial_id, "trial_key": spec.key, "run_id": run, "curve": losses}


@pytest.fixture
def trial(state: Path, spec: TrialSpec, empty_database: Path, tmp_path: Path, monkeypatch) -> dict[str, Any]:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return record("", spec, folder_of(state, spec))


def folder_of(state: Path, spec: TrialSpec) -> Path:
    return state / "checkpoints" / "c1" / spec.key


def secure(spec: TrialSpec, trial: dict[str, Any], state: Path) -> Path:
    return ensure_network(connect(), spec, trial, "c1", VALIDATION_LOSS, TWO, state).path


def artifact(trial: dict[str, Any]) -> Path:
    run = connect().get_run(trial["run_id"])
    return Path(run.info.artifact_uri.removeprefix("file://")) / run.data.tags["network"]


def no_training(*arguments: object) -> None:
    pytest.fail("was trained again")


def test_the_network_is_kept_with_its_run_and_taken_from_there(
    spec: TrialSpec, trial: dict[str, Any], state: Path, tmp_path: Path, monkeypatch
) -> None:
    """As in a second checkout on the same tracking store; it has a state of its own, with nothing in it."""
    monkeypatch.setattr(ray_session, "train_left", no_training)
    first = secure(spec, trial, state)
    assert first == max(folder_of(state, spec).iterdir())
    second = secure(spec, trial, tmp_path / "second")
    assert second.parent == folder_of(tmp_path / "second", spec)
    assert second.read_bytes() == first.read_bytes() == artifact(trial).read_bytes()
    # The folder has the epoch before the last alone: no network after the last epoch on record.
    second.unlink()
    shutil.copy(min(folder_of(state, spec).iterdir()), second.parent)
    assert secure(spec, trial, tmp_path / "second").name == first.name


@pytest.mark.ray
@pytest.mark.parametrize("lost", ["never kept", "gone", "damaged"])
def test_what_is_really_gone_is_trained_again_and_its_record_stays(
    ray_here, lost: str, spec: TrialSpec, trial: dict[str, Any], state: Path, caplog
) -> None:
    if lost != "never kept":
        secure(spec, trial, state)
        artifact(trial).write_bytes(b"")
    if lost == "gone":
        artifact(trial).unlink()
    before, weights = reader.trials(connect(), "search"), load_network(state).network.state_dict()
    info = connect().get_run(trial["run_id"]).info
    shutil.rmtree(state)
    with caplog.at_level(logging.WARNING, "mlpf_hpo"):
        secure(spec, trial, state)
    assert "it is trained again, for 2 epochs" in caplog.text
    assert {"never kept": "neither", "gone": "is gone", "damaged": "is damaged"}[lost] in caplog.text
    found = load_network(state)
    assert found.epoch == EPOCHS
    assert all(value.equal(weights[name]) for name, value in found.network.state_dict().items())
    assert reader.trials(connect(), "search") == before
    after = connect().get_run(trial["run_id"]).info
    assert (after.status, after.end_time) == (info.status, info.end_time)
    assert artifact(trial).read_bytes() == found.path.read_bytes()


@pytest.mark.ray
def test_an_interrupted_training_again_goes_on(ray_here, spec: TrialSpec, trial, state: Path) -> None:
    max(folder_of(state, spec).iterdir()).unlink()
    (half,) = folder_of(state, spec).iterdir()
    secure(spec, trial, state)
    assert sorted(path.name[:11] for path in folder_of(state, spec).iterdir()) == [
        "epoch-00001",
        "epoch-00002",
    ]
    assert half.exists(), "it went on from there"


def test_what_cannot_be_trained_again_can_be_given_back(
    spec: TrialSpec, trial: dict[str, Any], state: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(
        ray_session, "train_left", lambda specs, ledger, *more: ledger.report_failure("t000", "no memory")
    )
    before = reader.trials(connect(), "search")
    folder = folder_of(tmp_path / "other", spec)
    message = (
        rf"t000: the best on record; .* trained again it failed \(no memory\)\. Give it back to {folder}, "
    )
    with pytest.raises(DataError, match=message):
        secure(spec, trial, tmp_path / "other")
    assert reader.trials(connect(), "search") == before
    shutil.copytree(folder_of(state, spec), folder)
    assert secure(spec, trial, tmp_path / "other") == max(folder.iterdir())


def test_where_no_files_are_taken_the_network_stays_in_the_folder_and_that_is_reported(
    spec: TrialSpec, empty_database: Path, state: Path, tmp_path: Path, monkeypatch, caplog
) -> None:
    """A folder that is none: nobody can write there, an administrator neither."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    connect().create_experiment("mlpf/search", artifact_location=(tmp_path / "file" / "a").as_uri())
    trial = record("", spec, folder_of(state, spec))
    with caplog.at_level(logging.WARNING, "mlpf_hpo"):
        assert secure(spec, trial, state) == max(folder_of(state, spec).iterdir())
    assert (
        f"the network of t000 is in {folder_of(state, spec)} only, not with its run: file:///" in caplog.text
    )
    assert find_network(trial["run_id"], state)[0].epoch == EPOCHS


def test_a_colleague_finds_the_network_by_its_run(
    spec: TrialSpec, trial: dict[str, Any], state: Path, tmp_path: Path
) -> None:
    with pytest.raises(MissingInputError, match="none is kept with its run: it was trained elsewhere"):
        find_network(trial["run_id"], tmp_path / "colleague")
    secure(spec, trial, state)
    for wanted in (trial["run_id"], spec.key[:6]):
        trained, run = find_network(wanted, tmp_path / "colleague")
        assert (trained.epoch, trained.trial_key, run.run_id) == (EPOCHS, spec.key, trial["run_id"])
        shutil.rmtree(tmp_path / "colleague")
    artifact(trial).write_bytes(b"damage")
    with pytest.raises(TrackingError, match=r"is damaged: .* comes again by: dvc repro -f -s search"):
        find_network(trial["run_id"], tmp_path / "colleague")
    assert find_network(trial["run_id"], state)[0].epoch == EPOCHS


@pytest.mark.faults
def test_the_network_comes_through_a_server(
    spec: TrialSpec, state: Path, empty_database: Path, tmp_path: Path, monkeypatch, measured
) -> None:
    database = shutil.copy(empty_database, tmp_path / "server.db")
    server = MlflowServer(f"sqlite:///{database}", tmp_path)
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    try:
        trial = record("", spec, folder_of(state, spec))
        kept = secure(spec, trial, state)
        assert secure(spec, trial, tmp_path / "second").read_bytes() == kept.read_bytes()
        (artifact,) = (tmp_path / "artifacts").rglob("*.ckpt")
        artifact.unlink()
        with pytest.raises(TrackingError, match=r"its network, .* is gone"):
            find_network(trial["run_id"], tmp_path / "third")
        secure(spec, trial, state)
        assert artifact.read_bytes() == kept.read_bytes()
    finally:
        server.kill()
    with pytest.raises(TrackingError, match=f"MLflow cannot be reached at {server.uri}"):
        find_network(trial["run_id"], tmp_path / "third")
    measured(
        "tracking",
        "the checkpoints of a search's best trial are not on this machine",
        "the network is taken from its run; a file that the server has lost is reported, and put back",
    )
