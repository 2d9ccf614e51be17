"""The journal of a campaign or search: the record of its runs, from which MLflow is brought up to date.

One JSON line an entry, only ever appended to: openings, whole epoch reports with what was decided, ends. It
is locked by the process that writes it. How much a store has confirmed stands beside it, see `Confirmed`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlpf_hpo.credentials import public_uri
from mlpf_hpo.errors import BusyError, DataError
from mlpf_hpo.files import storage_error
from mlpf_hpo.search.scheduler import Result
from mlpf_hpo.tracking.journal_entries import CloseRun, Entry, LogMetrics, OpenRun, from_json, to_json
from mlpf_hpo.tracking.storage_errors import SQLITE, database_file, database_uri

JOURNALS = "journals"
"""Folder of journals within a folder of state."""


@dataclass
class RunState:
    """State of a run by its journal: last opening, last epoch, and whether its end is missing."""

    opening: OpenRun | None = None
    epochs: int = 0
    open: bool = False

    def update(self, entry: Entry) -> None:
        """Take an entry into account."""
        if isinstance(entry, OpenRun):
            self.opening, self.open = entry, True
        elif isinstance(entry, CloseRun):
            self.open = False
        else:
            self.epochs = max(self.epochs, entry.epoch)


class Journal:
    """A file of entries, made by the first `append`; a line torn by a kill is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1
        self._end = -1

    @property
    def refused(self) -> Path:
        """The file beside it: what MLflow refused, and why."""
        return self.path.with_suffix(".refused")

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Yield the entries behind a position.

        Raises
        ------
        DataError
            If a line cannot be read; the message names it.
        """
        for _, entry in self.positions(after):
            yield entry

    def positions(self, after: int = 0) -> Iterator[tuple[int, Entry]]:
        """Yield the entries behind a position, each with the position of its end."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        number, end = content.count(b"\n", 0, after), after
        for line in content[after : content.rfind(b"\n") + 1].splitlines(keepends=True):
            number, end = number + 1, end + len(line)
            try:
                yield end, from_json(json.loads(line))
            except ValueError as error:
                raise DataError(
                    f"{self.path}, line {number}: not an entry of a journal ({error}); move the file away to "
                    "go on from what MLflow holds, with decisions made anew"
                ) from None

    def entries_of(self, run: str) -> Iterator[Entry]:
        """Yield the entries of one run, without reading those of others."""
        name = json.dumps(run).encode()
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return
        for line in lines:
            if name in line and line.endswith(b"\n"):
                entry = from_json(json.loads(line))
                if entry.run == run:
                    yield entry

    def results(self) -> Iterator[Result]:
        """Yield what schedulers saw and decided, in that order."""
        for entry in self.entries():
            if isinstance(entry, LogMetrics) and entry.result is not None:
                yield entry.result

    def runs(self) -> dict[str, RunState]:
        """Return the state of each run, by name."""
        found: dict[str, RunState] = {}
        for entry in self.entries():
            if not is_result_alone(entry):
                found.setdefault(entry.run, RunState()).update(entry)
        return found

    def append(self, entry: Entry) -> int:
        """Write an entry, whole or not at all, and return the position of its end.

        Raises
        ------
        BusyError
            If another process writes the journal.
        StorageError
            If the file system refuses; the message names the file.
        """
        self.hold()
        line = json.dumps(to_json(entry), allow_nan=False).encode() + b"\n"
        try:
            written = os.write(self._file, line)  # without a buffer: a disk that fills up takes a part
            if written != len(line):
                os.ftruncate(self._file, self._end)
        except OSError as error:
            raise storage_error(error, self.path) from error
        if written != len(line):
            raise storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), self.path)
        self._end += len(line)
        return self._end

    def set_aside(self, content: dict[str, object]) -> None:
        """Keep what MLflow refuses in `refused`, once."""
        line = json.dumps(content).encode() + b"\n"
        try:
            known = self.refused.read_bytes() if self.refused.exists() else b""
            if line not in known:  # an attempt that was interrupted meets it again
                with self.refused.open("ab") as file:
                    file.write(line)
        except OSError as error:
            raise storage_error(error, self.refused) from error

    def hold(self) -> None:
        """Make sure that this process alone writes the file, and drop what is torn."""
        if self._file >= 0 and self._is_there():
            return
        self.close()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._end = self.path.read_bytes().rfind(b"\n") + 1
            os.ftruncate(self._file, self._end)
        except BlockingIOError:
            self.close()
            raise BusyError(f"{self.path}: another process writes this journal; wait until it ends") from None
        except OSError as error:
            raise storage_error(error, self.path) from error

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _is_there(self) -> bool:
        """Tell whether the file is still the one that is held: as long as when it was last written."""
        try:
            now, held = self.path.stat(), os.fstat(self._file)
        except FileNotFoundError:
            return False
        return (now.st_ino, now.st_dev, now.st_size) == (held.st_ino, held.st_dev, self._end)


class Confirmed:
    """How much of a journal a store has confirmed, in a file beside it; lost, all is sent once more.

    No login is written, and the project's own database is written by its place beside the journals: it is
    still found when both were moved or copied.
    """

    def __init__(self, journal: Journal, uri: str) -> None:
        address = _address(journal.path.parent, uri)
        digest = hashlib.sha256(address.encode()).hexdigest()[:8]
        self.path = journal.path.with_name(f"{journal.path.stem}.{digest}.sent")
        self._journal = journal
        self._head = json.dumps({"tracking_uri": address}).encode() + b"\n"
        self._file = -1

    @property
    def position(self) -> int:
        """The end of the last entry that is confirmed; 0 where that is not known, or not of this journal."""
        try:
            position = int(self.path.read_bytes().removeprefix(self._head))
            with self._journal.path.open("rb") as file:
                file.seek(position - 1)
                return position if file.read(1) == b"\n" else 0
        except (OSError, ValueError):
            return 0

    def advance(self, position: int) -> None:
        """Take down that everything up to a position is confirmed.

        Raises
        ------
        StorageError
            If the file system refuses.
        """
        try:
            if self._file < 0:
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
                os.pwrite(self._file, self._head, 0)
            os.pwrite(self._file, b"%020d\n" % position, len(self._head))
        except OSError as error:
            raise storage_error(error, self.path) from error

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def is_result_alone(entry: Entry) -> bool:
    """Tell whether an entry is of an earlier version, which kept no metrics: nothing can be made from it."""
    return isinstance(entry, LogMetrics) and not entry.metrics


def store_addresses(journal: Journal) -> Iterator[str]:
    """Yield the stores that a journal was, or is to be, sent to."""
    for path in sorted(journal.path.parent.glob(f"{journal.path.stem}.*.sent")):
        yield store_address(journal.path.parent, path.read_bytes())


def store_address(folder: Path, content: bytes) -> str:
    """Return the store that a file of a folder names in its first line, where old versions named a user."""
    head = content.partition(b"\n")[0]
    address = public_uri(json.loads(head)["tracking_uri"]) if head else ""
    if not address.startswith(SQLITE):
        return address
    return database_uri(Path(os.path.normpath(folder.resolve() / database_file(address))))


def _address(folder: Path, uri: str) -> str:
    """Return an address as it is written: a database in a folder above by its relative path."""
    database = database_file(uri).resolve()
    if uri.startswith(SQLITE) and folder.resolve().is_relative_to(database.parent):
        return database_uri(Path(os.path.relpath(database, folder.resolve())))
    return public_uri(uri)
