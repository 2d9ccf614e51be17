"""Networks rebuilt from checkpoints, found by what people have at hand, and the best one of a search kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.events.datamodule import EventDataset
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.mlpf.loss import mlpf_loss
from mlpf_hpo.mlpf.training import train_trial
from mlpf_hpo.networks.copied_network import copy_best_network
from mlpf_hpo.networks.find_network import find_network
from mlpf_hpo.networks.trained_network import load_network
from mlpf_hpo.search.search_result import best_trial
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning.checkpoints import save_checkpoint
from mlpf_hpo.tuning.task import TrialSpec


@pytest.fixture(scope="module")
def spec(make_spec: Callable[..., TrialSpec]) -> TrialSpec:
    return make_spec()


@pytest.fixture(scope="module")
def trained_folder(spec: TrialSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with one trial, trained for two epochs under the campaign c1."""
    state = tmp_path_factory.mktemp("state")
    train_trial(spec, 2, state / "checkpoints" / "c1" / spec.key, lambda report: None)
    return state


@pytest.fixture
def folder(trained_folder: Path, spec: TrialSpec, tmp_path: Path) -> Path:
    """A copy of the trial's checkpoints, to break."""
    return Path(shutil.copytree(trained_folder, tmp_path / "state")) / "checkpoints" / "c1" / spec.key


