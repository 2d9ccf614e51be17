"""Files written whole or not at all, and read with errors that say which stage makes them.

Libraries make their content in memory and this module writes it: so what a full disk raises is always an
`OSError`, whichever library made the content.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from mlpf_hpo.errors import DataError, MissingInputError, StorageError
from mlpf_hpo.remedies import make, make_again
from mlpf_hpo.space import stable_hash

SEAL = "digest"
"""Key under which a record keeps the digest of its other keys."""

REFUSALS = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
        *(errno.EROFS, errno.EACCES, errno.EPERM),
        *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP),
        *(errno.EMFILE, errno.ENFILE),
    }
)
"""Errors of a file system that cannot keep files; a user can solve them."""


def storage_error(error: OSError, path: Path | str | None = None) -> StorageError:
    """Return the error for a file that cannot be written; by default the file that `error` names."""
    where = path or error.filename or "a file"
    return StorageError(f"{where}: cannot be written: {error.strerror or error}")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, it takes the place of `path`.

    The block writes a file or a folder there. When it fails, the temporary path is removed and `path` stays
    as it was. What a killed process left of its own attempt is removed too.

    Raises
    ------
    StorageError
        If the file system refuses (no space, no permission); the message names `path`.
    """
    if not path.name:
        raise StorageError(f"{path}: cannot be written: name a file in it")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        _remove_abandoned(path)
        yield temporary
        if temporary.is_dir():
            _remove(path)
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        _remove(temporary)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write `content` as readable JSON; NaN and infinities are refused."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON with a digest of its content, by which `read_record` notices damage."""
    write_json(path, sealed(content))


def read_json(path: Path, stage: str, remedy: str | None = None) -> Any:
    """Read a JSON file that `stage` makes; where that does not help, messages name another remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingInputError(
            f"{path}: not there; {remedy or f'the stage `{stage}` makes it ({make(stage, path)})'}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}; {remedy or _again(stage, path)}") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); {remedy or _again(stage, path)}") from None


def read_record(path: Path, stage: str, remedy: str | None = None) -> dict[str, Any]:
    """Read what `write_record` wrote; the digest is left out. Arguments are those of `read_json`.

    Raises
    ------
    MissingInputError, DataError
        If it is not there, or its content is not what was written.
    """
    content = read_json(path, stage, remedy)
    if not is_sealed(content):
        raise DataError(
            f"{path}: damaged: its digest is not that of its content; {remedy or _again(stage, path)}"
        )
    return {name: value for name, value in content.items() if name != SEAL}


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with the digest of its content.

    Examples
    --------
    >>> is_sealed(sealed({"a": 1})), is_sealed({**sealed({"a": 1}), "a": 2})
    (True, False)
    """
    plain = json.loads(json.dumps(content, allow_nan=False))  # keys and tuples as JSON gives them back
    return {**plain, SEAL: _content_digest(plain)}


def is_sealed(content: Any) -> bool:
    """Return whether JSON content is what was sealed."""
    try:
        return isinstance(content, dict) and content[SEAL] == _content_digest(content)
    except (KeyError, ValueError):  # no digest; or a number that grew to infinity
        return False


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _content_digest(content: Mapping[str, Any]) -> str:
    return stable_hash({name: value for name, value in content.items() if name != SEAL}, length=16)


def _again(stage: str, path: Path) -> str:
    return f"make it again with: {make_again(stage, path)}"


def _remove_abandoned(path: Path) -> None:
    """Remove temporary paths of `path` whose process is gone."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        pid = left.name.split(".")[-2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
