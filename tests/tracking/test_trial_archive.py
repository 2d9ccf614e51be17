"""Files of finished trials: another checkout goes on from them as if it had trained the trials itself."""

from __future__ import annotations

import json
import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.config import parse_params
from mlpf_hpo.curves.data_sets import load_curves
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.mlpf.task import task_of
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.reader import trials
from mlpf_hpo.tracking.trial_archive import TrialArchive
from mlpf_hpo.tracking.writer import durable_writer
from mlpf_hpo.tuning.campaign import collect_curves, run_campaign
from mlpf_hpo.tuning.ray_session import ray_session
from tests.tuning.conftest import empty_database, stores
from tests.tuning.replaced import ReplacedTask
from tests.tuning.toys import TWO, toy

__all__ = ["empty_database", "stores"]

CAMPAIGN = {
    "trials": 4,
    "epochs": 4,
    "repeats": {"configurations": 2, "seeds": 2},
    "longer": {"trials": ["t001"], "epochs": 6},
    "archive": "trials",
}
LABELS = ["t000", "t001", "t002", "t003", "t000r1", "t001r1", "t000r2", "t001r2"]


def curve(number: int, epoch: int) -> float:
    if number == 2 and epoch == 3:
        return float("nan")
    return number + 1 / epoch


def refuse(number: int, epoch: int) -> float:
    raise AssertionError(f"trial {number} is trained again")


@pytest.fixture(scope="module")
def campaign(stores):
    def run(curve=curve, seed=42, **changed):
        params = parse_params(
            {"seed": seed, "campaign": {**CAMPAIGN, **changed}, "resources": {"gpus_per_trial": 0}}
        )
        task = ReplacedTask(toy(curve), task_of(params, stores[0].parent))
        return run_campaign(
            task, params.space.search_space(), params.target.with_mode(), params.campaign,
            seed=params.seed, resources=params.resources, state=Path(".state"),
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_database, campaign):
    """Yield the folder of a machine that has trained everything."""
    folder = tmp_path_factory.mktemp("machine")
    shutil.copy(empty_database, folder / "mlflow.db")
    (folder / "data").mkdir()
    with pytest.MonkeyPatch.context() as patch, ray_session(folder / "ray", TWO):
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        campaign().write(folder / "data")
        yield folder


@pytest.fixture
def elsewhere(trained, tmp_path, empty_database, monkeypatch):
    """Return the folder of a new machine, which has the files of finished trials and nothing else."""
    shutil.copytree(trained / "trials", tmp_path / "trials")
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def records(folder: Path) -> list[tuple]:
    """Return all that MLflow of a folder holds of trials; runs have ids of their own in each store."""
    found = trials(connect(f"sqlite:///{folder / 'mlflow.db'}"), "campaign")
    return [
        (t.trial_id, t.trial_key, dict(t.configuration), t.seed, t.status, t.timestamps,
         {name: np.array(values).tobytes() for name, values in t.metrics.items()})
        for t in found
    ]  # fmt: skip


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def planned(folder: Path) -> dict:
    return json.loads((folder / "data/campaign.json").read_text())


@pytest.mark.ray
def test_repeats_have_seeds_of_their_own_and_some_trials_go_on(trained) -> None:
    found = {t.trial_id: t for t in trials(connect(f"sqlite:///{trained / 'mlflow.db'}"), "campaign")}
    assert [one["trial_id"] for one in planned(trained)["trials"]] == LABELS
    for label in LABELS:
        assert found[label].configuration == found[label[:4]].configuration
    assert len({one.seed for one in found.values()}) == len({one.trial_key for one in found.values()}) == 8
    assert {label: found[label].epochs for label in LABELS} == {
        **dict.fromkeys(LABELS, 4), "t001": 6, "t002": 3
    }  # fmt: skip
    assert found["t002"].status == "diverged"


@pytest.mark.ray
def test_a_new_checkout_trains_nothing_again(trained, elsewhere, campaign) -> None:
    record = campaign(refuse)
    record.write(Path("data"))
    assert record.runs["reused"] == 8
    assert records(elsewhere) == records(trained)
    assert planned(elsewhere) == planned(trained)
    here, there = collect_curves(Path("data")), collect_curves(trained / "data")
    np.testing.assert_array_equal(here.values, there.values)


@pytest.mark.ray
def test_a_new_checkout_trains_what_is_missing(trained, elsewhere, campaign) -> None:
    for label in ("t000r1", "t003"):
        next(Path("trials").glob(f"{label}-*")).unlink()
    asked = elsewhere / "asked"

    def noted(number: int, epoch: int) -> float:
        with asked.open("a") as file:
            file.write(f"{number}\n")
        return number + 1 / epoch

    campaign(noted).write(Path("data"))
    assert set(asked.read_text().split()) == {"0", "3"}
    assert planned(elsewhere) == planned(trained)
    assert names(Path("trials")) == names(trained / "trials")


@pytest.mark.ray
def test_a_file_that_a_kill_prevented_is_written_by_the_next_start(trained, elsewhere, campaign) -> None:
    shutil.copytree(trained / ".state/journals", ".state/journals")
    lost = next(Path("trials").glob("t001-*"))
    before = lost.read_bytes()
    lost.unlink()
    campaign(refuse)
    assert lost.read_bytes() == before


