"""Real servers for tests: MLflow's own, and PostgreSQL in a folder of its own; to be stopped and started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

NOBODY = "postgres"
"""Account that runs PostgreSQL where the tests run as root, which it refuses."""


class Server:
    """A server of MLflow's command line, always on the same port."""

    def __init__(self, folder: Path, *command: str, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        at = ("--host", "127.0.0.1", "--port", str(self.port))
        self._command = [sys.executable, "-m", "mlflow", *command, *at]
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> None:
        """Start it; it is ready when this returns, if it is waited for."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while wait and not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.1)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False


class MlflowServer(Server):
    """`mlflow server` over a database."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.folder_of_files = folder / "artifacts"
        artifacts = ("--artifacts-destination", str(self.folder_of_files))
        command = ("server", "--backend-store-uri", backend, "--workers", "1", *artifacts)
        super().__init__(folder, *command, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")


class ModelServer(Server):
    """`mlflow models serve`: a registered model, in the environment of the tests."""

    def __init__(self, model: str, registry: str, folder: Path) -> None:
        command = ("models", "serve", "--model-uri", model, "--env-manager", "local")
        super().__init__(folder, *command, MLFLOW_TRACKING_URI=registry)


class Postgres:
    """PostgreSQL with a fresh cluster, on a Unix socket only; with a password, every user must give it."""

    def __init__(self, password: str = "") -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # Debian keeps them out of PATH
        if not found:
            pytest.skip("needs PostgreSQL's server programs (Debian: apt-get install postgresql)")
        self._programs = found[-1]
        self._as = ["runuser", "-u", NOBODY, "--"] if os.geteuid() == 0 else []
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        if self._as:
            shutil.chown(self.folder, NOBODY)
        self._password = password
        authentication: tuple[str | Path, ...] = ("-A", "trust")
        if password:
            (self.folder / "password").write_text(password)
            authentication = ("-A", "scram-sha-256", "--pwfile", self.folder / "password")
        self._run("initdb", "-D", self.folder / "data", "-U", "mlflow", *authentication, "--no-sync")
        self.start()

    def uri(self, database: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql+psycopg://mlflow@/{database}?host={self.folder}"

    def create(self, database: str, template: str = "template1") -> str:
        """Make a database, as a copy of another, and return its address."""
        self._run("createdb", "-h", self.folder, "-U", "mlflow", "-T", template, database)
        return self.uri(database)

    def start(self) -> None:
        """Start it; it is ready when this returns."""
        options = f"-k {self.folder} -h '' -c fsync=off"
        self._run(
            "pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-o", options, "-w", "start"
        )

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")

    def remove(self) -> None:
        """Stop it and remove all that it holds."""
        self.stop()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [*self._as, self._programs / program, *arguments]
        done = subprocess.run(
            command,
            cwd="/",
            env={**os.environ, "PGPASSWORD": self._password},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert done.returncode == 0, done.stderr
