"""A Ray cluster on this machine, with nodes that do not see the project's folders."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from mlpf_hpo.hardware.host import LABEL_VARIABLE
from mlpf_hpo.own_package import package_root

HIDES = 'for folder in $HIDDEN; do mount -t tmpfs none "$folder" || exit; done; exec "$@"'
"""Puts an empty file system over folders, in a mount namespace that begins with it, and goes on."""


SETTINGS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Processes may take long to start on a machine that is busy with other tests.
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_worker_register_timeout_seconds": "300",
}


def can_hide_folders() -> bool:
    """Tell whether this process may give others a file system of their own: root may, if not confined."""
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([*_hidden(), "true"], env=_environment([folder]), check=False).returncode == 0


HEAD = ("--head", "--port=0", "--num-cpus=0", "--include-dashboard=false")


class Nodes:
    """A cluster; its head is on this process's file system and takes no trials."""

    def __init__(self, folder: Path, hidden: Sequence[Path]) -> None:
        code = [package_root() / name for name in ("mlpf_hpo", "tests")]
        self.hidden = [*map(str, hidden), *map(str, code)]
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._start("head", [*HEAD, f"--temp-dir={folder}"], {})
        self.address = self._address()

    def add(self, label: str, cpus: int = 1, hide: bool = True, **environment: str) -> None:
        """Start a node, and wait until it has joined."""
        options = [f"--address={self.address}", f"--num-cpus={cpus}"]
        self._start(label, options, {LABEL_VARIABLE: label, **environment}, self.hidden if hide else ())

    def lose(self, label: str) -> None:
        """Kill all processes of a node, as if the machine had lost its power."""
        node = self.processes.pop(label)
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(node.pid).children(recursive=True):
                process.kill()
        node.kill()
        node.wait()

    def end(self) -> None:
        """Kill all nodes, the head last."""
        for label in reversed([*self.processes]):
            self.lose(label)

    def environment(self) -> dict[str, str]:
        """Return the environment of a driver."""
        return {**_environment(), "RAY_ADDRESS": self.address}

    def _start(
        self, label: str, options: Sequence[str], environment: dict[str, str], hidden: Sequence[str] = ()
    ) -> None:
        log = self.folder / f"{label}.log"
        ray = [str(Path(sys.executable).parent / "ray"), "start", "--block"]
        place = ["--node-ip-address=127.0.0.1", "--object-store-memory=80000000"]
        with log.open("wb") as output:
            self.processes[label] = subprocess.Popen(
                [*(_hidden() if hidden else []), *ray, *place, *options],
                cwd="/",
                env={**_environment(hidden), **environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while b"Ray runtime started" not in log.read_bytes():
            assert self.processes[label].poll() is None, log.read_text()
            time.sleep(0.1)

    def _address(self) -> str:
        """Return the address by which others join: the head says it."""
        words = (self.folder / "head.log").read_text().split()
        (address,) = {word.partition("=")[2].strip("'") for word in words if word.startswith("--address=")}
        return address


@contextmanager
def nodes(hidden: Sequence[Path]) -> Iterator[Nodes]:
    """Yield a cluster of a head alone; its nodes see neither the `hidden` folders nor this package."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a short path, for Ray's sockets
        cluster = Nodes(Path(folder), hidden)
        try:
            yield cluster
        finally:
            cluster.end()


def _hidden() -> list[str]:
    return ["unshare", "--mount", "sh", "-c", HIDES, "sh"]


def _environment(hidden: Sequence[str] = ()) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHONPATH"))}
    return {**own, **SETTINGS, "HIDDEN": " ".join(hidden)}
