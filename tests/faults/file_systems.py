"""Small file systems that really fill up, or really refuse to be written to."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A file system in memory, mounted at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ballast = path / "ballast"

    def fill(self, room: int = 0) -> None:
        """Leave `room` bytes free, rounded down to pages."""
        self.make_room()
        free = shutil.disk_usage(self.path).free - room
        with self.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(free, 4096))

    def make_room(self) -> None:
        """Remove the ballast."""
        self.ballast.unlink(missing_ok=True)

    def remount(self, *options: str) -> None:
        """Change options, for example ``"ro"``."""
        _mount("-o", ",".join(["remount", *options]), str(self.path))


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"mount: {done.stderr.strip()}")


@contextmanager
def mounted(path: Path) -> Iterator[SmallDisk]:
    """Mount a file system of 16 MB within the block; OSError says why none can be."""
    path.mkdir()
    _mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(path))
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Yield a file system of 16 MB; the test is skipped where none can be mounted."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(mounted(tmp_path / "disk"))
        except OSError as error:
            pytest.skip(f"no file system can be mounted here ({error}); it takes root")
        yield disk
