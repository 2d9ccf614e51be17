"""Files written whole or not at all, and read with errors that say which stage makes them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError, MissingInputError, StorageError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, it takes the place of `path`.

    The block writes a file or a folder there. When it fails, the temporary path is removed and `path` stays
    as it was.

    Raises
    ------
    StorageError
        If the file system refuses (no space, no permission); the message names `path`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        yield temporary
        if temporary.is_dir():
            _remove(path)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        _remove(temporary)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as readable JSON; NaN and infinities are refused."""
    text = json.dumps(content, indent=1, allow_nan=False)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, stage: str) -> Any:
    """Read a JSON file that `stage` makes."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingInputError(
            f"{path}: not there; the stage `{stage}` makes it (dvc repro {stage})"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    try:
        return json.loads(text)
    except ValueError as error:
        hint = f"make it again with: dvc repro -f {stage}"
        raise DataError(f"{path}: not valid JSON ({error}); {hint}") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
