"""Load the data sets of curves that the package ships, and write such a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from mlpf_hpo.curves.dataset import read_curves, write_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.shipped_files import CHECKSUMS, CURVES, SPLITS, shipped_file
from mlpf_hpo.curves.split_file import split_rows, write_splits
from mlpf_hpo.files import sha256, write_json


def load_curves(
    name: str, part: Literal["design", "final"] | None = None, folder: Path | None = None
) -> LearningCurves:
    """Return a data set of learning curves by its name.

    Parameters
    ----------
    name : str
        Of the data set, such as "campaign-v1".
    part : {"design", "final"}, optional
        One half of its configurations, as its file of splits has them: tune on the design half, measure once
        on the final half. By default all.
    folder : Path, optional
        Where the data sets lie; by default in the package.

    Raises
    ------
    MissingInputError
        If there is no such data set; the message has the nearest name and all names.
    DataError
        If a file of the data set is damaged.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from mlpf_hpo import LearningCurves, TargetMetric, load_curves
    >>> from mlpf_hpo.curves.data_sets import write_data_set
    >>> target = TargetMetric("loss", "min")
    >>> curves = LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], [[3.0, 2.0], [4.0, 3.5]], target)
    >>> with TemporaryDirectory() as folder:
    ...     write_data_set(curves, "mine", Path(folder), seed=0)
    ...     len(load_curves("mine", folder=Path(folder))), len(load_curves("mine", "final", Path(folder)))
    (2, 1)
    """
    curves = read_curves(shipped_file(name, CURVES, folder))
    if part is None:
        return curves
    return curves.select(split_rows(shipped_file(name, SPLITS, folder), part, curves.groups))


def write_data_set(
    curves: LearningCurves,
    name: str,
    folder: Path,
    seed: int = 0,
    remarks: Mapping[str, str] | None = None,
) -> None:
    """Write a data set into a folder: curves, card, splits, and their checksums.

    Splits that are there already are kept: they are drawn once.

    Parameters
    ----------
    curves : LearningCurves
    name : str
        Of the data set.
    folder : Path
        `load_curves` reads it again.
    seed : int
        Of the splits.
    remarks : mapping of str to str, optional
        For the card, see `write_curves`.

    Raises
    ------
    DataError
        If the splits that are there are those of other rows.
    """
    splits = folder / f"{name}{SPLITS}"
    if splits.exists():
        split_rows(splits, "design", curves.groups)
    write_curves(curves, folder / f"{name}{CURVES}", remarks)
    if not splits.exists():
        write_splits(curves, splits, seed)
    checksums = folder / f"{name}{CHECKSUMS}"
    files = sorted(file for file in folder.glob(f"{name}.*") if file != checksums)
    write_json(checksums, {file.name: sha256(file) for file in files})
