"""Check of the Ray cluster that RAY_ADDRESS names, before Ray itself would try for minutes."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
from pathlib import Path

import ray
from ray._private import services

from mlpf_hpo.credentials import without_login
from mlpf_hpo.errors import ConfigurationError, one_line

VARIABLE = "RAY_ADDRESS"

REMEDY = (
    f"start it, correct {VARIABLE} (HOST:PORT of a running cluster's head node, or auto), or unset "
    f"{VARIABLE} to train on this machine alone"
)

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 20.0
"""How long a head node may take to accept a connection, and to say what it is."""

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^\s:/@]+):(?P<port>[0-9]{1,5})")

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""How a client of HTTP/2, as Ray's head node speaks it, begins: with settings, of which it has none."""

_QUESTION = """
import json, sys
from ray._private import services
from ray._raylet import GcsClient
head = GcsClient(address=sys.argv[1])
metadata = json.loads(head.internal_kv_get(b"CLUSTER_METADATA", namespace=b"cluster", timeout=5))
try:
    services.get_node_to_connect_for_driver(head, timeout_seconds=3)
except Exception:
    metadata["joined"] = False
print(json.dumps(metadata))
"""
"""Asked by a process of its own: Ray's client of a head node cannot be given up before 40 s."""


def cluster_address() -> str | None:
    """Return the address of the running cluster that RAY_ADDRESS names; None if this machine trains alone.

    Raises
    ------
    ConfigurationError
        If it names none that this process can use; the message says why, and what to do.
    """
    named = os.environ.get(VARIABLE)
    if named is None or named == "local":
        return None
    address = _host_and_port(named.strip())
    label = address if named == address else f"{address} ({VARIABLE}={named})"
    _check_connection(address, label)
    _check_metadata(_cluster_metadata(address, label, automatic=named == "auto"), label)
    return "auto" if named == "auto" else address


def _host_and_port(named: str) -> str:
    """Return host and port."""
    if not named:
        raise ConfigurationError(f"{VARIABLE} is empty; {REMEDY}")
    if named == "auto":
        try:
            return str(services.canonicalize_bootstrap_address(named))
        except ConnectionError:
            raise ConfigurationError(
                f"{VARIABLE}=auto: no Ray cluster runs on this machine (`ray start --head` starts one); "
                f"{REMEDY}"
            ) from None
    if named.startswith("ray://"):
        raise ConfigurationError(
            f"{VARIABLE}={named}: Ray Client is not supported, as the driver keeps the files of trials; run "
            f"this on a node of the cluster with the HOST:PORT of its head node, or unset {VARIABLE}"
        )
    found = _ADDRESS.fullmatch(named)
    if found is None or not 0 < int(found["port"]) < 2**16:
        raise ConfigurationError(f"{VARIABLE}={named!r}: not HOST:PORT; {REMEDY}")
    return named


def _check_connection(address: str, label: str) -> None:
    """Connect, and see whether what listens speaks as a head node does."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0") == "0":
                connection.sendall(_PREFACE)
                answer = connection.recv(9)
                if answer[3:4] != b"\x04":
                    raise ConfigurationError(f"{label}: what listens there is no Ray cluster; {REMEDY}")
    except ConnectionResetError:
        raise ConfigurationError(f"{label}: what listens there is no Ray cluster; {REMEDY}") from None
    except TimeoutError:
        raise ConfigurationError(
            f"{label}: no Ray cluster answers there within {CONNECT_SECONDS:g} s; {REMEDY}"
        ) from None
    except socket.gaierror as error:
        raise ConfigurationError(f"{label}: no such host ({error.strerror}); {REMEDY}") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(f"{label}: no Ray cluster is there ({reason}); {REMEDY}") from None


def _cluster_metadata(address: str, label: str, automatic: bool) -> dict[str, str]:
    """Return the cluster's metadata from its head node."""
    environment = without_login(os.environ)
    if automatic and "RAY_AUTH_MODE" not in environment and _has_token():
        environment["RAY_AUTH_MODE"] = "token"  # as Ray does where it has found the cluster by itself
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _QUESTION, address],
            env=environment,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"{label}: what listens there does not answer as the head node of a Ray cluster within "
            f"{ANSWER_SECONDS:g} s; {REMEDY}"
        ) from None
    if "AuthenticationError" in answer.stderr:
        raise ConfigurationError(
            f"{label}: it asks for its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the "
            f"file of the cluster's token where it is not ~/.ray/auth_token; or unset {VARIABLE}"
        )
    try:
        return dict(json.loads(answer.stdout))
    except ValueError:
        reason = (answer.stderr.strip().splitlines() or ["no answer"])[-1]
        raise ConfigurationError(f"{label}: no head node of a Ray cluster: {reason}; {REMEDY}") from None


def _check_metadata(about: dict[str, str], label: str) -> None:
    theirs = about.get("ray_version"), about.get("python_version")
    ours = ray.__version__, platform.python_version()
    if theirs != ours:
        raise ConfigurationError(
            f"{label}: the cluster runs Ray {theirs[0]} on Python {theirs[1]}, this process Ray {ours[0]} on "
            f"Python {ours[1]}, and they must be equal: set both up from constraints.txt, or unset {VARIABLE}"
        )
    if "joined" in about:
        raise ConfigurationError(
            f"{label}: this machine is no node of the cluster: join it with `ray start --address=HOST:PORT`, "
            f"run this on one of its nodes, or unset {VARIABLE}"
        )


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    return "RAY_AUTH_TOKEN" in os.environ or Path(named).is_file()


def refused(error: Exception) -> ConfigurationError:
    """Return the error if Ray fails to connect after these checks passed."""
    return ConfigurationError(f"{VARIABLE}={os.environ.get(VARIABLE)}: {one_line(error)}; {REMEDY}")
