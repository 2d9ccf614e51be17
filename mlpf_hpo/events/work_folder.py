"""Work folder beside an unfinished store: finished parts, for a call that resumes after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from mlpf_hpo.errors import BusyError, StorageError
from mlpf_hpo.events.store import check_replaceable

LOCK = "lock"


@contextmanager
def work_folder(path: Path, suffix: str) -> Iterator[Path]:
    """Yield `.NAME.SUFFIX` beside the store NAME; it goes when the block ends well, or left nothing in it.

    One process at a time has it. The kernel gives it back when the process ends, however it ends.

    Raises
    ------
    DataError
        If something that is no store is at `path`: told before the work, not after it.
    BusyError
        If another process is making this store.
    StorageError
        If the folder cannot be written.
    """
    check_replaceable(path)
    folder = path.with_name(f".{path.name}.{suffix}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise BusyError(f"{path}: another process is making this store; wait until it has ended") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error
    with lock:
        try:
            yield folder
        except BaseException:
            # A call that was refused has nothing to go on from.
            if [file.name for file in folder.iterdir()] == [LOCK]:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder)
