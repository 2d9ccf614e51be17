"""Obstacles of the machine: a port in use, folders that are missing or read-only, a read-only home."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.events.store import write_store
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.server import serve_ui
from tests.faults.artefacts import ARTEFACTS, events

ROOT = Path(__file__).parents[2]


def test_a_port_in_use(tmp_path: Path, empty_database: Path, monkeypatch, measured) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = f"port {port} on 127.0.0.1: Address already in use; choose another with --port"
        with pytest.raises(TrackingError, match=re.escape(message)):
            serve_ui("127.0.0.1", port, on_ready=print)
    measured("machine", "`mlpf-hpo ui` on a port in use", "refused at once: choose another with --port")


@pytest.mark.parametrize("name", ARTEFACTS)
def test_a_folder_that_is_read_only(name: str, small_disk, measured) -> None:
    artefact, folder = ARTEFACTS[name], small_disk.path / "data"
    artefact.write(folder, 1)
    before = artefact.read(folder)
    small_disk.remount("ro")
    with pytest.raises(
        StorageError, match=f"{artefact.file_pattern}: cannot be written: Read-only file system"
    ):
        artefact.write(folder, 2)
    assert artefact.read(folder) == before
    small_disk.remount("rw")
    artefact.write(folder, 3)
    measured(
        "machine",
        f"{name} to be written to a read-only folder",
        "reported with the file's name; what is there can still be read",
    )


def test_a_database_that_is_read_only(small_disk, empty_database: Path, measured) -> None:
    shutil.copy(empty_database, small_disk.path / "mlflow.db")
    small_disk.remount("ro")
    with pytest.raises(StorageError, match=r"mlflow\.db.*: cannot be written: Read-only file system"):
        connect(f"sqlite:///{small_disk.path / 'mlflow.db'}")
    measured(
        "machine",
        "MLflow's database in a read-only folder",
        "reported with the file's name, before any training",
    )


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            "campaign",
            r"data/events/train: no event store; the stage `events` makes it in .* \(dvc repro events\)",
        ),
        ("curves", r"data/campaign\.json: not there; the stage `campaign` makes it"),
        ("predictors", r"data/curves\.parquet: not there; the stage `curves` makes it"),
        ("register", r"results/predictors\.json: not there; the stage `predictors` makes it"),
        (
            "champion",
            r"has no curve-predictor-val-loss-16-epochs-\w+@champion,.* \(dvc repro -f -s register\)",
        ),
        ("search", r"data/events/train: no event store; the stage `events` makes it"),
        ("search, with events", r"data/curves\.parquet: not there; the stage `curves` makes it"),
        ("benchmark", r"data/events/train: no event store; the stage `events` makes it"),
        ("report", r"data/events/train/manifest\.json: not there; the stage `events` makes it"),
    ],
)
def test_every_stage_says_what_it_lacks(
    stage: str, message: str, tmp_path: Path, empty_database, monkeypatch, capfd
) -> None:
    stage, _, with_events = stage.partition(", ")
    for name in ("train", "validation") if with_events else ():
        write_store(tmp_path / "data/events" / name, events(4), {})
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    before = {path.name for path in tmp_path.iterdir()} | {".mlflow.db.lock"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sys, "argv", [f"pipelines/{stage}.py"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(f"pipelines.{stage}", run_name="__main__")
    assert end.value.code in (1, 66)
    errors = capfd.readouterr().err
    assert re.search(message, errors), errors
    assert "Traceback" not in errors
    assert not {path.name for path in tmp_path.iterdir()} - before, "nothing is left behind"


def test_training_with_a_home_that_is_read_only(small_disk, tmp_path: Path, measured) -> None:
    for name in ("train", "validation"):
        write_store(tmp_path / "data/events" / name, events(4), {})
    shutil.copy(ROOT / "params.yaml", tmp_path)
    small_disk.remount("ro")
    done = subprocess.run(
        [sys.executable, "-m", "mlpf_hpo.cli", "train", "--epochs", "1", "--output-dim", "8", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(small_disk.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/history.json").is_file()
    measured("machine", "`mlpf-hpo train` with a read-only home folder", "trains as ever")
