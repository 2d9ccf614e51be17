"""MLflow goes away in the middle of a search under Ray, and comes back, or does not."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.tracking import catch_up, reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.writer import durable_writer
from mlpf_hpo.tuning.ray_session import ray_session
from tests.tracking.servers import MlflowServer, Postgres
from tests.tuning.conftest import empty_database, make_spec, stores
from tests.tuning.toys import TWO, run_search, start_driver, toy, trained, wait_for_progress

__all__ = ["empty_database", "make_spec", "stores"]

pytestmark = [pytest.mark.faults, pytest.mark.ray]

TRIALS, EPOCHS = 4, 12
PATIENCE = 300.0

WHOLE = "every epoch is on record once, in order, and every status is true"


def curve(number: int, epoch: int) -> float:
    return number + 1 / epoch


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory):
    with ray_session(tmp_path_factory.mktemp("state"), TWO):
        yield


@pytest.fixture(scope="module")
def postgres():
    """Start PostgreSQL with a database `empty` that holds MLflow's schema."""
    server = Postgres()
    try:
        client = connect(server.create("empty"))
        client._tracking_client.store.engine.dispose()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request, tmp_path, empty_database) -> str:
    """Return the address of a database with MLflow's schema and nothing else."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres").create(f"t{time.time_ns()}", "empty")
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def server(backend, tmp_path):
    running = MlflowServer(backend, tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def specs(make_spec) -> list:
    return [make_spec(f"t{i:03d}", seed=i) for i in range(TRIALS)]


class Outage:
    """A progress callback: after `begin` trials it calls `away`, `more` epochs later `back`."""

    def __init__(self, begin: float, more: int, away: Callable[[], None], back: Callable[[], None]) -> None:
        self.steps = [(begin, away), (begin + more / EPOCHS, back)]
        self.seen: list[tuple[float, float]] = []
        self.marks: list[float] = []

    def __call__(self, done: float, total: float, note: str) -> None:
        self.seen.append((time.monotonic(), done))
        if self.steps and done >= self.steps[0][0]:
            _, act = self.steps.pop(0)
            act()
            self.marks.append(time.monotonic())

    def paces(self) -> tuple[float, float]:
        """Return epochs per second before and within the outage, once the first results were there."""
        away, back = self.marks
        return self._pace(0.0, away), self._pace(away, back)

    def _pace(self, start: float, end: float) -> float:
        inside = [(moment, done) for moment, done in self.seen if start <= moment <= end and done > 0]
        (first, before), (last, after) = inside[0], inside[-1]
        return (after - before) * EPOCHS / (last - first)


def check_whole(uri: str, tmp_path: Path) -> None:
    """Check that every trial's record is what it would be without any fault."""
    client = connect(uri)
    records = reader.trials(client, "search", "s")
    assert [record.trial_id for record in records] == [f"t{i:03d}" for i in range(TRIALS)]
    steps = list(range(1, EPOCHS + 1))
    for number, record in enumerate(records):
        assert record.status == "finished"
        assert record.metrics["val/loss"] == tuple(curve(number, epoch) for epoch in steps)
        assert record.timestamps == tuple(float(epoch) for epoch in steps)
        run = client.get_run(record.run_id)
        assert (run.info.status, run.data.tags["trial_status"]) == ("FINISHED", "finished")
        assert run.info.start_time < run.info.end_time
        assert len(run.inputs.dataset_inputs) == 1
        history = client.get_metric_history(record.run_id, "val/loss")
        assert [point.step for point in history] == steps, "each once, in order"
    assert trained(tmp_path) == [steps] * TRIALS
    journal = list(Journal(tmp_path / "state" / "journals" / "s.jsonl").results())
    assert len(journal) == TRIALS * EPOCHS
    assert catch_up.unsent(tmp_path / "state" / "journals") == {}


def search(uri: str, specs, tmp_path: Path, outage: Outage | None, pace: float, patience: float = PATIENCE):
    """Run the search as a stage does."""
    with durable_writer(tmp_path / "state" / "journals", patience, uri) as writer:
        writer.close_orphans("s")
        outcomes, _ = run_search(
            writer, specs, FullTraining(), EPOCHS, tmp_path / "state",
            train=toy(curve, pace=pace), on_progress=outage,
        )  # fmt: skip
    assert [outcome.status for outcome in outcomes] == ["finished"] * TRIALS
    known = {trial.trial_id: trial.run_id for trial in reader.trials(connect(uri), "search", "s")}
    assert {outcome.trial_id: outcome.run_id for outcome in outcomes} == known, "ids, no stand-ins"


