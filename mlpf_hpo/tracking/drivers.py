"""Which process drives a run, and whether it lives: MLflow shows RUNNING also after a driver has died."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import psutil

PROCESS, MACHINE, STARTED = "driver_pid", "driver_host", "driver_started"

CLOCK_SECONDS = 5.0
"""By so much a corrected clock may move the time at which a process is said to have begun."""


def driver_tags() -> dict[str, str]:
    """Return the tags of a parent run that this process drives."""
    started = psutil.Process().create_time()
    return {PROCESS: str(os.getpid()), MACHINE: socket.gethostname(), STARTED: f"{started:.2f}"}


def is_alive(tags: Mapping[str, str]) -> bool | None:
    """Tell whether the driver that a run's tags name is alive; None where that can't be known from here.

    A process number is given again after a while: the time at which the process began tells them apart.
    """
    if not {PROCESS, MACHINE, STARTED} <= tags.keys() or tags[MACHINE] != socket.gethostname():
        return None
    try:
        process = psutil.Process(int(tags[PROCESS]))
        return abs(process.create_time() - float(tags[STARTED])) < CLOCK_SECONDS and (
            process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return False
