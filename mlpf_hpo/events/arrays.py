"""Arrays in .npy files: written row by row, memory-mapped when read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from mlpf_hpo.errors import DataError
from mlpf_hpo.remedies import make_again


class GrowingArray:
    """An array in a new .npy file that rows of shape `columns` are appended to; a context manager."""

    def __init__(self, file: Path, dtype: DTypeLike, columns: tuple[int, ...]) -> None:
        self.dtype = np.dtype(dtype)
        self.columns = columns
        self.rows = 0
        self._stream = file.open("wb")
        self._write_header()

    def __enter__(self) -> GrowingArray:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stream:
            # The header leaves room for a longer number of rows, so that it can be written again in place.
            self._stream.seek(0)
            self._write_header()

    def append(self, rows: NDArray[Any]) -> None:
        """Append rows [n, *columns].

        Raises
        ------
        DataError
            If rows have another shape.
        """
        if rows.shape[1:] != self.columns:
            raise DataError(f"rows of shape {rows.shape[1:]} where {self.columns} belongs")
        self._stream.write(np.ascontiguousarray(rows, dtype=self.dtype).tobytes())
        self.rows += len(rows)

    def _write_header(self) -> None:
        header = {"descr": npy.dtype_to_descr(self.dtype), "fortran_order": False}
        npy.write_array_header_1_0(self._stream, {**header, "shape": (self.rows, *self.columns)})


def map_array(
    file: Path, record: Mapping[str, Any], dtype: DTypeLike, columns: tuple[int, ...]
) -> NDArray[Any]:
    """Map an array that a manifest has on record; nothing is read but its header.

    The mapping is private and can be written to (as PyTorch wants its tensors), but never changes the file.

    Raises
    ------
    DataError
        If the file is gone, of another size than on record, or holds another kind of array.
    """
    size = file.stat().st_size if file.is_file() else 0
    if size != record["bytes"]:
        raise DataError(f"{file}: damaged: {size} bytes where {record['bytes']} were written; {again(file)}")
    try:
        array = np.load(file, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # NumPy evaluates the header: a damaged one raises errors of many kinds
        raise DataError(f"{file}: damaged: {error}; {again(file)}") from None
    whole = array.offset + array.nbytes == size
    if not whole or array.dtype != np.dtype(dtype) or array.shape[1:] != columns:
        raise DataError(f"{file}: damaged: holds {array.dtype} {array.shape}; {again(file)}")
    # A plain array on the same memory: slices of a memmap take ten times as long.
    return np.asarray(array)


def again(file: Path) -> str:
    """Return what to do about a file of a damaged store."""
    return f"make the store again ({make_again('events', file)}), or generate or import it again"
