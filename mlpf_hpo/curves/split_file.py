"""Files that split the rows of a table of curves into a design and a final part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.shipped_files import hint_at_shipped, splits_file
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.files import write_json
from mlpf_hpo.space import stable_hash

FORM = 'a file of splits is {"design": [row, ...], "final": [row, ...]}'

PARTS = ("design", "final")

ROWS = "rows"
"""Key of a file of splits, optional: a digest of the configurations of the rows that were split."""


def split_rows(file: Path, part: str, groups: NDArray[np.str_]) -> IntArray:
    """Return the rows of one part of a file of splits, ``{"design": [row, ...], "final": [row, ...]}``.

    Parameters
    ----------
    file : Path
        The file, or the name of a data set that the package ships.
    part : str
        "design" or "final".
    groups : array [n] of str
        Configuration of each row of the table; rows are counted from 0.

    Raises
    ------
    MissingInputError, DataError
        If it is not such a file, was drawn for other rows, or names a row that the table lacks, or one twice.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "split.json"
    ...     _ = file.write_text('{"design": [0, 2], "final": [1]}')
    ...     split_rows(file, "design", np.array(["a", "b", "a"])).tolist()
    [0, 2]
    """
    try:
        content = json.loads((splits_file(file) or file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(f"{file}: not there{hint_at_shipped(str(file))}; {FORM}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: not a file of JSON: {error}; {FORM}") from None
    rows = content.get(part) if isinstance(content, dict) else None
    if isinstance(rows, list) and content.get(ROWS) not in (None, _digest(groups)):
        raise DataError(f"{file}: was drawn for other rows than the {len(groups)} of this table")
    n = len(groups)
    if not isinstance(rows, list) or not rows or not all(type(row) is int and 0 <= row < n for row in rows):
        raise DataError(f"{file}: {part!r} must be a list of rows from 0 to {n - 1}; {FORM}")
    if len(set(rows)) < len(rows):
        raise DataError(f"{file}: {part!r} names a row twice")
    return np.array(rows, dtype=np.int64)


def draw_halves(groups: NDArray[np.str_], seed: int) -> dict[str, list[int]]:
    """Return the rows of two halves of the configurations; rows of one configuration stay together.

    Parameters
    ----------
    groups : array [n] of str
        Configuration of each row.
    seed : int
        It decides the halves, whatever the order of the rows.

    Examples
    --------
    >>> draw_halves(np.array(["a", "b", "a", "c", "d"]), seed=1)
    {'design': [0, 1, 2], 'final': [3, 4]}
    """
    distinct = np.unique(groups)
    order = np.random.default_rng(seed).permutation(len(distinct))
    design = np.isin(groups, distinct[order[: len(distinct) // 2]])
    return {part: np.flatnonzero(mask).tolist() for part, mask in zip(PARTS, (design, ~design), strict=True)}


def write_splits(curves: LearningCurves, file: Path, seed: int) -> dict[str, list[int]]:
    """Draw halves of the configurations of a table, write them to a new file, and return them.

    Raises
    ------
    ConfigurationError
        If the file is there: halves that were drawn again would mix what was kept apart.
    DataError
        If there are fewer than two configurations.
    """
    if file.exists():
        raise ConfigurationError(f"{file}: is there, and splits are drawn once; name another file")
    halves = draw_halves(curves.groups, seed)
    if not halves[PARTS[0]]:
        raise DataError(f"{curves.source or 'the table'}: one configuration cannot be split into halves")
    write_json(file, {ROWS: _digest(curves.groups), **halves})
    return halves


def _digest(groups: NDArray[np.str_]) -> str:
    return stable_hash([str(group) for group in groups])
