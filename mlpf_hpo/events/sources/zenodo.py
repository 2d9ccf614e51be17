"""Files of the published data set as a source of events: which there are, and how they are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.events.importing import files_in
from mlpf_hpo.events.restricted_unpickler import MAX_BYTES
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.zenodo import PATTERNS, read_zenodo, stored_process

NAMED = ("ttbar", "qcd")
"""Processes in the names of the published files."""

DATASET = "files in the format of Zenodo record 4559324"

CHARGES = {
    False: "as in the files; in those of Zenodo 4559324 the sign of the PDG code, so that an electron has +1",
    True: "electric, made from the sign of the PDG code that is in the files",
}
"""Description of the targets' charge in a manifest, by `correct_charge`."""


@dataclass(frozen=True)
class ZenodoReader:
    """How files are read; the arguments of `read_zenodo`; a `FileReader`."""

    process: str
    pileup: float | None = None
    correct_charge: bool = False
    max_bytes: int = MAX_BYTES

    def read(self, file: Path) -> Iterator[Event]:
        """Yield the events of a file, see `read_zenodo`."""
        return read_zenodo(file, **self.settings())

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `read_zenodo`."""
        return dataclasses.asdict(self)

    def about(self, files: Sequence[Path]) -> dict[str, Any]:
        """Return what the manifest says of the files."""
        return {
            "source": "files in the format of Zenodo 4559324",
            "target_charge": CHARGES[self.correct_charge],
        }


def zenodo_files(paths: Sequence[Path]) -> list[Path]:
    """Return files, and those in folders in the order of the numbers in their names, see `files_in`."""
    return files_in(paths, PATTERNS, DATASET)


def process_of(files: Sequence[Path], keep_going: bool = False) -> str:
    """Return the process of all files: by their names, else as the files themselves say.

    With `keep_going`, files that cannot be read are passed over.

    Raises
    ------
    DataError
        If a file without a process in its name cannot be read; the message says what the file is.
    ConfigurationError
        If the files do not say one process.
    """
    found = set()
    for file in files:
        try:
            found.add(next((name for name in NAMED if name in file.name), None) or stored_process(file))
        except (DataError, MissingInputError):
            if not keep_going:
                raise
    if len(found) != 1 or "" in found:
        raise ConfigurationError(
            f"the names of {len(files)} files do not say one process ({' or '.join(NAMED)}): import the "
            f"files of one process at a time, and name it: --process {NAMED[0]}"
        )
    return found.pop()
