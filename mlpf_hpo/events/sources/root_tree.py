"""Branches of a ROOT file as flat arrays: the only file that imports uproot.

A branch of lists, one an event, is read as all its values and the event of each. References between objects
are numbers: uproot reads those of a branch of `TRef` and of `TRefArray`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError, did_you_mean, one_line
from mlpf_hpo.file_kind import file_kind

_INSTALL = "ROOT files need uproot: pip install 'mlpf_hpo[root]'"

REFERENCE = 0xFFFFFF
"""Bits of an object's unique number that count it. Those above name the process that wrote it: they are in
the number of the object and not in what refers to it."""

TREF = [("version", ">u2"), ("reference", ">u4"), ("bits", ">u2"), ("process", ">u4")]
"""What ROOT writes for a `TRef` in a list; the interpretations of references are named here, so that a branch
that holds anything else is an error and not a list of numbers."""


class RootTree:
    """A tree of a ROOT file, opened for reading; a context manager.

    Parameters
    ----------
    file : path
        The file.
    name : str
        The tree's name.

    Raises
    ------
    ConfigurationError
        If uproot is not installed.
    MissingInputError, DataError
        If there is no such file, it is no ROOT file, or holds no such tree.
    """

    def __init__(self, file: Path, name: str) -> None:
        try:
            import uproot
        except ImportError:
            raise ConfigurationError(_INSTALL) from None
        self.file = file
        self._uproot: Any = uproot
        if not file.is_file():
            raise MissingInputError(f"{file}: no such file")
        if file_kind(file) != "a ROOT file":
            raise DataError(f"{file}: {file_kind(file)}, not a ROOT file")
        try:
            self._directory = uproot.open(file)
        except Exception as error:  # a damaged file raises errors of many kinds
            raise self._damaged(error) from None
        names = [key.partition(";")[0] for key in self._directory.keys(recursive=False)]
        if name not in names:
            self._directory.close()
            held = ", ".join(sorted(set(names))) or "nothing: it may not have been closed by its writer"
            raise DataError(f"{file}: no tree {name}{did_you_mean(name, names)}; it holds {held}")
        try:
            self._tree = self._directory[name]
            self._branches = {branch.name: branch for branch in self._tree.itervalues(recursive=True)}
        except Exception as error:
            self._directory.close()
            raise self._damaged(error) from None

    def __enter__(self) -> RootTree:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._directory.close()

    def __len__(self) -> int:
        """Return the number of events."""
        return int(self._tree.num_entries)

    def has(self, branch: str) -> bool:
        """Tell whether there is a branch of this name, at whatever depth."""
        return branch in self._branches

    def missing(self, branches: Iterable[str]) -> list[str]:
        """Return those of some branches that are not there."""
        return [name for name in branches if not self.has(name)]

    def values(self, branch: str, events: range) -> NDArray[Any]:
        """Return the values of a branch of numbers in some events, one event after the other, [n]."""
        return self._flat(self._read(branch, events))

    def rows(self, branch: str, events: range, width: int) -> NDArray[np.float32]:
        """Return the values of a branch of arrays of `width` floats, [n, width]."""
        interpretation = self._uproot.AsJagged(self._uproot.AsDtype((">f4", (width,))))
        return self._flat(self._read(branch, events, interpretation)).astype(np.float32)

    def counts(self, branch: str, events: range) -> IntArray:
        """Return how many values a branch has in each of some events, [len(events)]."""
        import awkward

        return np.asarray(awkward.num(self._read(branch, events), axis=1), dtype=np.int64)

    def references(self, branch: str, events: range) -> IntArray:
        """Return the numbers that a branch of `TRef` refers to, masked as `REFERENCE` says, [n]."""
        interpretation = self._uproot.AsJagged(self._uproot.AsDtype(TREF))
        found = self._read(branch, events, interpretation)
        return self._flat(found["reference"]).astype(np.int64) & REFERENCE

    def reference_lists(self, branch: str, events: range) -> tuple[IntArray, IntArray]:
        """Return what a branch of `TRefArray` refers to, masked, [m], and how many numbers each has, [n]."""
        import awkward

        model = self._uproot.models.TRef.Model_TRefArray
        lists = self._uproot.containers.AsArray(False, False, model, ())
        interpretation = self._uproot.AsObjects(lists, self._branches[branch])
        found = awkward.flatten(self._read(branch, events, interpretation)["refs"], axis=1)
        counts = np.asarray(awkward.num(found, axis=1), dtype=np.int64)
        return self._flat(found).astype(np.int64) & REFERENCE, counts

    def _read(self, branch: str, events: range, interpretation: Any = None) -> Any:
        try:
            return self._branches[branch].array(
                interpretation, entry_start=events.start, entry_stop=events.stop, library="ak"
            )
        except Exception as error:
            raise self._damaged(error, f"branch {branch}: ") from None

    @staticmethod
    def _flat(lists: Any) -> NDArray[Any]:
        import awkward

        return np.asarray(awkward.flatten(lists, axis=1))

    def _damaged(self, error: Exception, where: str = "") -> DataError:
        return DataError(f"{self.file}: {where}cannot be read, the file may be damaged ({one_line(error)})")
