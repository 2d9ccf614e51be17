"""A store that was moved or copied: its files are where it stands, and the other place is left alone."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.tracking.catch_up import send_all, send_left
from mlpf_hpo.tracking.client import artifact_root, connect, connect_to_read
from mlpf_hpo.tracking.journal import Confirmed, Journal
from mlpf_hpo.tracking.journal_entries import LogMetrics, OpenRun
from mlpf_hpo.tracking.network_registry import find_network, network_file, register_network
from mlpf_hpo.tracking.store_writes import dataset_input
from tests.faults.file_systems import mounted

EXPERIMENT = "mlpf/reference"
OPENING = OpenRun(
    "c/k", "t000", "reference", {"campaign_id": "c", "trial_key": "k"}, "t", {}, {}, None, None, 1
)


def address(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder, whose name needs escapes in a URI, with a run that has a file, and a registered network."""
    folder = tmp_path / "an old plâce"
    folder.mkdir()
    client = connect(address(folder))
    location = f"{artifact_root(address(folder))}/{EXPERIMENT}"
    experiment = client.create_experiment(EXPERIMENT, artifact_location=location)
    run = client.create_run(experiment, tags=OPENING.identity)
    client.log_text(run.info.run_id, "content", "note.txt")
    data = dataset_input("abc", folder / "data")
    client.log_inputs(run.info.run_id, datasets=[data])
    checkpoint = folder / "epoch-1.ckpt"
    checkpoint.write_bytes(b"weights")
    register_network(client, checkpoint, run.info.run_id, {"trial_key": "k"})
    client.set_terminated(run.info.run_id)
    return folder


def the_run(client: MlflowClient) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    return run.info.run_id


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return time and content of everything below a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def dump(folder: Path) -> str:
    connection = sqlite3.connect(folder / "mlflow.db")
    text = "\n".join(connection.iterdump())
    connection.close()
    return text


@pytest.mark.parametrize("how", [shutil.copytree, shutil.move])
def test_everything_is_found_and_written_where_the_project_stands(how, project: Path, caplog) -> None:
    before = listing(project)
    new = Path(how(project, project.with_name("a 100% new_place")))
    client = connect(address(new))
    assert f"{new / 'mlflow.db'} came from {project}" in caplog.text
    assert client.get_run(the_run(client)).inputs.dataset_inputs[0].dataset.source == (
        f'{{"uri": "{new / "data"}"}}'
    )
    file = network_file(find_network(client, "mlpf/1"), address(new))
    assert file.is_relative_to(new / "mlartifacts")
    assert file.read_bytes() == b"weights"
    assert Path(client.download_artifacts(the_run(client), "note.txt")).read_text() == "content"

    client.log_text(the_run(client), "new", "new.txt")
    again = new / "epoch-2.ckpt"
    again.write_bytes(b"others")
    version = register_network(client, again, the_run(client), {"trial_key": "k"})
    assert network_file(version, address(new)).is_relative_to(new / "mlartifacts")
    assert list((new / "mlartifacts").rglob("new.txt"))
    assert str(project) not in dump(new)
    assert project.as_uri() not in dump(new)
    assert project.exists() == (how is shutil.copytree)
    if project.exists():
        assert listing(project) == before, "the original was touched"
    caplog.clear()
    connect(address(new))
    assert not caplog.text, "logged once"


def test_a_name_for_the_same_folder_is_no_other_folder(project: Path, caplog) -> None:
    link = project.with_name("link")
    link.symlink_to(project)
    before = dump(project)
    assert network_file(find_network(connect(address(link)), "mlpf/1"), address(link)).is_file()
    assert dump(project) == before
    assert "came from" not in caplog.text


def test_a_database_without_its_files_names_both_places_and_the_remedy_works(project: Path) -> None:
    new = project.with_name("new")
    new.mkdir()
    shutil.copy(project / "mlflow.db", new)
    before = dump(new)
    with pytest.raises(TrackingError) as refused:
        connect(address(new))
    message = str(refused.value)
    assert str(project / "mlartifacts") in message
    assert str(new / "mlartifacts") in message
    assert dump(new) == before
    subprocess.run(message.partition("with: ")[2].partition(";")[0], shell=True, check=True)  # noqa: S602
    client = connect(address(new))
    file = network_file(find_network(client, "mlpf/1"), address(new))
    assert file.is_relative_to(new)


def test_a_database_whose_files_are_nowhere_is_reported(project: Path) -> None:
    new = project.with_name("new")
    new.mkdir()
    (project / "mlflow.db").rename(new / "mlflow.db")
    (project / "mlartifacts").rename(new.parent / "kept")
    with pytest.raises(TrackingError, match="there are none at either place: put that folder back"):
        connect(address(new))
    (new.parent / "kept").rename(new / "mlartifacts")
    assert network_file(find_network(connect(address(new)), "mlpf/1"), address(new)).is_relative_to(new)


def test_a_read_only_copy_can_be_read_and_says_that_it_cannot_be_written(project: Path, monkeypatch) -> None:
    try:
        stack = mounted(project.with_name("disk"))
        disk = stack.__enter__()
    except OSError as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    try:
        new = Path(shutil.copytree(project, disk.path / "new"))
        disk.remount("ro")
        monkeypatch.chdir(new)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shutil.rmtree(project / "mlartifacts")
        client = connect_to_read()
        assert client.get_run(the_run(client)).info.status == "FINISHED"
        file = network_file(find_network(client, "mlpf/1"))
        assert file.is_relative_to(new)
        assert file.read_bytes() == b"weights"
        with pytest.raises(StorageError, match=r"mlflow\.db.*Read-only file system"):
            connect()
    finally:
        stack.__exit__(None, None, None)


def left(folder: Path, uri: str, run: str) -> Path:
    """Leave an epoch of a run in a journal, as a killed driver does."""
    journal = Journal(folder / ".state/journals/c.jsonl")
    position = journal.append(OPENING)
    journal.append(LogMetrics(OPENING.run, "t000", 3, {"val/loss": 0.25}, 1_700_000_000_000))
    confirmed = Confirmed(journal, uri)
    confirmed.advance(position)
    journal.close()
    return confirmed.path


def losses(folder: Path, run: str) -> list[float]:
    return [point.value for point in connect(address(folder)).get_metric_history(run, "val/loss")]


def test_what_waits_in_a_copy_is_sent_to_the_copy(project: Path) -> None:
    run = the_run(connect(address(project)))
    path = left(project, address(project), run)
    new = Path(shutil.copytree(project, project.with_name("new")))
    before = listing(project)
    assert send_left(connect(address(new)), new / ".state/journals") == 1
    assert losses(new, run) == [0.25]
    assert listing(project) == before
    assert str(project) not in path.read_text()


@pytest.mark.parametrize("there", [True, False])
def test_what_waits_by_the_old_path_never_goes_to_another_folder_unasked(
    there: bool, project: Path, monkeypatch
) -> None:
    run = the_run(connect(address(project)))
    new = project.with_name("new")
    (shutil.copytree if there else shutil.move)(project, new)
    left(new, address(project), run)  # an absolute path: the database is not in a folder above the journal
    monkeypatch.chdir(new)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if not there:
        assert list(send_all(new / ".state/journals")) == [f"{address(new)}: 1 entries sent"]
        assert losses(new, run) == [0.25]
        assert not project.exists()
        return
    with pytest.raises(TrackingError) as refused:
        list(send_all(new / ".state/journals"))
    assert address(project) in str(refused.value)
    assert address(new) in str(refused.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address(project))
    list(send_all(new / ".state/journals"))
    assert (losses(project, run), losses(new, run)) == ([0.25], [])
