"""The spool: a file of operations that MLflow has not confirmed yet.

One JSON line an operation, only ever appended to, below a line that says whom they are for. When all are
confirmed the file is cut back to that line. A line torn by a kill was never answered for, and is dropped. The
file is locked by the process that writes it, so that a file that is not locked is one that a process left.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from mlpf_hpo.credentials import public_uri
from mlpf_hpo.errors import StorageError
from mlpf_hpo.tracking.operations import Operation, from_json, to_json
from mlpf_hpo.tracking.storage import SQLITE, database_file, database_uri

SPOOL = "spool"
"""Folder of spools within a folder of state."""


class Spool:
    """One file, held by this process until it is closed.

    Parameters
    ----------
    path : path
        The file; made if it is not there.
    uri : str
        Whom its operations are for; no login is written, and the project's own database is written by its
        place beside the spool: it is still meant when both were moved or copied.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    StorageError
        If it cannot be written.
    """

    def __init__(self, path: Path, uri: str) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise _refused(path, error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._head, self._left = self._take_over(_address(path.parent, uri))
        except OSError as error:
            self._file.close()
            if isinstance(error, BlockingIOError):
                raise
            raise _refused(path, error) from error

    @property
    def refused(self) -> Path:
        """The file beside it: what MLflow refused, and why."""
        return self.path.with_suffix(".refused")

    def operations(self) -> Iterator[Operation]:
        """Yield what an earlier process left, in order; lines that hold no operation are set aside."""
        for line in self._left:
            try:
                yield from_json(json.loads(line))
            except ValueError as error:
                self._set_aside({"why": str(error), "line": line.decode(errors="replace")})

    def append(self, operation: Operation) -> None:
        """Write an operation at the end.

        Raises
        ------
        StorageError
            If the file system has no room; nothing of the line is left then.
        """
        self._write(_line(to_json(operation)))

    def clear(self) -> None:
        """Forget all operations: they are confirmed."""
        try:
            self._file.truncate(self._head)
            if self._names_a_user:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(self.path, error) from error

    def set_aside(self, operation: Operation, why: str) -> None:
        """Keep an operation that MLflow refuses where people find it."""
        self._set_aside({"why": why, "operation": to_json(operation)})

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take_over(self, address: str) -> tuple[int, list[bytes]]:
        """Drop what is torn, see to the first line; return its length and the lines after it."""
        whole = _whole(self.path.read_bytes())
        self._file.truncate(len(whole))
        if not whole:
            whole = _line({"tracking_uri": address})
            self._write(whole)
        first, *left = whole.splitlines(keepends=True)
        self._names_a_user = first != _line({"tracking_uri": address})
        return len(first), left

    def _write(self, line: bytes) -> None:
        before = os.fstat(self._file.fileno()).st_size
        try:
            written = self._file.write(line)
        except OSError as error:
            raise _refused(self.path, error) from error
        if written != len(line):
            self._file.truncate(before)
            raise _refused(self.path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _set_aside(self, content: dict[str, object]) -> None:
        line = _line(content)
        try:
            known = self.refused.read_bytes() if self.refused.exists() else b""
            if line not in known:  # a replay that was interrupted meets it again
                with self.refused.open("ab") as file:
                    file.write(line)
        except OSError as error:
            raise _refused(self.refused, error) from error


def own_spool(folder: Path, uri: str) -> Spool:
    """Return the first file for this address that no other process holds."""
    for path in _paths(folder, _address(folder, uri)):
        with suppress(BlockingIOError):
            return Spool(path, uri)
    raise AssertionError("unreachable: there is no last path")


def left_spools(folder: Path, uri: str, former: str | None = None) -> Iterator[Spool]:
    """Yield, one after the other, the files for this address that a process left operations in.

    Those for a `former` address of the same store are yielded too.
    """
    for path in sorted(folder.glob("*.jsonl"), key=lambda path: (len(path.name), path.name)):
        if _meant(folder, _whole(path.read_bytes())) not in (public_uri(uri), former):
            continue
        with suppress(BlockingIOError), Spool(path, uri) as spool:
            yield spool


def contents(folder: Path) -> dict[Path, tuple[str, list[Operation]]]:
    """Return for each file that holds operations whom they are for, and what they are; nothing is changed."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        content = _whole(path.read_bytes())
        lines = content.splitlines()[1:]
        operations = []
        for line in lines:
            with suppress(ValueError):
                operations.append(from_json(json.loads(line)))
        if lines:
            found[path] = (_meant(folder, content), operations)
    return found


def _address(folder: Path, uri: str) -> str:
    """Return an address as a spool has it: a database in a folder above it by its relative path."""
    database = database_file(uri).resolve()
    if uri.startswith(SQLITE) and folder.resolve().is_relative_to(database.parent):
        return database_uri(Path(os.path.relpath(database, folder.resolve())))
    return public_uri(uri)


def _meant(folder: Path, content: bytes) -> str:
    """Return whom the operations of a file are for; files of earlier versions named a user there."""
    head = content.partition(b"\n")[0]
    address = public_uri(json.loads(head)["tracking_uri"]) if head else ""
    if not address.startswith(SQLITE):
        return address
    return database_uri(Path(os.path.normpath(folder.resolve() / database_file(address))))


def _paths(folder: Path, address: str) -> Iterator[Path]:
    """Yield the files for an address: the first, and one more for each process that writes at once."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", address)[-40:].strip("-")
    stem = f"{readable}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
    yield folder / f"{stem}.jsonl"
    for number in itertools.count(2):
        yield folder / f"{stem}-{number}.jsonl"


def _whole(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def _line(content: dict[str, object]) -> bytes:
    return (json.dumps(content, allow_nan=False) + "\n").encode()


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: cannot be written: {error.strerror or error}")
