"""What a message names as the way out is executed as it stands in the message, and the cause is gone."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.clones import Clone
from tests.pipeline.test_repro import STAGES, ran

pytestmark = pytest.mark.pipeline

COMMAND = re.compile(r"dvc repro(?: -f| -s)*(?: (?!-)[\w./:]*\w)?")
"""A remedy within a message: options, and at most one stage."""


@pytest.fixture(scope="module")
def clone(finished: Clone, copy) -> Clone:
    return copy(finished)


def remedy(output: str) -> str:
    """Return the command that the error at the end of an output names."""
    (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
    return COMMAND.findall(error)[-1]


def spoil(name: str) -> Callable[[Path], None]:
    """Return what damages a file: another byte near its end, where a record has its digest."""

    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[-10] ^= 1
        (folder / name).unlink()  # DVC may have linked it to its cache
        (folder / name).write_bytes(content)

    return damage


def remove(name: str) -> Callable[[Path], None]:
    """Return what removes a file or a folder."""

    def damage(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


@pytest.mark.parametrize(
    ("damage", "reader", "command"),
    [
        (spoil("data/campaign.json"), "curves", "dvc repro -f -s campaign"),
        (remove("data/campaign.json"), "curves", "dvc repro campaign"),
        (spoil("data/curves.parquet"), "predictors", "dvc repro -f -s curves"),
        (remove("data/curves.parquet"), "predictors", "dvc repro curves"),
        (spoil("results/predictors.json"), "register", "dvc repro -f -s predictors"),
        (remove("models/predictors"), "register", "dvc repro predictors"),
        (spoil("results/champion.json"), "search", "dvc repro -f -s champion"),
        (spoil("results/search.json"), "report", "dvc repro -f -s search"),
        (spoil("results/physics/validation_result.json"), "report", "dvc repro -f -s physics"),
        (remove("results/benchmark"), "report", "dvc repro benchmark"),
        (spoil("data/events/train/targets.npy"), "benchmark", "dvc repro -f -s events"),
        (remove("data/events/train"), "benchmark", "dvc repro events"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_gone_or_damaged(
    clone: Clone, damage: Callable[[Path], None], reader: str, command: str
) -> None:
    damage(clone.folder)
    output = clone.run("python", "-m", f"pipelines.{reader}", status=None)
    assert remedy(output) == command
    clone.run(*command.split())
    clone.run("python", "-m", f"pipelines.{reader}")


def runs(clone: Clone) -> dict[str, int]:
    """Return how many runs of each experiment are on record."""
    with closing(sqlite3.connect(clone.folder / "mlflow.db")) as connection:
        return dict(
            connection.execute(
                "SELECT e.name, count(*) FROM experiments e JOIN runs r USING (experiment_id) "
                "WHERE r.lifecycle_stage = 'active' GROUP BY e.name"
            )
        )


def test_runs_that_are_gone_are_trained_again(finished: Clone, copy) -> None:
    clone = copy(finished)
    before = runs(clone)
    run_ids = json.loads((clone.folder / "data/campaign_runs.json").read_text())["run_ids"]
    with closing(sqlite3.connect(clone.folder / "mlflow.db")) as connection, connection:
        for table in ("metrics", "latest_metrics", "params", "tags"):
            connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", run_ids[:1])  # noqa: S608
        connection.execute("DELETE FROM runs WHERE run_uuid = ?", run_ids[:1])
    output = clone.run("python", "-m", "pipelines.curves", status=1)
    assert "train again with" in output
    command = remedy(output)
    assert command == "dvc repro -f -s campaign"
    clone.run(*command.split())
    assert runs(clone) == before
    assert "champion" in ran(clone.run("dvc", "repro"))


def test_a_database_that_is_deleted_comes_back_by_what_messages_name(finished: Clone, copy) -> None:
    clone = copy(finished)
    before = runs(clone)
    database = clone.folder / "mlflow.db"
    content = database.read_bytes()
    database.write_bytes(content[: len(content) // 2])
    output = clone.run("python", "-m", "pipelines.curves", status=1)
    assert "put a copy back, or move it away and train anew with" in output
    named = remedy(output)
    database.unlink()
    output = clone.run("mlpf-hpo", "runs", "best")
    assert "though the campaign has run" in output
    (command,) = COMMAND.findall(output)
    assert command == named
    assert COMMAND.findall(clone.run("mlpf-hpo", "status")) == [command]
    assert sorted(ran(clone.run(*command.split()))) == sorted(STAGES)
    assert runs(clone) == before
    assert "stale" not in clone.run("mlpf-hpo", "status")
    assert "t0" in clone.run("mlpf-hpo", "runs", "best")
