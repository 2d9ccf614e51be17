"""Lock of a state folder: one driver at a time; removes what a killed one left of Ray."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlpf_hpo.errors import BusyError, StorageError
from mlpf_hpo.tuning.ray_folder import remove_sessions

LOCK = "driver.lock"


@contextmanager
def sole_driver(state_dir: Path) -> Iterator[None]:
    """Hold the right to train in a state folder, and begin without what a killed driver left of Ray.

    Two drivers would train the same trials at once. The kernel gives the right back when the process ends,
    however it ends.

    Raises
    ------
    BusyError
        If another process holds it; the message says which, and since when.
    StorageError
        If the folder cannot be written.
    """
    file = state_dir / LOCK
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"{file}: cannot be written: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 100, 0).decode(errors="replace").strip() or "another process"
            raise BusyError(
                f"{state_dir}: {holder} trains here; wait until it has ended, or end it with kill"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"PID {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')},".encode(), 0)
        remove_sessions(state_dir)
        yield
    finally:
        os.close(lock)
