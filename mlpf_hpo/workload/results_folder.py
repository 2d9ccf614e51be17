"""Results folder of a benchmark: one run at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from mlpf_hpo.errors import BusyError

LOCK = ".lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, which is made with its parents; if nothing was written, they go again.

    The kernel gives it back when the process ends, however it ends.

    Raises
    ------
    BusyError
        If another run writes there.
    OSError
        If it cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise BusyError(f"{folder}: another benchmark writes there; choose another folder, or wait") from None
    with lock:
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LOCK).unlink()
                for path in made:
                    path.rmdir()
