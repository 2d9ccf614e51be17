"""A finished project that was copied or moved goes on where it stands; the original is never touched."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlpf_hpo.registry.load import load_registered
from mlpf_hpo.tracking.registry import model_file
from tests.clones import Clone
from tests.pipeline.test_repro import ran

pytestmark = pytest.mark.pipeline

ASKED_EVERY_TIME = ["champion"]
"""The registry is not DVC's."""


@pytest.fixture(scope="module")
def original(finished: Clone, copy) -> Clone:
    return copy(finished)


@pytest.fixture(scope="module")
def copied(original: Clone, copy) -> Clone:
    return copy(original)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return when everything below a folder was changed, and its size."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in folder.rglob("*")
    }


def uri(clone: Clone) -> str:
    return f"sqlite:///{clone.folder / 'mlflow.db'}"


def recorded(clone: Clone) -> str:
    """Return all that a clone's database holds, as text."""
    with closing(sqlite3.connect(clone.folder / "mlflow.db")) as connection:
        return "\n".join(connection.iterdump())


def champion_file(clone: Clone) -> Path:
    """Return the file of a clone's champion, which can be loaded."""
    name = json.loads((clone.folder / "results/register.json").read_text())["model"]
    _, version = load_registered(f"{name}@champion", uri(clone))
    return model_file(version, uri(clone))


def test_a_copy_works_and_the_original_is_never_touched(original: Clone, copied: Clone) -> None:
    before = listing(original.folder)
    assert ran(copied.run("dvc", "repro")) == ASKED_EVERY_TIME
    output = copied.run("mlpf-hpo", "status")
    assert "stale" not in output
    assert str(original.folder) not in output
    assert champion_file(copied).is_relative_to(copied.folder / "mlartifacts")
    files = copied.folder / "mlartifacts/mlpf/search"
    written = {name: set(files.rglob(name)) for name in ("epoch-*.ckpt", "validation_result.json")}
    for path in set().union(*written.values()):
        path.unlink()
    for stage in ("register", "search", "physics"):
        assert ran(copied.run("dvc", "repro", "--force", "--single-item", stage)) == [stage]
    assert {name: set(files.rglob(name)) for name in written} == written
    assert all(written.values())
    copied.run("dvc", "repro")
    assert champion_file(copied).is_relative_to(copied.folder / "mlartifacts")
    assert str(original.folder) not in recorded(copied)
    assert listing(original.folder) == before


def test_a_moved_project_goes_on(copied: Clone, tmp_path: Path) -> None:
    moved = Clone(Path(shutil.move(copied.folder, tmp_path / "moved project")))
    output = moved.run("dvc", "repro")
    assert ran(output) == ASKED_EVERY_TIME
    assert f"{moved.folder / 'mlflow.db'} came from {copied.folder}" in output
    assert "stale" not in moved.run("mlpf-hpo", "status")
    assert champion_file(moved).is_relative_to(moved.folder / "mlartifacts")
    assert ran(moved.run("dvc", "repro", "--force", "--single-item", "register")) == ["register"]
    assert not copied.folder.exists()
