"""Import of files of events into a store, in several processes; resumed after a kill.

Every file becomes a small store beside the requested one; these parts are joined when all are there.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError, StorageError
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, whole_store, write_store
from mlpf_hpo.events.work_folder import work_folder
from mlpf_hpo.events.workers import Workers
from mlpf_hpo.file_kind import file_kind
from mlpf_hpo.files import sha256
from mlpf_hpo.space import stable_hash


class FileReader(Protocol):
    """How files of one format become events: a dataclass, so that processes and manifests can have it."""

    def read(self, file: Path) -> Iterator[Event]:
        """Yield the events of a file, in their order.

        Raises
        ------
        MissingInputError, DataError
            If it is not there, or cannot be used; the message begins with its path.
        """
        ...

    def settings(self) -> Mapping[str, Any]:
        """Return all that the events depend on beside the file, as JSON holds it."""
        ...

    def about(self, files: Sequence[Path]) -> Mapping[str, Any]:
        """Return what the manifest says of the files, all of which have been read."""
        ...


@dataclass(frozen=True)
class _Part:
    """What became of a file: a store of its events, or the problem that kept it from being read."""

    file: Path
    sha256: str = ""
    store: Path = Path()
    n_events: int = 0
    is_new: bool = True  # read just now, not by an earlier call
    problem: str = ""


def check_process_name(process: str) -> None:
    """Refuse what cannot stand for a process in messages and captions.

    Raises
    ------
    ConfigurationError
        If it is no word.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", process):
        raise ConfigurationError(f"--process {process!r}: one word is needed, like ttbar or Z-tautau")


def files_in(paths: Sequence[Path], patterns: Sequence[str], wanted: str) -> list[Path]:
    """Return files, and those in folders in the order of the numbers in their names.

    Parameters
    ----------
    paths : sequence of path
        Files, and folders of them.
    patterns : sequence of str
        Names of the files that are taken out of a folder.
    wanted : str
        What they are, for the message.

    Raises
    ------
    MissingInputError
        If one is not there, or a folder holds none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted((file for pattern in patterns for file in path.glob(pattern)), key=_natural)
        else:
            found = [path] if path.is_file() else []
        if not found:
            missing = f"no {' or '.join(patterns)} in this folder" if path.is_dir() else "no such file"
            raise MissingInputError(f"{path}: {missing}{_content_of(path)}; {wanted} are read")
        files.extend(found)
    return files


def import_files(
    files: Sequence[Path],
    path: Path,
    reader: FileReader,
    workers: int,
    keep_going: bool = False,
    progress: Callable[[int, int, str], Any] | None = None,
) -> EventStore:
    """Import files, in the order of the events, into a new store, whole or not at all.

    A worker holds one file at a time; their number changes no event. What was read stays in a folder beside
    the store until the store is whole: a later call takes it up where the files are still the same. The disk
    needs room for two stores. With `keep_going`, files that cannot be read are left out, as the manifest
    says. `progress` is called with (files done, files in all, a note).

    Raises
    ------
    DataError
        If a file cannot be used, or none can.
    BusyError
        If another process is making this store.
    StorageError
        If the file system refuses to take the store.
    """
    report = progress or (lambda *_: None)
    with work_folder(path, "parts") as folder:
        with Workers(workers) as crew:
            parts = crew.map(_read_part, ((file, folder, reader) for file in files))
            good, skipped = _sorted_out(parts, len(files), keep_going, report)
        if not good:
            raise DataError(
                f"{path}: none of {len(files)} files could be read; {files[0]}: {skipped[0].problem}"
            )
        report(len(files), len(files), "writing the store")
        return write_store(path, _joined(good), _settings(good, skipped, reader))


def _sorted_out(
    parts: Iterable[_Part], n_files: int, keep_going: bool, report: Callable[[int, int, str], Any]
) -> tuple[list[_Part], list[_Part]]:
    """Return the parts that make the store, and those of files that are left out."""
    good: dict[str, _Part] = {}
    skipped: list[_Part] = []
    note = _Rate()
    for done, found in enumerate(parts, start=1):
        part = found
        content = "" if part.problem else _content_digest(part.store)
        if content in good:
            part = dataclasses.replace(part, problem=f"the same content as {good[content].file.name}")
        if not part.problem:
            good[content] = part
        elif keep_going:
            skipped.append(part)
        else:
            raise DataError(f"{part.file}: {part.problem}")
        report(done, n_files, note(part))
    return list(good.values()), skipped


class _Rate:
    """Events per second of what was read now, not of what was found."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._events = 0

    def __call__(self, part: _Part) -> str:
        self._events += part.n_events * part.is_new
        return f"{self._events / max(time.monotonic() - self._begin, 1e-3):.0f} events/s"


def _read_part(file: Path, folder: Path, reader: FileReader) -> _Part:
    """Make a file's part, if it is not there already."""
    try:
        digest = sha256(file)
        settings = {"file": str(file.resolve()), "sha256": digest, **reader.settings()}
        path = folder / stable_hash(settings, length=32)
        store = whole_store(path)  # that an earlier call left
        is_new = store is None
        if store is None:
            store = write_store(path, reader.read(file), settings)
    except StorageError:
        raise
    except (DataError, MissingInputError, OSError) as error:
        # The part's name is of no use to a user.
        return _Part(file, problem=str(error).removeprefix(f"{file}: "))
    return _Part(file, digest, path, len(store), is_new)


def _content_digest(part: Path) -> str:
    """Return a digest of a part's events: equal for a file and its copy, however each is compressed."""
    files, arrays = EventStore.open(part).manifest["files"], ("features", "targets", "candidates")
    return stable_hash([files[f"{name}.npy"]["sha256"] for name in arrays])


def _joined(parts: Sequence[_Part]) -> Iterator[Event]:
    number = 0
    for part in parts:
        store = EventStore.open(part.store)
        for i in range(len(store)):
            yield dataclasses.replace(store[i], number=number)
            number += 1


def _settings(parts: Sequence[_Part], skipped: Sequence[_Part], reader: FileReader) -> dict[str, Any]:
    """Return what the manifest says of the origin: content, not places."""
    return {
        **reader.about([part.file for part in parts]),
        "files": [{"name": p.file.name, "sha256": p.sha256, "events": p.n_events} for p in parts],
        "skipped": [{"name": p.file.name, "reason": p.problem} for p in skipped],
    }


def _content_of(path: Path) -> str:
    """Return what a folder holds instead, by the kinds of its files."""
    kinds = Counter(file_kind(file) for file in sorted(path.glob("*")) if file.is_file())
    return f" (it holds {', '.join(f'{kind}: {n}' for kind, n in kinds.items())})" if kinds else ""


def _natural(path: Path) -> list[int | str]:
    """Return a key that sorts the numbers in names by value."""
    return [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", path.name)]
