"""Servers and databases that require a login: it is sent to them alone, and never printed or stored."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mlpf_hpo import console
from mlpf_hpo.cli.app import app
from mlpf_hpo.credentials import LOGIN
from mlpf_hpo.errors import TrackingError
from mlpf_hpo.events.store import write_store
from mlpf_hpo.tracking import catch_up, links, login
from mlpf_hpo.tracking.client import connect, tracking_uri
from mlpf_hpo.tracking.journal import Confirmed, Journal
from mlpf_hpo.tracking.journal_entries import LogMetrics
from mlpf_hpo.tracking.writer import RunWriter, durable_writer
from tests.faults.artefacts import events
from tests.tracking.basic_auth import BasicAuth
from tests.tracking.servers import MlflowServer, Postgres

USER, PASSWORD = "annette", "Pa55/w@rd:ö"
HEADER = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
QUOTED = quote(PASSWORD, safe="")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """Yield a server that MLflow answers from."""
    folder = tmp_path_factory.mktemp("server")
    found = MlflowServer(f"sqlite:///{folder / 'store.db'}", folder)
    found.start()
    yield found
    found.kill()


@pytest.fixture
def door(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[BasicAuth]:
    """Yield what stands before the server, whose address with the login is in the environment."""
    found = BasicAuth(server.uri, USER, PASSWORD)
    for name in LOGIN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "")  # so that what is set during the test goes after it
    monkeypatch.delenv("MLFLOW_TRACKING_AUTH")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{USER}:{QUOTED}@127.0.0.1:{found.port}")
    yield found
    found.stop()


def check_hidden(text: str) -> None:
    """Fail if a text has user or password, in any form."""
    for secret in (PASSWORD, QUOTED, quote(PASSWORD), HEADER, "Pa55", USER):
        assert secret not in text, text


def leave_waiting(folder: Path, uri: str, run: str) -> None:
    """Leave an epoch in a journal that a store has not got, as a killed driver does."""
    journal = Journal(folder / f"{run.partition('/')[0]}.jsonl")
    before = journal.size
    journal.append(LogMetrics(run, "t003", 1, {"val/loss": 1.0}, 0))
    Confirmed(journal, uri).advance(before)
    journal.close()


def test_runs_are_written_and_read_with_the_login_of_the_address(door: BasicAuth, tmp_path: Path) -> None:
    public = f"http://127.0.0.1:{door.port}"
    client = connect()
    assert tracking_uri() == client.tracking_uri == links.base_url() == public
    assert os.environ["MLFLOW_TRACKING_URI"] == public
    run = RunWriter(client).open_parent("campaign", "abc", "campaign-abc", {}, {}, "a note")
    (tmp_path / "kept.txt").write_text("kept")
    client.log_artifact(run, str(tmp_path / "kept.txt"))
    assert Path(client.download_artifacts(run, "kept.txt")).read_text() == "kept"
    assert set(door.headers) == {f"Basic {HEADER}"}
    check_hidden(repr(client.get_run(run).to_dictionary()))


def test_a_login_is_sent_to_no_other_server(door: BasicAuth, server: MlflowServer) -> None:
    connect()
    other = BasicAuth(server.uri, "bob", "other")
    with pytest.raises(TrackingError, match="error code 401"):
        connect(f"http://127.0.0.1:{other.port}")
    other.stop()
    assert set(other.headers) == {""}


def test_what_waits_names_no_user_and_is_sent_with_the_login(door: BasicAuth, tmp_path: Path) -> None:
    address = tracking_uri()
    with durable_writer(tmp_path, 60.0) as writer:
        run = writer.open_parent("campaign", "waits", "campaign-waits", {}, {}, "a note")
    leave_waiting(tmp_path, f"http://{USER}:{QUOTED}@127.0.0.1:{door.port}", "waits/campaign")
    for file in tmp_path.iterdir():
        check_hidden(f"{file} {file.read_text()} {list(catch_up.describe_unsent(tmp_path))}")
    assert list(catch_up.send_all(tmp_path)) == [f"{address}: 1 entries sent"]
    assert connect().get_run(run).data.metrics == {"val/loss": 1.0}


@pytest.mark.parametrize("wrong", [f"{USER}:wr0ng-word", USER, ""])
def test_a_wrong_login_is_reported_without_it(door: BasicAuth, wrong: str) -> None:
    uri = f"http://{wrong}@127.0.0.1:{door.port}"
    with pytest.raises(TrackingError) as refused:
        connect(uri)
    text = "".join(traceback.format_exception(refused.value))
    check_hidden(text)
    assert "wr0ng-word" not in text
    assert str(refused.value).startswith(f"MLflow cannot be reached at http://127.0.0.1:{door.port}: ")
    assert "check user and password" in str(refused.value)


def test_an_outage_is_reported_without_the_login(door: BasicAuth, tmp_path: Path, caplog) -> None:
    with (  # noqa: PT012
        pytest.raises(TrackingError) as lost,
        durable_writer(tmp_path, 0.5) as writer,
    ):
        parent = writer.open_parent("campaign", "lost", "campaign-lost", {}, {}, "a note")
        door.stop()
        writer.log_epoch(parent, 1, {"val/loss": 1.0})
    text = "".join(traceback.format_exception(lost.value))
    assert "does not answer" in text
    check_hidden(text + caplog.text + "".join(file.read_text() for file in tmp_path.iterdir()))


COMMANDS = [
    ("status",),
    ("status", "--json"),
    ("runs", "best"),
    ("ui",),
    ("tracking", "send"),
    ("spool", "replay"),
    ("predictors", "predict", "--curves", "curves.csv"),
    ("physics", "3f2a", "--events", "events"),
    ("reconstruct", "events", "--model", "mlpf@champion", "--out", "particles.parquet"),
]
"""Everything that reads from MLflow."""


@pytest.mark.parametrize("failure", ["away", "wrong login"])
def test_no_answer_is_not_taken_for_no_runs_and_without_the_login(
    door: BasicAuth, tmp_path: Path, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "err", Console(file=io.StringIO()))
    uri = os.environ["MLFLOW_TRACKING_URI"]
    if failure == "away":
        door.stop()
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri := uri.replace(QUOTED, "wr0ng-word"))
    leave_waiting(catch_up.journal_folder(), uri, "c/k3")
    (tmp_path / "curves.csv").write_text("lr,loss_0,loss_1\n1,2,\n2,3,\n")
    write_store(tmp_path / "events", list(events(2)), {})
    for command in COMMANDS:
        ended = CliRunner().invoke(app, command)
        text = f"{ended.output} {ended.exception}"
        check_hidden(text)
        assert "wr0ng-word" not in text
        assert ended.exit_code == 1, (command, text)
        assert isinstance(ended.exception, SystemExit | TrackingError), (command, text)
        assert f"MLflow cannot be reached at http://127.0.0.1:{door.port}: " in text, command
        assert "none yet" not in text


@pytest.mark.parametrize(
    "command", [("status",), ("runs", "best"), ("ui",), ("physics", "3f2a", "--events", "events")]
)
def test_a_server_that_goes_away_meanwhile(
    door: BasicAuth, tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_store(tmp_path / "events", list(events(2)), {})
    connect()
    door.answer_only(len(door.headers))  # as many requests as it takes to connect
    ended = CliRunner().invoke(app, command)
    text = f"{ended.output} {ended.exception}"
    assert f"MLflow at http://127.0.0.1:{door.port} does not answer: " in text
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit | TrackingError)


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """Yield a PostgreSQL that asks for a password."""
    found = Postgres(PASSWORD)
    found.create("runs")
    yield found
    found.remove()


def test_a_database_that_asks_for_a_password(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    full = f"postgresql+psycopg://mlflow:{QUOTED}@/runs?host={postgres.folder}"
    public = f"postgresql+psycopg:///runs?host={postgres.folder}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", full)
    client = connect()
    assert tracking_uri() == os.environ["MLFLOW_TRACKING_URI"] == public
    run = RunWriter(client).open_parent("campaign", "abc", "campaign-abc", {}, {}, "a note")
    check_hidden(json.dumps(client.get_run(run).to_dictionary(), default=str))
    with pytest.raises(TrackingError) as refused:
        connect(full.replace(f"mlflow:{QUOTED}", f"{USER}:wr0ng-word"))
    assert "wr0ng-word" not in str(refused.value)
    assert USER not in str(refused.value)
    assert "check user and password" in str(refused.value)


def test_processes_that_write_no_runs_are_started_without_a_login(
    door: BasicAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = f"http://127.0.0.1:{door.port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", public)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    client = connect()
    with login.logged_out():
        seen = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
        client.search_experiments()
    assert "MLFLOW_TRACKING_URI" in seen
    check_hidden(seen)
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == PASSWORD
