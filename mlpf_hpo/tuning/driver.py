"""The driver of trainings: one at a time in a state folder, with the writer of its runs."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlpf_hpo.errors import BusyError, StorageError
from mlpf_hpo.tracking.journal import JOURNALS
from mlpf_hpo.tracking.writer import RunWriter, durable_writer
from mlpf_hpo.tuning.ray_folder import remove_sessions

LOCK = "driver.lock"


@contextmanager
def sole_driver(state: Path, patience_seconds: float) -> Iterator[RunWriter]:
    """Hold the right to train in a state folder, and yield the writer of runs, with its journals in there.

    Two drivers would train the same trials at once. The kernel gives the right back when the process ends,
    however it ends. What a killed driver left of Ray is removed first.

    Parameters
    ----------
    state : path
        Folder of checkpoints and journals.
    patience_seconds : float
        How long the end of the block waits for an MLflow that is out of reach.

    Raises
    ------
    BusyError
        If another process holds the right; the message says which, and since when.
    StorageError
        If the folder cannot be written.
    TrackingError
        If MLflow cannot be reached at the start or at the end.
    """
    with _locked(state):
        remove_sessions(state / "ray")
        with durable_writer(state / JOURNALS, patience_seconds) as writer:
            yield writer


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    file = state / LOCK
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"{file}: cannot be written: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 100, 0).decode(errors="replace").strip() or "another process"
            raise BusyError(
                f"{state}: {holder} trains here; wait until it has ended, or end it with kill"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"PID {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')},".encode(), 0)
        yield
    finally:
        os.close(lock)
