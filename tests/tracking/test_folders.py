"""A project in a folder whose name means something in an address: its database and files lie in it."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

from mlpf_hpo.tracking.client import connect, is_there
from mlpf_hpo.tracking.journal import Confirmed, Journal, store_addresses
from mlpf_hpo.tracking.journal_entries import LogMetrics
from mlpf_hpo.tracking.storage_errors import database_file, database_uri
from mlpf_hpo.tracking.versions import point_mlflow_at
from mlpf_hpo.tracking.writer import RunWriter

_EPOCH = LogMetrics("c/run", "t003", 1, {"val/loss": 1.0}, 0)

NAMES = ["a b", "100%ce", "50%20off", "who?", "#1", 'd\'été & co; "x" @home+$y', "[x]*"]


@pytest.mark.parametrize("name", NAMES)
def test_addresses_of_databases_in_any_folder(name: str, tmp_path: Path) -> None:
    file = tmp_path / name / "mlflow.db"
    assert database_file(database_uri(file)) == file
    journal = Journal(tmp_path / "c.jsonl")
    journal.append(_EPOCH)
    Confirmed(journal, database_uri(file)).advance(0)
    assert list(store_addresses(journal)) == [database_uri(file)]


def test_runs_and_files_of_a_project_in_such_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    project = tmp_path / "d'été 100%ce who? #1"
    project.mkdir()
    monkeypatch.chdir(project)
    client = connect()
    run = RunWriter(client).open_parent("campaign", "abc", "campaign-abc", {}, {}, "a note")
    (project / "kept.txt").write_text("kept")
    client.log_artifact(run, "kept.txt", "files")
    assert Path(client.download_artifacts(run, "files/kept.txt")).read_text() == "kept"
    point_mlflow_at(client.tracking_uri)
    client.create_registered_model("m")
    client.create_model_version("m", f"{client.get_run(run).info.artifact_uri}/files", run)
    assert (Path(mlflow.artifacts.download_artifacts("models:/m/1")) / "kept.txt").read_text() == "kept"
    assert is_there()
    assert {file.name for file in project.iterdir()} == {
        ".mlflow.db.lock",
        "kept.txt",
        "mlartifacts",
        "mlflow.db",
    }
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(project) for path in files)
