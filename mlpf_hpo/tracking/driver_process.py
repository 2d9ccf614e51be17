"""State of a driver: the process that drives a run, and whether it lives. MLflow shows RUNNING in any case.

A driver leaves its process and machine with the parent run that it drives, and renews a heartbeat there (see
heartbeat.py). On the same machine the process table says at once whether it lives; from anywhere else, also
from another container on the same machine, the heartbeat does.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

PROCESS, MACHINE, STARTED = "driver_pid", "driver_host", "driver_started"
PROCESS_TABLE = "driver_process_table"
HEARTBEAT, INTERVAL = "driver_heartbeat", "driver_heartbeat_seconds"

CLOCK_SECONDS = 5.0
"""By so much a corrected clock may move the time at which a process is said to have begun."""

MISSED = 12
"""A driver without a heartbeat for so many intervals is taken for dead: two minutes, at 10 s each. Clocks
of two machines should differ by less; where they differ by more, `orphaned_runs.WATCHED` helps."""


@dataclass(frozen=True)
class DriverState:
    """What is known of a driver: process and machine, since when, whether it lives, and by what.

    Attributes
    ----------
    alive : bool or None
        None where it can't be known from here.
    by_heartbeat : bool
        Whether the heartbeat decided, and not the process table.
    limit_seconds : float
        So long after its last heartbeat it is taken for dead; 0 where it leaves none.
    """

    name: str
    process: str
    since: str
    alive: bool | None
    evidence: str
    by_heartbeat: bool = False
    limit_seconds: float = 0.0


def driver_tags(heartbeat_seconds: float | None = None) -> dict[str, str]:
    """Return the tags of a parent run that this process drives; with a heartbeat if it will be renewed."""
    tags = {
        PROCESS: str(os.getpid()),
        MACHINE: socket.gethostname(),
        STARTED: f"{psutil.Process().create_time():.2f}",
        PROCESS_TABLE: process_table(),
    }
    if heartbeat_seconds is not None:
        tags |= {HEARTBEAT: heartbeat(), INTERVAL: f"{heartbeat_seconds:g}"}
    return tags


def heartbeat() -> str:
    """Return the value of a heartbeat: now."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def process_table() -> str:
    """Return what all processes share that see each other: a boot of a kernel, and a namespace of processes.

    Empty where the system has no such file: then only heartbeats show which drivers live.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def is_this_process(tags: Mapping[str, str]) -> bool:
    """Tell whether this process drives, or drove, the run of these tags."""
    mine = driver_tags()
    return all(tags.get(name) == mine[name] for name in (PROCESS, MACHINE, PROCESS_TABLE)) and _began_then(
        psutil.Process(), tags
    )


def driver_state(tags: Mapping[str, str]) -> DriverState:
    """Return the state of a parent run's driver by the run's tags, as seen from this process."""
    process = tags.get(PROCESS, "?")
    name = f"process {process} on {tags.get(MACHINE, '?')}"
    since = _format_time(datetime.fromtimestamp(float(tags[STARTED]), UTC)) if STARTED in tags else "?"
    limit = MISSED * float(tags.get(INTERVAL, 0))
    seen = _in_process_table(tags)
    if seen is not None:
        evidence = "its process is there" if seen else "its process is gone"
        return DriverState(name, process, since, seen, evidence, limit_seconds=limit)
    if not {HEARTBEAT, INTERVAL} <= tags.keys():
        return DriverState(name, process, since, None, "it leaves no heartbeat")
    age = (datetime.now(UTC) - datetime.fromisoformat(tags[HEARTBEAT])).total_seconds()
    evidence = f"last heartbeat {abs(age):.0f} s {'ago' if age >= 0 else 'ahead of this clock'}"
    return DriverState(
        name, process, since, abs(age) <= limit, evidence, by_heartbeat=True, limit_seconds=limit
    )


def _in_process_table(tags: Mapping[str, str]) -> bool | None:
    """Tell whether the process is there; None where this process would not see it."""
    table = process_table()
    if not {PROCESS, STARTED} <= tags.keys() or not table or tags.get(PROCESS_TABLE) != table:
        return None
    if tags.get(MACHINE) != socket.gethostname():
        return None
    try:
        process = psutil.Process(int(tags[PROCESS]))
        return _began_then(process, tags) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        # Another user's process may be there and not to be looked at.
        return None if psutil.pid_exists(int(tags[PROCESS])) else False
    except psutil.AccessDenied:
        return None


def _began_then(process: psutil.Process, tags: Mapping[str, str]) -> bool:
    """Tell whether a process is the one of the tags: numbers are given again after a while."""
    return abs(process.create_time() - float(tags.get(STARTED, 0))) < CLOCK_SECONDS


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
