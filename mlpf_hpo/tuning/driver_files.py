"""Files of the driver, and whether another process sees them: by a mark, and by what a folder holds."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlpf_hpo.errors import DataError
from mlpf_hpo.files import sha256, storage_error

SMALL = 2**20
"""Files of at most so many bytes are compared by their content, larger ones by their size."""

MARK = "mark"

Listing = Mapping[str, tuple[int, str]]
"""Size of each file of a folder, and its checksum or "", by its path within the folder."""


@dataclass(frozen=True)
class DriverFiles:
    """Where the driver has its state and its task's data.

    Attributes
    ----------
    mark : path
        A file within the folder of state.
    secret : str
        Its content: a file system without it is another one.
    data : path or None
        Folder of the task's data, None if they are in no file.
    listing : Listing
        What it holds.
    """

    mark: Path
    secret: str
    data: Path | None
    listing: Listing

    @property
    def data_bytes(self) -> int:
        """Size of all data."""
        return sum(size for size, _ in self.listing.values())

    def state_is_here(self) -> bool:
        """Tell whether this process sees the folder of state."""
        with suppress(OSError):
            return self.mark.read_text(encoding="ascii") == self.secret
        return False

    def data_are_here(self) -> bool:
        """Tell whether this process sees the data, or the same ones at this path; True if there are none."""
        with suppress(OSError, DataError):
            return self.data is None or list_folder(self.data, SMALL) == self.listing
        return False


@contextmanager
def marked(state: Path, data: Path | None) -> Iterator[DriverFiles]:
    """Yield the driver's files, with a mark in the folder of state for as long as the block lasts.

    Raises
    ------
    StorageError
        If the file system refuses.
    """
    folder, secret = None, secrets.token_hex(16)
    try:
        parent = state / "ray"  # emptied when the next driver begins
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=parent, prefix="mark-"))
        (folder / MARK).write_text(secret, encoding="ascii")
        listing = list_folder(data, SMALL) if data is not None else {}
    except OSError as error:
        raise storage_error(error) from error
    try:
        yield DriverFiles(folder / MARK, secret, data, listing)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def list_folder(folder: Path, largest: float = float("inf")) -> Listing:
    """Return what a folder holds, with checksums of files of at most `largest` bytes.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    found = {}
    for file in sorted(folder.rglob("*")) if folder.stat() else ():
        if file.is_file():
            size = file.stat().st_size
            found[str(file.relative_to(folder))] = (size, sha256(file) if size <= largest else "")
    return found
