"""From files of the published format to a store: over several processes, and taken up again after a kill.

Every file becomes a small store beside the one asked for; these parts are joined when all are there.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError, StorageError
from mlpf_hpo.events.pickle_machine import MAX_BYTES
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, whole_store, write_store
from mlpf_hpo.events.work_folder import work_folder
from mlpf_hpo.events.workers import Workers
from mlpf_hpo.events.zenodo import SUFFIX, read_zenodo
from mlpf_hpo.files import sha256
from mlpf_hpo.space import stable_hash

PROCESSES = ("ttbar", "qcd")
"""Found in the names of the published files."""

CHARGES = {
    False: "as in the files; in those of Zenodo 4559324 the sign of the PDG code, so that an electron has +1",
    True: "electric, made from the sign of the PDG code that is in the files",
}
"""What a manifest says of the targets' charge, by `correct_charge`."""


@dataclass(frozen=True)
class ReadOptions:
    """How files are read; the arguments of `read_zenodo`."""

    process: str
    pileup: float = 200.0
    correct_charge: bool = False
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True)
class _Part:
    """What became of a file.

    Attributes
    ----------
    file : path
        The file.
    sha256 : str
        Its digest, if it could be read.
    store : path
        Its events.
    n_events : int
        Their number.
    is_new : bool
        Whether it was read just now.
    problem : str
        Why it could not be read, or empty.
    """

    file: Path
    sha256: str = ""
    store: Path = Path()
    n_events: int = 0
    is_new: bool = True
    problem: str = ""


def zenodo_files(paths: Sequence[Path]) -> list[Path]:
    """Return files, and those in folders in the order of the numbers in their names.

    Raises
    ------
    MissingInputError
        If one is not there, or a folder holds none.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob(f"*{SUFFIX}"), key=_natural) if path.is_dir() else [path]
        if not found or not found[0].is_file():
            wanted = f"no *{SUFFIX} in this folder" if path.is_dir() else "no such file"
            raise MissingInputError(f"{path}: {wanted}; the files are those of Zenodo record 4559324")
        files.extend(found)
    return files


def process_of(files: Sequence[Path]) -> str:
    """Return the process that all file names tell of.

    Raises
    ------
    ConfigurationError
        If they don't.
    """
    told = {next((name for name in PROCESSES if name in file.name), "") for file in files}
    if len(told) != 1 or told == {""}:
        raise ConfigurationError(
            f"the names of {len(files)} files do not tell one process ({' or '.join(PROCESSES)}): import one "
            "at a time, and name it"
        )
    return told.pop()


def import_zenodo(
    files: Sequence[Path],
    path: Path,
    options: ReadOptions,
    workers: int,
    keep_going: bool = False,
    progress: Callable[[int, int, str], Any] | None = None,
) -> EventStore:
    """Import files into a new store, whole or not at all.

    A worker holds one file at a time. What was read stays in a folder beside the store until the store is
    whole: a later call takes it up where the files are still the same. The disk needs room for two stores.

    Parameters
    ----------
    files : sequence of path
        In the order of the events.
    path : path
        Folder of the store; what was there is replaced.
    options : ReadOptions
        How to read them.
    workers : int
        Processes; changes no event.
    keep_going : bool
        Leave out files that cannot be read, and say so in the manifest; else the first one is an error.
    progress : callable, optional
        Called with (files done, files in all, a note).

    Raises
    ------
    DataError
        If a file cannot be used, or none can.
    BusyError
        If another process is making this store.
    StorageError
        If the file system refuses to take the store.
    """
    tell = progress or (lambda *_: None)
    with work_folder(path, "parts") as folder:
        with Workers(workers) as crew:
            parts = crew.map(_read_part, ((file, folder, options) for file in files))
            good, skipped = _sorted_out(parts, len(files), keep_going, tell)
        if not good:
            raise DataError(
                f"{path}: none of {len(files)} files could be read; {files[0]}: {skipped[0].problem}"
            )
        tell(len(files), len(files), "writing the store")
        return write_store(path, _joined(good), _settings(good, skipped, options))


def _sorted_out(
    parts: Iterable[_Part], n_files: int, keep_going: bool, tell: Callable[[int, int, str], Any]
) -> tuple[list[_Part], list[_Part]]:
    """Return the parts that make the store, and those of files that are left out."""
    good: dict[str, _Part] = {}
    skipped: list[_Part] = []
    note = _Rate()
    for done, found in enumerate(parts, start=1):
        part = found
        if not part.problem and part.sha256 in good:
            part = dataclasses.replace(part, problem=f"the same content as {good[part.sha256].file.name}")
        if not part.problem:
            good[part.sha256] = part
        elif keep_going:
            skipped.append(part)
        else:
            raise DataError(f"{part.file}: {part.problem}")
        tell(done, n_files, note(part))
    return list(good.values()), skipped


class _Rate:
    """Events per second of what was read now, not of what was found."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._events = 0

    def __call__(self, part: _Part) -> str:
        self._events += part.n_events * part.is_new
        return f"{self._events / max(time.monotonic() - self._begin, 1e-3):.0f} events/s"


def _read_part(file: Path, folder: Path, options: ReadOptions) -> _Part:
    """Make a file's part, if it is not there already."""
    try:
        digest = sha256(file)
        settings = {"file": str(file.resolve()), "sha256": digest, **dataclasses.asdict(options)}
        path = folder / stable_hash(settings, length=32)
        store = whole_store(path)  # that an earlier call left
        is_new = store is None
        if store is None:
            store = write_store(path, read_zenodo(file, **dataclasses.asdict(options)), settings)
    except StorageError:
        raise
    except (DataError, MissingInputError, OSError) as error:
        # The part's name would tell nobody anything.
        return _Part(file, problem=str(error).removeprefix(f"{file}: "))
    return _Part(file, digest, path, len(store), is_new)


def _joined(parts: Sequence[_Part]) -> Iterator[Event]:
    number = 0
    for part in parts:
        store = EventStore.open(part.store)
        for i in range(len(store)):
            yield dataclasses.replace(store[i], number=number)
            number += 1


def _settings(parts: Sequence[_Part], skipped: Sequence[_Part], options: ReadOptions) -> dict[str, Any]:
    """Return what the manifest says of the origin: content, not places."""
    return {
        "source": "files in the format of Zenodo 4559324",
        "target_charge": CHARGES[options.correct_charge],
        "files": [{"name": p.file.name, "sha256": p.sha256, "events": p.n_events} for p in parts],
        "skipped": [{"name": p.file.name, "reason": p.problem} for p in skipped],
    }


def _natural(path: Path) -> list[int | str]:
    """Return a key that sorts the numbers in names by value."""
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", path.name)]
