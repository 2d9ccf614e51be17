"""Files that split the rows of a table of curves into a design and a final part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.errors import DataError, MissingInputError

FORM = 'a file of splits is {"design": [row, ...], "final": [row, ...]}'


def split_rows(file: Path, part: str, n: int) -> IntArray:
    """Return the rows of one part of a file of splits, ``{"design": [row, ...], "final": [row, ...]}``.

    Parameters
    ----------
    file : Path
        The file.
    part : str
        "design" or "final".
    n : int
        Number of rows of the table; they are counted from 0.

    Raises
    ------
    MissingInputError, DataError
        If it is not such a file, or names a row that the table lacks, or one twice.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "split.json"
    ...     _ = file.write_text('{"design": [0, 2], "final": [1]}')
    ...     split_rows(file, "design", n=3).tolist()
    [0, 2]
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(f"{file}: not there; {FORM}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: not a file of JSON: {error}; {FORM}") from None
    rows = content.get(part) if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows or not all(type(row) is int and 0 <= row < n for row in rows):
        raise DataError(f"{file}: {part!r} must be a list of rows from 0 to {n - 1}; {FORM}")
    if len(set(rows)) < len(rows):
        raise DataError(f"{file}: {part!r} names a row twice")
    return np.array(rows, dtype=np.int64)
