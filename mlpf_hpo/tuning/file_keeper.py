"""`FileKeeper`: an actor on the driver's node, by which workers elsewhere read and write its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mlpf_hpo.errors import BusyError
from mlpf_hpo.files import write_bytes
from mlpf_hpo.tuning.driver_files import Listing, list_folder

AT_ONCE = 8
"""Requests that are served at the same time."""


class FileKeeper:
    """Reads and writes trials' folders for workers that do not see them, and reads the task's data.

    What is large goes through Ray's object store. Whoever begins a trial's folder last is its holder: what a
    worker sends late, whose trial has gone on elsewhere, is refused.

    Parameters
    ----------
    checkpoints : path
        Holds a folder for each trial.
    data : path or None
        Folder of the task's data.
    """

    def __init__(self, checkpoints: Path, data: Path | None) -> None:
        self.checkpoints = checkpoints
        self.data = data
        self._holders: dict[str, str] = {}

    @cached_property
    def _data_listing(self) -> Listing:
        return list_folder(self.data) if self.data is not None else {}

    def begin(self, trial: str, holder: str) -> dict[str, bytes]:
        """Return the files of a trial's folder, by path within it; only `holder` may write it from now on."""
        self._holders[trial] = holder
        folder = self.checkpoints / trial
        return {name: (folder / name).read_bytes() for name in files_of(folder)}

    def write(self, trial: str, holder: str, changed: Mapping[str, bytes], removed: Iterable[str]) -> None:
        """Write files of a trial's folder, each whole, then remove others.

        Raises
        ------
        BusyError
            If another worker trains the trial by now.
        StorageError
            If the file system refuses.
        """
        if self._holders.setdefault(trial, holder) != holder:  # not known after this process was restarted
            raise BusyError(f"trial {trial}: it has gone on elsewhere; this worker was taken for lost")
        folder = self.checkpoints / trial
        for name, content in changed.items():
            write_bytes(folder / name, content)
        for name in removed:
            (folder / name).unlink(missing_ok=True)

    def data_listing(self) -> Listing:
        """Return the sizes and checksums of all files of the data."""
        return self._data_listing

    def read_data(self, name: str, offset: int, length: int) -> bytes:
        """Return a part of a file of the data."""
        assert self.data is not None  # noqa: S101 - the listing is empty otherwise
        with (self.data / name).open("rb") as file:
            file.seek(offset)
            return file.read(length)


def files_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return size, time and number of each file of a trial's folder; none if there is no folder.

    A file that is being written, beside the one whose place it will take, ends with ``.tmp``.
    """
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix != ".tmp":
            stat = file.stat()
            found[str(file.relative_to(folder))] = stat.st_size, stat.st_mtime_ns, stat.st_ino
    return found


def start_keeper(checkpoints: Path, data: Path | None) -> Any:
    """Start the actor on this process's node, and return its handle at once. It takes no CPU of a trial's."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "max_concurrency": AT_ONCE}
    return ray.remote(FileKeeper).options(scheduling_strategy=here, **options).remote(checkpoints, data)


def ask(request: Any) -> Any:
    """Return the answer to a request to the actor, or raise what it raised."""
    try:
        return ray.get(request)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
