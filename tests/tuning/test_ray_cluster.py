"""RAY_ADDRESS: what it names is used, or refused with a one-line remedy, before Ray waits for it.

The cluster is a real one, of this machine alone.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
import ray
from ray._private import services

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.tuning.ray_cluster import cluster_address

TOKEN = "70ken" * 8
UNSET = r"unset RAY_ADDRESS"

OWN_METADATA = """
import json, sys
from ray._raylet import GcsClient
head = GcsClient(address=sys.argv[1])
metadata = json.loads(head.internal_kv_get(b"CLUSTER_METADATA", namespace=b"cluster"))
metadata["ray_version"] = sys.argv[2]
head.internal_kv_put(b"CLUSTER_METADATA", json.dumps(metadata).encode(), True, namespace=b"cluster")
"""
"""Change the metadata of a cluster: only one version of Ray is installed here."""

TRAINS = """
import os, sys, ray
from pathlib import Path
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.ray_session import ray_session

with ray_session(Path(sys.argv[1]), ResourceParams()) as share:
    node = ray.get(ray.remote(lambda: ray.get_runtime_context().get_node_id()).remote())
    print(share.concurrency, node == ray.nodes()[0]["NodeID"], len(ray.nodes()))
assert not Path(sys.argv[1]).exists(), "a session of its own was begun"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("named", [None, "local"])
def test_without_an_address_this_machine_trains_alone(named, monkeypatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if named:
        monkeypatch.setenv("RAY_ADDRESS", named)
    assert cluster_address() is None


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("", "RAY_ADDRESS is empty"),
        ("  ", "RAY_ADDRESS is empty"),
        ("head", "RAY_ADDRESS='head': not HOST:PORT"),
        ("head:port", "not HOST:PORT"),
        ("head:0", "not HOST:PORT"),
        ("head:65536", "not HOST:PORT"),
        ("http://head:8265", "not HOST:PORT"),
        ("head:6379/x", "not HOST:PORT"),
        ("::1:6379", "not HOST:PORT"),
        ("ray://head:10001", "Ray Client is not supported"),
        ("no-such-host.invalid:6379", "no-such-host.invalid:6379: no such host"),
    ],
)
def test_what_is_no_address(named: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", named)
    with pytest.raises(ConfigurationError, match=rf"^[^\n]*{re.escape(message)}[^\n]*{UNSET}[^\n]*$"):
        cluster_address()


def test_auto_where_no_cluster_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr(services, "find_gcs_addresses", set)  # other tests run some
    monkeypatch.setattr(services, "find_bootstrap_address", lambda _: None)
    with pytest.raises(ConfigurationError, match=rf"^RAY_ADDRESS=auto: no Ray cluster runs .*{UNSET}"):
        cluster_address()


def test_auto_that_leads_to_a_cluster_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr(services, "find_gcs_addresses", set)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda _: f"127.0.0.1:{port}")
    with pytest.raises(ConfigurationError, match=r":\d+ \(RAY_ADDRESS=auto\): no Ray cluster is there"):
        cluster_address()


def listening(answer: Callable[[socket.socket], object]) -> int:
    """Listen for one connection, answer it, and return the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        connection, _ = server.accept()
        answer(connection)

    threading.Thread(target=accept, daemon=True).start()
    return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda connection: time.sleep(60), "no Ray cluster answers there within 3 s"),
        (lambda connection: connection.close(), "what listens there is no Ray cluster"),
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9"), "what listens there is no Ray cluster"),
    ],
    ids=["silent", "closes", "other protocol"],
)
def test_where_something_else_listens(answer, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{listening(answer)}")
    with pytest.raises(ConfigurationError, match=rf"^127.0.0.1:\d+: {message}; .*{UNSET}"):
        cluster_address()


def test_where_a_web_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.server_port}")
    with pytest.raises(ConfigurationError, match="what listens there is no Ray cluster"):
        cluster_address()
    server.shutdown()


def test_a_stage_whose_cluster_is_gone_ends_in_one_line(tmp_path: Path) -> None:
    gone = f"127.0.0.1:{free_port()}"
    body = TRAINS.strip().replace("\n", "\n    ")
    code = f"from mlpf_hpo import console\ndef main():\n    {body}\nconsole.run(main)"
    ended = subprocess.run(
        [sys.executable, "-c", code, "state"],
        cwd=tmp_path,
        env={**os.environ, "RAY_ADDRESS": gone},
        capture_output=True,
        text=True,
    )
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: {gone}: no Ray cluster is there (Connection refused); start it, correct ")
    assert ended.returncode == 1


class Head:
    """A cluster of this machine alone, which asks for a token."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        options = ["--num-cpus=3", "--include-dashboard=false", "--object-store-memory=80000000"]
        place = ["--node-ip-address=127.0.0.1", f"--port={self.address.rpartition(':')[2]}"]
        command = [Path(sys.executable).parent / "ray", "start", "--head", "--block", *options, *place]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, f"--temp-dir={folder}"],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while b"Ray runtime started" not in (folder / "log").read_bytes():
            assert self.process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)

    def raylet(self) -> psutil.Process:
        """Return the process by which this machine is a node of it."""
        (found,) = (process for process in self.family() if process.name() == "raylet")
        return found

    def family(self) -> list[psutil.Process]:
        """Return the processes that it consists of."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def run(self, code: str, *arguments: str) -> str:
        """Run a program that has the token."""
        command = [sys.executable, "-c", code, *arguments]
        environment = {**self.environment, "RAY_ADDRESS": self.address}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """Yield a running cluster."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a short path, for Ray's sockets
        found = Head(Path(folder))
        yield found
        for process in found.family():
            process.kill()
        found.process.kill()
        found.process.wait()


@pytest.fixture
def token(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process name the cluster and know its token."""
    monkeypatch.setenv("RAY_ADDRESS", head.address)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)


@pytest.mark.ray
def test_a_cluster_that_runs_is_used(head: Head, token: None, tmp_path: Path) -> None:
    assert cluster_address() == head.address
    assert head.run(TRAINS, str(tmp_path / "state")).split() == ["3", "True", "1"]


@pytest.mark.ray
def test_a_cluster_whose_token_is_not_known(head: Head, token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE")
    with pytest.raises(ConfigurationError, match="it asks for its token: set RAY_AUTH_MODE=token"):
        cluster_address()


@pytest.mark.ray
def test_a_port_of_ray_that_is_not_its_head_node_s(
    head: Head, token: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = {one.laddr.port for one in head.raylet().net_connections() if one.status == psutil.CONN_LISTEN}
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{min(ports)}")
    with pytest.raises(ConfigurationError, match=rf"head node of a Ray cluster.*{UNSET}"):
        cluster_address()


@pytest.mark.ray
def test_a_cluster_of_another_version(head: Head, token: None) -> None:
    head.run(OWN_METADATA, head.address, "2.9.3")
    with pytest.raises(
        ConfigurationError, match=rf"the cluster runs Ray 2\.9\.3 on .* Ray {ray.__version__} on"
    ):
        cluster_address()
    head.run(OWN_METADATA, head.address, ray.__version__)
    assert cluster_address() == head.address


@pytest.mark.ray
def test_a_cluster_that_this_machine_is_no_node_of(head: Head, token: None) -> None:
    head.process.send_signal(signal.SIGSTOP)  # it would take down the rest
    head.raylet().kill()
    with pytest.raises(ConfigurationError, match="this machine is no node of the cluster: join it"):
        cluster_address()
