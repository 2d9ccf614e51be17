"""Checkpoints of one trial: written whole, recognised when damaged, the newest two kept."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mlpf_hpo.errors import DataError
from mlpf_hpo.file_kind import file_kind
from mlpf_hpo.files import sha256, storage_error

log = logging.getLogger(__name__)

KEPT = 2
"""Number of checkpoints kept: the newest, and one to fall back on."""

_NAME = re.compile(r"epoch-(\d{5,})-([0-9a-f]{16})\.ckpt")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and is whole.

    Attributes
    ----------
    path : path
        The file.
    epoch : int
        Number of epochs completed.
    content : mapping
        What `torch.load(weights_only=True)` reads from it.
    """

    path: Path
    epoch: int
    content: dict[str, Any]


def save_checkpoint(folder: Path, epoch: int, write: Callable[[Path], None]) -> Path:
    """Let `write` write a file, and give it its name once it is complete; remove all but the newest two.

    The name carries the content's checksum, so that file and checksum appear in one step. A folder
    belongs to one training at a time.

    Raises
    ------
    StorageError
        If the file system refuses; the message names the file.
    """
    temporary = folder / f".epoch-{epoch:05d}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(temporary)
        path = folder / f"epoch-{epoch:05d}-{_checksum(temporary)}.ckpt"
        temporary.replace(path)
        for older in _checkpoints(folder)[KEPT:]:
            older.unlink(missing_ok=True)
        for abandoned in folder.glob(".epoch-*.tmp"):  # by a process that was killed
            abandoned.unlink(missing_ok=True)
    except OSError as error:
        file = folder / f"epoch-{epoch:05d}.ckpt"
        raise storage_error(error, file) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, or None; damaged ones are passed over with a warning."""
    for path in _checkpoints(folder):
        try:
            return read_checkpoint(path)
        except DataError as error:
            log.warning("%s; the checkpoint before it is used", error)
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint file.

    Raises
    ------
    DataError
        If it is not one of ours, or damaged.
    """
    if not _NAME.fullmatch(path.name):
        raise DataError(f"{path}: {file_kind(path)}, not a checkpoint of ours (epoch-NUMBER-CHECKSUM.ckpt)")
    try:
        whole = _checksum(path) == path.stem.rpartition("-")[2]
        content = torch.load(path, map_location="cpu", weights_only=True) if whole else None
    except Exception as error:  # what isn't a checkpoint fails to load in many ways; nothing of it runs
        raise DataError(f"{path}: damaged: {str(error).partition(chr(10))[0]}") from None
    if content is None:
        raise DataError(f"{path}: damaged: its content is not what its name says")
    return Checkpoint(path, epoch_of(path.name), content)


def _checkpoints(folder: Path) -> list[Path]:
    """Return all checkpoints, newest first."""
    found = [path for path in folder.glob("epoch-*.ckpt") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (epoch_of(path.name), path.stat().st_mtime_ns), reverse=True)


def epoch_of(name: str) -> int:
    """Return the number of epochs in a checkpoint's file name; -1 if it is none of ours."""
    match = _NAME.fullmatch(name)
    return int(match.group(1)) if match else -1


def _checksum(path: Path) -> str:
    return sha256(path)[:16]
