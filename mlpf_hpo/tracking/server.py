"""Serving the MLflow interface over the project's own database."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable

from mlflow import MlflowClient

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.client import connect, tracking_uri
from mlpf_hpo.tracking.delivery import experiment_name
from mlpf_hpo.tracking.registry import MODEL

START_SECONDS = 90


def serve_ui(host: str, port: int, on_ready: Callable[[str], None]) -> int:
    """Serve the interface until interrupted; return the server's exit status.

    Raises
    ------
    TrackingError
        If the port is in use, or the server does not come up.
    """
    uri = tracking_uri()
    client = connect(uri)
    if uri.startswith("http"):
        on_ready(f"runs are tracked at {uri}\n{overview(client)}")
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            told = f"port {port} on {host}: {error.strerror}; choose another with --port"
            raise TrackingError(told) from None
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    server = subprocess.Popen([*command, "--host", host, "--port", str(port), "--workers", "1"])
    try:
        _wait(server, host, port)
        told = overview(client).replace(links.LOCAL, f"http://{host}:{port}")
        on_ready(f"MLflow at http://{host}:{port} (Ctrl-C ends it)\n{told}")
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait(timeout=20)


def overview(client: MlflowClient) -> str:
    """Return links to the campaigns and searches on record, newest first, and to the champion."""
    lines = []
    for kind in ("campaign", "search"):
        experiment = client.get_experiment_by_name(experiment_name(kind))
        if experiment is None:
            continue
        parents = client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'", max_results=5)
        for run in parents:
            condition = links.condition_on(run.data.tags["campaign_id"])
            lines.append(f"  {run.info.run_name}: {links.curves_link(experiment.experiment_id, condition)}")
    for model in client.search_registered_models(f"name = '{MODEL}'"):
        for alias, version in sorted(model.aliases.items()):
            lines.append(f"  {MODEL}@{alias}: {links.model_link(MODEL, version)}")
    return "\n".join(lines) or "  nothing on record yet: run `make repro`"


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
