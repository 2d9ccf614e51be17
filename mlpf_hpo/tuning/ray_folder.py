"""Temporary folder of a Ray session: in a folder of the state, or at a shorter path that is linked there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from mlpf_hpo.errors import ConfigurationError, StorageError

LONGEST = 107 - len("/session_2026-01-01_12-00-00_123456_1234567/sockets/plasma_store.1")
"""Ray puts sockets below its temporary folder, and the path of a socket has at most 107 bytes."""

PREFIX = "mlpf-ray-"
"""Begins the names of short folders, by which they are found and removed: no others should begin so."""

RANDOM = 8
"""Number of characters that `mkdtemp` puts behind a prefix."""

END_SECONDS = 5.0
"""How long to wait for processes that were killed."""


@contextmanager
def session_folder(parent: Path) -> Iterator[Path]:
    """Yield a fresh folder for a Ray session, made or linked in `parent`, and remove it afterwards.

    Raises
    ------
    StorageError
        If the file system refuses.
    ConfigurationError
        If no path is short enough.
    """
    parent = parent.resolve()
    link = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if len(os.fsencode(parent)) + len("/") + RANDOM <= LONGEST:
            folder = Path(tempfile.mkdtemp(dir=parent, prefix=""))
        else:
            folder = _short_folder()
            link = parent / folder.name
            link.symlink_to(folder)
    except OSError as error:
        raise StorageError(
            f"{error.filename or parent}: cannot be written: {error.strerror or error}"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if link is not None:
            link.unlink(missing_ok=True)


def end_daemons(folder: Path) -> None:
    """End what `ray.shutdown` leaves of a Ray with this folder: all of it, if its start failed."""
    ended = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(str(folder) in word for word in process.cmdline()):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, timeout=END_SECONDS)


def remove_sessions(parent: Path) -> None:
    """Remove the folders of sessions with a driver that was killed; to be called while none runs."""
    for left in parent.glob("*"):
        folder = left.resolve()
        if left.is_symlink():
            left.unlink()
        if folder.parent == left.parent.resolve() or folder.name.startswith(PREFIX):
            shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if len(os.fsencode(parent)) + len("/") + len(PREFIX) + RANDOM <= LONGEST:
            return Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX))
    raise ConfigurationError(
        f"{tempfile.gettempdir()}: too long for the sockets that Ray puts below it; set TMPDIR to a folder "
        f"whose path has at most {LONGEST - len('/') - len(PREFIX) - RANDOM} bytes"
    )