@pytest.fixture
def writer(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunWriter:
    """An MLflow database of this test's own, where the tracking looks for one."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return RunWriter(connect())


def open_run(writer: RunWriter, key: str, campaign: str = "c1", kind: str = "campaign") -> str:
    parent = writer.open_parent(kind, campaign, f"{kind}-{campaign}", {}, {}, "a note")
    return writer.open_trial(parent, kind, campaign, "t000", key, {"lr": 1e-3}, 7)


def test_the_network_gives_the_loss_that_was_recorded(folder: Path, spec: TrialSpec) -> None:
    """The weights, widths and configuration are all there: the validation loss comes out again."""
    trained = load_network(folder)
    assert (trained.trial_key, trained.epoch) == (spec.key, 2)
    assert trained.configuration == spec.configuration
    assert trained.training == spec.task.training
    digest = EventStore.open(spec.task.train_store).digest
    about = {"process": "ttbar", "n_events": 10, "pileup": 0.0, "digest": digest}
    assert trained.trained_on == {**about, "granularity": None}  # these events are of no detector
    dataset = EventDataset(EventStore.open(spec.task.validation_store))
    total = None
    with torch.no_grad():
        for data in (dataset[i] for i in range(len(dataset))):
            terms = mlpf_loss(trained.network.eval()(data.x, torch.tensor([0, len(data.x)])), data.y)
            total = terms if total is None else total + terms
    assert float(total.total) == pytest.approx(trained.validation_loss, rel=1e-5)


def test_files_and_folders_are_found(folder: Path) -> None:
    newest = max(folder.iterdir())
    for path in (newest, folder, folder.parent, folder.parents[2]):
        assert load_network(path).path == newest
    assert load_network(min(folder.iterdir())).epoch == 1


def test_damage_is_passed_over_in_a_folder_and_reported_of_a_file(folder: Path) -> None:
    newest = max(folder.iterdir())
    newest.write_bytes(newest.read_bytes()[:-9])
    assert load_network(folder).epoch == 1
    with pytest.raises(DataError, match=f"{newest.name}: damaged"):
        load_network(newest)
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="every checkpoint is damaged; train the trial again"):
        load_network(folder)


def test_what_is_not_there_or_not_ours(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="no checkpoint in this folder"):
        load_network(tmp_path / "empty")
    with pytest.raises(MissingInputError, match="no such checkpoint"):
        load_network(tmp_path / "none.ckpt")
    other = tmp_path / "model.ckpt"
    other.write_bytes(b"x")
    with pytest.raises(DataError, match="not a checkpoint of ours"):
        load_network(other)
    shutil.copytree(folder, folder.parent / "another")
    with pytest.raises(DataError, match=r"checkpoints of 2 trials below it; give one of [^,]+, [^,]+$"):
        load_network(folder.parent)


def test_a_checkpoint_that_does_not_say_what_was_trained(tmp_path: Path) -> None:
    """Such as those of before: whole, with weights, without a configuration."""
    content = {"state_dict": {}, "callbacks": {"mlpf_hpo.trial": {"trial_key": "k", "history": []}}}
    save_checkpoint(tmp_path, 1, lambda path: torch.save(content, path))
    with pytest.raises(DataError, match=r"does not say what was trained .*train the trial again"):
        load_network(tmp_path)


def test_a_trial_is_found_by_run_and_by_key(writer: RunWriter, folder: Path, spec: TrialSpec) -> None:
    state = folder.parents[2]
    run_id = open_run(writer, spec.key)
    open_run(writer, spec.key, campaign="c2", kind="search")  # the same trial elsewhere, without a checkpoint
    for wanted in (run_id, spec.key, spec.key[:4]):
        trained, run = find_network(wanted, state)
        assert (trained.epoch, run.run_id, run.campaign_id) == (2, run_id, "c1")
    trained, run = find_network(str(folder))
    assert run.run_id == run_id, "the run whose campaign's folder it lies in"


def test_a_checkpoint_without_a_run_is_judged_all_the_same(writer: RunWriter, folder: Path) -> None:
    assert find_network(str(folder))[1] is None


def test_without_mlflow_nothing_is_made(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert find_network(str(folder))[1] is None
    with pytest.raises(MissingInputError, match="no MLflow database here"):
        find_network("abcd")
    assert not (tmp_path / "mlflow.db").exists()


def test_trials_that_cannot_be_found_are_reported(writer: RunWriter, folder: Path, spec: TrialSpec) -> None:
    parent = writer.open_parent("campaign", "c1", "campaign-c1", {}, {}, "a note")
    run_id = open_run(writer, spec.key)
    open_run(writer, spec.key[:6] + "0" * 10)
    for wanted, message in (
        ("abcdef", "no checkpoint of this name, and no such run or trial key"),
        ("x' or 1=1", "neither a checkpoint, nor a run id"),
        (parent, r"not that of a trial \(campaign\)"),
    ):
        with pytest.raises(MissingInputError, match=message):
            find_network(wanted, folder.parents[2])
    with pytest.raises(DataError, match="2 trials begin like this"):
        find_network(spec.key[:6], folder.parents[2])
    with pytest.raises(
        MissingInputError, match=r"none is kept with its run: it was trained elsewhere, or they were removed"
    ):
        find_network(run_id, folder / "nowhere")


def search_content(spec: TrialSpec, **changed: object) -> dict:
    def trial(key: str, run_id: str, curve: list[float], status: str = "stopped") -> dict:
        return {
            "trial_id": run_id,
            "trial_key": key,
            "run_id": run_id,
            "status": status,
            "curve": curve,
            "train_curve": curve,
        }

    first = [
        trial("other", "t001", [3.0, 2.5]),
        trial("bad", "t002", [0.1], "diverged"),
        trial("none", "t003", []),
    ]
    second = [{**trial(spec.key, "t000", [4.0, 1.0, 2.0]), **changed}]
    return {
        "schedulers": {
            "asha": {"label": "ASHA", "campaign_id": "c0", "trials": first},
            "asha+prediction": {"label": "ASHA + prediction", "campaign_id": "c1", "trials": second},
        }
    }


def test_the_best_trial_has_the_lowest_loss_and_did_not_diverge(spec: TrialSpec) -> None:
    best = best_trial(search_content(spec))
    assert (best["trial_id"], best["scheduler"], best["campaign_id"]) == ("t000", "ASHA + prediction", "c1")
    with pytest.raises(DataError, match="all diverged, failed or were not started"):
        best_trial({"schedulers": {"asha": {"label": "", "campaign_id": "", "trials": []}}})


def test_the_best_network_is_kept(folder: Path, spec: TrialSpec, tmp_path: Path) -> None:
    out = tmp_path / "models" / "best_trial"
    kept = copy_best_network(search_content(spec), out, folder.parents[2])
    assert kept == out / "c1" / spec.key / max(folder.iterdir()).name
    assert load_network(out).trial_key == spec.key
    again = copy_best_network(search_content(spec), out, folder.parents[2])
    assert list(out.rglob("*.ckpt")) == [again]


def test_a_best_trial_whose_checkpoint_is_gone(spec: TrialSpec, tmp_path: Path) -> None:
    with pytest.raises(
        MissingInputError,
        match=r"t000, are gone .* from its run, or train it again .* dvc repro -f -s search",
    ):
        copy_best_network(search_content(spec), tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()
