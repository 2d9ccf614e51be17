"""Serving the MLflow interface over the project's own database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import psutil

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.process_start import uninterrupted_start
from mlpf_hpo.tracking import links, ui_links
from mlpf_hpo.tracking.client import connect, tracking_uri
from mlpf_hpo.tracking.login import full_uri

START_SECONDS, END_SECONDS = 300, 5
"""How long the server may take to answer, and to end: a machine in full use is slow to import it."""

QUIET = ("--uvicorn-opts", "--log-level warning")
"""A line for each request would push the links off the screen."""

JOBS = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
"""MLflow's jobs are for language models; their six processes take as long to start as all the rest."""

BACKEND = "MLFLOW_BACKEND_STORE_URI"
"""Variable that gives the server its database: every user of the machine can read a command line."""

EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared with, not bound to


def serve_ui(host: str, port: int, on_ready: Callable[[str], None]) -> int:
    """Serve the interface until interrupted; return the server's exit status.

    Raises
    ------
    TrackingError
        If the port is in use, or the server does not come up.
    """
    uri = tracking_uri()
    client = connect(uri, make=False)
    if uri.startswith("http"):
        message = f"MLflow runs at {uri} (MLFLOW_TRACKING_URI); --host and --port are for a local database"
        on_ready(f"{message}\n{ui_links.links_text(client)}")
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"port {port} on {host}: {error.strerror}; choose another with --port"
            raise TrackingError(message) from None
    command = [sys.executable, "-m", "mlflow", "server", *QUIET]
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        with uninterrupted_start():
            server = subprocess.Popen(
                [*command, "--host", host, "--port", str(port), "--workers", "1"],
                env={JOBS: "false", **os.environ, BACKEND: full_uri(uri)},
                stdout=sys.stderr,  # what we print ourselves stays alone on stdout
            )
            stack.callback(_end, server)
        _wait(server, host, port)
        base = f"http://{'127.0.0.1' if host == EVERYWHERE else host}:{port}"
        links_text = links.relocated(ui_links.links_text(client), base)
        on_ready(f"MLflow at {base} (--host {host} --port {port}; Ctrl-C ends it)\n{links_text}")
        while server.poll() is None:
            time.sleep(0.5)  # and not `wait`, which signals don't interrupt once MLflow has been imported
        return server.returncode
    return 0


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server with the workers that it started, patiently first."""
    with suppress(psutil.NoSuchProcess):
        whole = psutil.Process(server.pid)
        family = [whole, *whole.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(family, timeout=END_SECONDS)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    server.wait()


def _wait(server: subprocess.Popen[bytes], host: str, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TrackingError(f"the MLflow server ended at once, with status {server.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.2)
    raise TrackingError(f"the MLflow server did not answer within {START_SECONDS} s")