@pytest.mark.ray
def test_trials_whose_journal_is_not_here_are_told(trained, tmp_path, campaign, caplog, monkeypatch) -> None:
    copy = shutil.copytree(
        trained, tmp_path / "copy", ignore=shutil.ignore_patterns("ray", "trials", "journals")
    )
    monkeypatch.chdir(copy)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    campaign(refuse)
    assert "trials lacks 8 of 8 trials that have ended (the first: t000)" in caplog.text


def test_what_is_in_a_file(trained) -> None:
    by_label = {one.opening.label: one for one in TrialArchive(trained / "trials").trials()}
    summary = by_label["t002"].summary()
    assert np.array_equal(summary.metrics["val/loss"], [3.0, 2.5, np.nan], equal_nan=True)
    text = lzma.decompress(next((trained / "trials").glob("t002-*")).read_bytes()).decode()
    assert str(trained) not in text, "a file names no folder of the machine"


@pytest.mark.parametrize("damage", ["cut", "changed", "other"])
def test_a_damaged_file_is_named_and_nothing_is_written(elsewhere, campaign, damage) -> None:
    path = next(Path("trials").glob("t003-*"))
    content = path.read_bytes()
    changed = lzma.compress(lzma.decompress(content).replace(b"4.0", b"5.0"))
    path.write_bytes({"cut": content[:-40], "changed": changed, "other": b"text"}[damage])
    with pytest.raises(DataError, match=rf"{path.name}: damaged.*; take it from where it was copied"):
        campaign(refuse)
    assert not Path(".state").exists()


def test_files_of_another_campaign_are_refused(elsewhere, campaign) -> None:
    with pytest.raises(
        DataError, match=r"trials: holds trials of campaign \w+, this one is \w+: other events"
    ):
        campaign(refuse, seed=43)
    assert not Path(".state").exists()


def test_a_trial_to_go_on_that_is_not_planned_is_refused(elsewhere, campaign) -> None:
    with pytest.raises(ConfigurationError, match=r"campaign.longer.trials: t004 is none of the 8 trials"):
        campaign(refuse, longer={"trials": ["t004"], "epochs": 6})


def collected(*options: str) -> str:
    where = () if "--into" in options else ("--out", "mine.parquet")
    command = ["curves", "collect", "trials", "--name", "mine", *where, *options]
    ended = CliRunner().invoke(app, command)
    return ended.output if ended.exit_code == 0 else f"{ended.exit_code} {ended.output} {ended.exception}"


def test_files_are_collected_into_the_data_set_that_mlflow_gives(trained, elsewhere, monkeypatch) -> None:
    collected("--epochs", "4")
    ours = read_curves(Path("mine.parquet"))
    with monkeypatch.context() as patch:
        patch.chdir(trained)
        theirs = collect_curves(Path("data"))
    assert ours.configs.to_dict() == theirs.configs.to_dict()
    assert ours.status.tolist() == theirs.status.tolist()
    assert ours.data_digest == theirs.data_digest != ""
    assert set(ours.metrics) == set(theirs.metrics)
    for name, values in ours.metrics.items():
        np.testing.assert_array_equal(values, theirs.metrics[name])
    collected("--epochs", "6", "--least-epochs", "5")
    longer = read_curves(Path("mine.parquet"))
    assert longer.values.shape == (1, 6)
    assert longer.left_out_rows == {"fewer than 5 epochs": 7}
    collected("--epochs", "4", "--configurations", "1", "--metrics", "train/*")
    first = read_curves(Path("mine.parquet"))
    assert len(first) == 3
    assert set(first.metrics) == {"val/loss", "train/loss"}
    Path("remarks.yaml").write_text("what: Toys.")
    collected("--epochs", "4", "--into", "sets", "--remarks", "remarks.yaml")
    assert load_curves("mine", folder=Path("sets")).values.shape == (8, 4)
    assert Path("sets/mine.card.md").read_text().endswith("\n## What\n\nToys.\n")
    Path("remarks.yaml").write_text("who: We.")
    assert "no heading 'who'" in collected("--epochs", "4", "--remarks", "remarks.yaml")
    assert "no file of t004" in collected("--epochs", "4", "--configurations", "5").replace("\n", " ")
    assert "t000 has 4 of 6 epochs" in collected("--epochs", "6").replace("\n", " ")


def test_a_trial_that_goes_on_has_not_ended(tmp_path, empty_database, monkeypatch) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    archive = TrialArchive(tmp_path / "trials")
    with durable_writer(tmp_path / "journals", 60.0) as writer:
        parent = writer.open_parent("campaign", "c1", "campaign-c1", {}, {}, "")
        run = writer.open_trial(parent, "campaign", "c1", "t000", "abcd", {"lr": 0.5}, 7)
        writer.log_epoch(run, 1, {"val/loss": float("inf")}, 1000)
        assert archive.keep(writer.entries_of(run)) is None
        writer.close(run, "killed")
        assert archive.keep(writer.entries_of(run)) is None
        writer.close(run, "finished")
        assert archive.keep(writer.entries_of(run)) is not None
    (kept,) = archive.trials()
    assert kept.summary().metrics == {"val/loss": (float("inf"),)}
