"""A database that was lost is made again from the journals: what SQL finds in it is what it held before."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.config import parse_params
from mlpf_hpo.errors import TrackingError
from mlpf_hpo.mlpf.task import task_of
from mlpf_hpo.tracking import overview
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.ranking import best_trials
from mlpf_hpo.tracking.writer import durable_writer
from mlpf_hpo.tuning.campaign import collect_curves, run_campaign
from mlpf_hpo.tuning.ray_session import ray_session
from tests.tuning.conftest import empty_database, stores
from tests.tuning.replaced import ReplacedTask
from tests.tuning.toys import TWO, toy

__all__ = ["empty_database", "stores"]

QUESTIONS = {
    "runs": "select r.name, e.name, status, start_time, end_time, r.lifecycle_stage, run_uuid"
    " from runs r join experiments e using (experiment_id)",
    "params": "select key, value, run_uuid from params",
    # Neither what a driver renews, nor the digest of figures, which are made again with the ids of new runs.
    "tags": "select key, value, run_uuid from tags where key not in ('driver_heartbeat', 'figures_of')",
    "metrics": "select key, step, value, is_nan, timestamp, run_uuid from metrics",
    "latest": "select key, step, value, is_nan, timestamp, run_uuid from latest_metrics",
    "data": "select d.name, d.digest, d.dataset_source, i.destination_id"
    " from datasets d join inputs i on d.dataset_uuid = i.source_id",
}


def content(database: Path) -> dict[str, list[tuple]]:
    """Return everything that a database holds of runs; ids are replaced by names."""
    with closing(sqlite3.connect(database)) as connection:
        names = dict(connection.execute("select run_uuid, name from runs"))
        experiments = dict(connection.execute("select cast(experiment_id as text), name from experiments"))
        found = {what: connection.execute(query).fetchall() for what, query in QUESTIONS.items()}

    def named(value):
        for run_id, name in names.items() if isinstance(value, str) else ():
            value = value.replace(run_id, name)
        return re.sub(r"experiments/(\d+)/", lambda link: experiments[link[1]], str(value))

    assert len(set(names.values())) == len(names)
    return {what: sorted((tuple(map(named, row)) for row in rows), key=repr) for what, rows in found.items()}


def curve(number: int, epoch: int) -> float:
    if number == 2 and epoch == 3:
        return float("nan")
    return number + 1 / epoch


@pytest.fixture(scope="module")
def project(tmp_path_factory, empty_database, stores):
    """Yield a folder in which a campaign was trained, interrupted in between."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(empty_database, folder / "mlflow.db")
    params = parse_params(
        {"campaign": {"trials": 4, "epochs": 4}, "resources": {"concurrency": 2, "gpus_per_trial": 0}}
    )
    (folder / "data").mkdir()

    def campaign():
        task = ReplacedTask(toy(curve), task_of(params, stores[0].parent))
        return run_campaign(
            task, params.space.search_space(), params.target.with_mode(), params.campaign,
            seed=params.seed, resources=params.resources, state=Path(".state"),
        )  # fmt: skip

    with pytest.MonkeyPatch.context() as patch, ray_session(folder / "ray", TWO):
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with durable_writer(folder / ".state/journals", 60.0) as writer:
            parent = writer.open_parent("reference", "r1", "reference-r1", {}, {"seed": 1}, "a note")
            run = writer.open_trial(parent, "reference", "r1", "reference", "abcd", {"lr": 0.5}, 7)
            writer.log_epoch(run, 1, {"val/loss": 0.5}, 1000)
        with durable_writer(folder / ".state/journals", 60.0) as writer:
            writer.close_orphans("r1")  # it was killed, and is not gone on with
        campaign().write(folder / "data")
        yield folder, campaign, seen()


@pytest.fixture
def here(project, tmp_path, monkeypatch):
    """Return a copy of the project, in which this process works."""
    folder, *_ = project
    copy = Path(shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("ray")))
    monkeypatch.chdir(copy)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copy


def seen() -> tuple:
    """Return what the commands and the stage `curves` make of what is on record."""
    client = connect()
    curves = collect_curves(Path("data"))
    work = overview.work_on_record(client, "campaign")
    return (
        {name: values.tobytes() for name, values in curves.metrics.items()},
        curves.configs.to_dict(),
        curves.status.tolist(),
        [(one.name, one.best, one.best_epoch) for one in best_trials(client, "campaign")],
        [(one.name, one.trials, one.finished, one.running) for one in work],
    )


def rebuilt(*options: str) -> str:
    ended = CliRunner().invoke(app, ["tracking", "rebuild", *options], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.output


@pytest.mark.ray
def test_a_lost_database_is_made_again(project, here) -> None:
    before, commands = content(Path("mlflow.db")), project[2]
    statuses = [row[2] for row in before["runs"]]
    assert sorted(statuses) == ["FAILED", *["FINISHED"] * 4, *["KILLED"] * 2]
    Path("mlflow.db").unlink()
    shutil.rmtree("mlartifacts")
    output = rebuilt()
    assert "5 runs are in sqlite:///" in output
    assert "2 runs are in sqlite:///" in output
    assert content(Path("mlflow.db")) == before
    assert seen() == commands
    (parent,) = (work.run_id for work in overview.work_on_record(connect(), "campaign"))
    assert f"/runs/{parent}?" in output, "the links lead to the new runs"
    rebuilt()
    assert content(Path("mlflow.db")) == before, "what is there stays"


@pytest.mark.ray
def test_another_store_gets_the_runs_and_the_first_stays(here) -> None:
    before = content(Path("mlflow.db"))
    other = here.parent / "other" / "mlflow.db"
    other.parent.mkdir()
    rebuilt("--to", f"sqlite:///{other}", "--journals", ".state/journals")
    assert content(other) == before
    assert content(Path("mlflow.db")) == before


@pytest.mark.ray
def test_without_a_rebuild_the_next_start_makes_up_for_it(project, here) -> None:
    campaign = project[1]
    before = content(Path("mlflow.db"))["metrics"]
    Path("mlflow.db").unlink()
    lost = json.loads(Path("data/campaign_runs.json").read_text())["run_ids"]
    with pytest.raises(TrackingError, match=r"4 of 4 runs of campaign .* mlpf-hpo tracking rebuild, or"):
        collect_curves(Path("data"))
    record = campaign()
    assert record.runs["reused"] == 4, "nothing was trained"
    assert not set(record.runs["run_ids"]) & set(lost)
    now = content(Path("mlflow.db"))["metrics"]
    assert [row for row in now if "loss" in row[0]] == [
        row for row in before if "loss" in row[0] and not row[-1].startswith("reference")
    ]


def test_no_journal_is_reported_and_nothing_is_made(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    ended = CliRunner().invoke(app, ["tracking", "rebuild"])
    assert ended.exit_code == 1
    assert "no journals, from which runs could be made again" in f"{ended.output} {ended.exception}"
    assert list(tmp_path.iterdir()) == []
