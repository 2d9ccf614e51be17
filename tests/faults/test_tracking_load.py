"""Much to write at once while somebody reads, and all read back; benchmarks/tracking.py has what it costs."""

from __future__ import annotations

import shutil
import threading

import pytest

from benchmarks.tracking_load import CONCURRENT, FILLED, METRICS, check, fill_concurrently, write
from mlpf_hpo.tracking import catch_up, reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import durable_writer
from tests.tracking.servers import MlflowServer, Postgres
from tests.tuning.conftest import empty_database

__all__ = ["empty_database"]

pytestmark = pytest.mark.faults

RUNS, EPOCHS = 2 * CONCURRENT, 15


@pytest.fixture(params=["sqlite", "http"])
def uri(request, tmp_path, empty_database):
    """Yield the address of an empty MLflow, plain or behind a server."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    if request.param == "sqlite":
        yield database
        return
    server = MlflowServer(database, tmp_path)
    server.start()
    yield server.uri
    server.kill()


def test_24_trials_at_once_with_a_reader_beside(uri, tmp_path, measured) -> None:
    """Every point of every run is there, and neither side meets a lock."""
    client, done = connect(uri), threading.Event()
    seen, problems = [], []

    def read_on() -> None:
        while not done.wait(0.5):
            try:
                seen.append(len(reader.trials(client, "campaign", "load")))
            except Exception as error:
                problems.append(error)

    watcher = threading.Thread(target=read_on)
    watcher.start()
    try:
        with durable_writer(tmp_path / "journals", 300.0, uri) as writer:
            seconds = write(writer, "load", RUNS, EPOCHS)
    finally:
        done.set()
        watcher.join()
    assert problems == []
    assert max(seen) > 0
    per_run = check(client, "load", RUNS, EPOCHS)
    assert catch_up.unsent(tmp_path / "journals") == {}
    measured(
        "load",
        f"{CONCURRENT} trials of {len(METRICS)} metrics at once, {RUNS} runs of {EPOCHS} epochs, to "
        f"{uri.partition(':')[0]}, somebody reading all along",
        f"every point there, no lock met; {seconds * 1e3:.0f} ms an epoch, {per_run * 1e3:.0f} ms a run read",
    )


def test_24_writers_at_once_to_a_server_on_postgres(tmp_path) -> None:
    """Nothing is lost: each point of each run is read back."""
    database = Postgres()
    server = MlflowServer(database.create("mlflow"), tmp_path)
    server.start()
    try:
        fill_concurrently(server.uri, CONCURRENT, EPOCHS)
        check(connect(server.uri), FILLED, CONCURRENT, EPOCHS)
    finally:
        server.kill()
        database.remove()
