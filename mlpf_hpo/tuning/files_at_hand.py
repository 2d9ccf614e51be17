"""What a trial needs on its node: its folder and its data, brought there where the driver's are not seen."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from filelock import FileLock

from mlpf_hpo.errors import DataError, StorageError
from mlpf_hpo.files import sha256, storage_error, write_bytes, written_whole
from mlpf_hpo.tuning.driver_files import DriverFiles
from mlpf_hpo.tuning.file_keeper import ask, files_of
from mlpf_hpo.tuning.task import Task, TrialSpec

PART = 2**25
"""Bytes of data that are asked for at once."""


@dataclass(frozen=True)
class FileAccess:
    """How a worker on any node comes by the driver's files: it sees them, or asks the keeper."""

    files: DriverFiles
    keeper: Any

    @contextmanager
    def at_hand(
        self, spec: TrialSpec[Task], folder: Path
    ) -> Iterator[tuple[TrialSpec[Task], Path, Callable[[], None]]]:
        """Yield the trial with data that are here, its folder here, and what to call after every epoch.

        Raises
        ------
        StorageError
            If the file system of this node, or the driver's, refuses.
        DataError
            If the data arrive otherwise than the driver has them.
        """
        try:
            if not self.files.data_are_here():
                spec = replace(spec, task=with_data(spec.task, self._data_copy(spec.task.data_digest)))
            if self.files.state_is_here():
                yield spec, folder, nothing
                return
            with TemporaryDirectory(dir=place_on_node(), prefix="trial-", ignore_cleanup_errors=True) as here:
                copy = FolderCopy(self.keeper, folder.name, Path(here))
                yield spec, copy.folder, copy.send
                copy.send()
        except StorageError as error:
            raise StorageError(f"node {socket.gethostname()}: {error}") from error

    def _data_copy(self, digest: str) -> Path:
        """Return this node's copy of the data; the first process that needs it brings it here."""
        copy = place_on_node() / f"data-{digest}"
        with FileLock(copy.with_suffix(".lock")):
            if not copy.exists():
                with written_whole(copy) as folder:
                    folder.mkdir()
                    for name, (size, checksum) in ask(self.keeper.data_listing.remote()).items():
                        self._bring(name, size, folder / name)
                        if sha256(folder / name) != checksum:
                            raise DataError(
                                f"{self.files.data}/{name}: changed while it was copied; try again"
                            )
        return copy

    def _bring(self, name: str, size: int, file: Path) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as stream:
                for offset in range(0, size, PART):
                    stream.write(ask(self.keeper.read_data.remote(name, offset, PART)))
        except OSError as error:
            raise storage_error(error, file) from error


class FolderCopy:
    """A copy of a trial's folder on a node that does not see the driver's.

    Parameters
    ----------
    keeper : actor
        By which the driver's is read and written.
    trial : str
        Name of the trial's folder.
    folder : path
        An empty folder for the copy.
    """

    def __init__(self, keeper: Any, trial: str, folder: Path) -> None:
        self.folder = folder
        self._keeper, self._trial, self._holder = keeper, trial, uuid.uuid4().hex
        for name, content in ask(keeper.begin.remote(trial, self._holder)).items():
            write_bytes(folder / name, content)
        self._sent = files_of(folder)

    def send(self) -> None:
        """Bring the driver's folder up to date; when this returns, its files are written there."""
        now = files_of(self.folder)
        changed = {
            name: (self.folder / name).read_bytes()
            for name, state in now.items()
            if state != self._sent.get(name)
        }
        removed = [name for name in self._sent if name not in now]
        if changed or removed:
            ask(self._keeper.write.remote(self._trial, self._holder, changed, removed))
        self._sent = now


def with_data(task: Task, folder: Path) -> Task:
    """Return a task that reads its data in another folder, as its own method `with_data` makes it."""
    made: Task = task.with_data(folder)  # type: ignore[attr-defined]
    return made


def can_move_data(task: Task) -> bool:
    """Tell whether a task can be given its data in another folder."""
    return hasattr(task, "with_data")


@cache
def place_on_node() -> Path:
    """Return this package's folder within that of Ray's session on this node, made if it is not there."""
    place = Path(ray._private.worker._global_node.get_session_dir_path()) / "mlpf_hpo"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, place) from error
    return place


def nothing() -> None:
    """Leave files where they are: the driver sees them."""