def test_a_server_is_killed_and_comes_back(ray_here, server, specs, tmp_path, measured, backend) -> None:
    """The third and fourth trial are opened, trained and closed while nobody answers."""
    outage = Outage(1.5, 18, server.kill, lambda: server.start(wait=False))
    search(server.uri, specs, tmp_path, outage, pace=0.2)
    check_whole(server.uri, tmp_path)
    before, within = outage.paces()
    measured(
        "tracking",
        f"`mlflow server` over {backend.partition(':')[0]} killed in the middle of a search, started later",
        f"{before:.1f} epochs a second before, {within:.1f} while it was away; {WHOLE}",
    )


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_server_hangs_and_goes_on(ray_here, server, specs, tmp_path, measured) -> None:
    """Stopped, it takes connections and answers none; what it was asked it does when it goes on."""
    outage = Outage(0.5, 24, lambda: server.signal(signal.SIGSTOP), lambda: server.signal(signal.SIGCONT))
    search(server.uri, specs, tmp_path, outage, pace=0.3)
    check_whole(server.uri, tmp_path)
    before, within = outage.paces()
    measured(
        "tracking",
        "`mlflow server` stopped by SIGSTOP in the middle of a search, continued later",
        f"{before:.1f} epochs a second before, {within:.1f} while it hung; {WHOLE}",
    )


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_a_database_that_is_written_directly_goes_away(
    ray_here, postgres, backend, specs, tmp_path, measured
) -> None:
    outage = Outage(0.5, 20, postgres.stop, postgres.start)
    search(backend, specs, tmp_path, outage, pace=0.1)
    check_whole(backend, tmp_path)
    measured(
        "tracking",
        "PostgreSQL, without a server before it, stopped in the middle of a search, started again",
        f"trials went on; {WHOLE}",
    )


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_database_file_is_locked_for_a_while(ray_here, backend, specs, tmp_path, measured) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db", check_same_thread=False)) as other:
        outage = Outage(0.5, 20, lambda: other.execute("BEGIN EXCLUSIVE"), other.rollback)
        search(backend, specs, tmp_path, outage, pace=0.1)
    check_whole(backend, tmp_path)
    measured(
        "tracking", "the SQLite file locked by another program for 20 epochs", "trials went on; all there"
    )


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_server_never_comes_back(ray_here, server, specs, tmp_path, measured) -> None:
    outage = Outage(1.5, 1, server.kill, lambda: None)
    with pytest.raises(TrackingError) as raised:
        search(server.uri, specs, tmp_path, outage, pace=0.05, patience=1.0)
    (((file, address), waiting),) = catch_up.unsent(tmp_path / "state" / "journals").items()
    assert address == server.uri
    n = sum(getattr(entry, "epoch", 0) > 0 for entry in waiting)
    assert TRIALS * EPOCHS / 3 < n < TRIALS * EPOCHS
    for expected in (f"{n} epochs of ", str(file), "mlpf-hpo tracking send", f"t003: 1-{EPOCHS}"):
        assert expected in str(raised.value)
    assert trained(tmp_path) == [list(range(1, EPOCHS + 1))] * TRIALS, "all trained to the end"
    server.start()
    replayed = subprocess.run(
        [sys.executable, "-m", "mlpf_hpo.cli", "tracking", "send", "--journals", str(file.parent)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert replayed.returncode == 0, replayed.stderr
    assert f"{len(waiting)} entries sent" in replayed.stdout
    check_whole(server.uri, tmp_path)
    measured(
        "tracking",
        "`mlflow server` killed in the middle of a search, never back",
        f"all trials trained to the end; the stage's error lists {n} epochs, the file and the command; "
        f"after `mlpf-hpo tracking send` {WHOLE}",
    )


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_the_driver_dies_within_the_outage(ray_here, server, specs, tmp_path, measured) -> None:
    driver = start_driver(tmp_path, server.uri, specs, FullTraining(), EPOCHS, toy(curve, pace=0.2))
    try:
        wait_for_progress(tmp_path, 0.5)
        server.kill()
        wait_for_progress(tmp_path, 2.4)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.communicate()
    (waiting,) = catch_up.unsent(tmp_path / "state" / "journals").values()
    server.start()
    search(server.uri, specs, tmp_path, None, pace=0.0)
    check_whole(server.uri, tmp_path)
    measured(
        "tracking",
        "the driver killed (-9) while `mlflow server` was away",
        f"{len(waiting)} entries lay in the journal; the next start sent them and went on; {WHOLE}",
    )
