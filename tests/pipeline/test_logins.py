"""A pipeline whose tracking server asks for user and password: nothing that it leaves or says has them."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from mlpf_hpo.config import load_params
from tests.clones import Clone
from tests.tracking.basic_auth import BasicAuth
from tests.tracking.servers import MlflowServer

pytestmark = pytest.mark.pipeline

USER, PASSWORD = f"user{secrets.token_hex(4)}", f"{secrets.token_hex(4)}/w@rd:ö"
"""Of each run its own, so that no file of the checkout has them."""

FORMS = [
    form.encode()
    for form in (
        USER,
        PASSWORD,
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode().rstrip("="),
        base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
        PASSWORD.encode("unicode_escape").decode(),
    )
]

SMALL = {
    "space": {"lr": {"high": 3e-2}},
    "campaign": {"trials": 10, "epochs": 3},
    "predictors": {"candidates": ["persistence", "svr"], "table_2_splits": 1},
    "search": {"configurations": 3, "max_epochs": 3},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    """Yield a tracking server that keeps everything in a folder."""
    folder = tmp_path / "server"
    folder.mkdir()
    found = MlflowServer(f"sqlite:///{folder / 'store.db'}", folder)
    found.start()
    yield found
    found.kill()


class Workers:
    """What the processes that train are given, looked at while they live."""

    def __init__(self) -> None:
        self.environments: dict[str, dict[str, str]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Workers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.is_set():
            for process in psutil.Process().children(recursive=True):
                try:
                    line = " ".join(process.cmdline())
                    if "ray::" in line or "raylet" in line or "mlpf_hpo.workload.worker" in line:
                        self.environments[line] = process.environ()
                except psutil.Error:
                    continue
            time.sleep(1)


def check_hidden(text: bytes, where: object) -> None:
    for form in FORMS:
        assert form not in text, f"{where}: {form!r}"


def test_nothing_has_user_or_password(
    with_events: Clone, copy: Callable[[Clone], Clone], server: MlflowServer, tmp_path: Path
) -> None:
    clone, door = copy(with_events), BasicAuth(server.uri, USER, PASSWORD)
    clone.write_params(SMALL)
    address = f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{door.port}"
    clone.environment |= {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    with Workers() as workers:
        said = clone.run("dvc", "repro")
    assert f"http://127.0.0.1:{door.port}/#/experiments/" in said
    assert any("ray::" in line for line in workers.environments)
    assert any("mlpf_hpo.workload.worker" in line for line in workers.environments)
    for line, environment in workers.environments.items():
        check_hidden(repr(environment).encode(), line)

    cli = ("python", "-m", "mlpf_hpo.cli")
    shown = clone.run(*cli, "ui")
    assert "search-asha" in shown
    said += shown
    clone.environment["MLFLOW_TRACKING_URI"] = address.replace(PASSWORD[:8], "wr0ng")
    wrong = clone.run("dvc", "repro", "--force", "--single-item", "curves", status=255)
    assert "check user and password" in wrong
    assert "wr0ng" not in wrong
    clone.environment["MLFLOW_TRACKING_URI"] = address
    door.stop()
    for command in (("dvc", "repro", "--force", "--single-item", "curves"), (*cli, "status")):
        told = clone.run(*command, status=None)
        assert f"MLflow cannot be reached at http://127.0.0.1:{door.port}: " in told
        said += told

    check_hidden((said + wrong).encode(), "what was printed")
    n_trials = load_params(clone.folder / "params.yaml").campaign.trials
    assert len(list((tmp_path / "server/artifacts").rglob("*"))) > n_trials
    for folder in (clone.folder, tmp_path):
        for file in folder.rglob("*"):
            check_hidden(str(file).encode(), file)
            if file.is_file() and not file.is_symlink():
                check_hidden(file.read_bytes(), file)
