"""Files of the data sets that the package ships, by name; a name stands for a file of curves.

The folder holds for each data set what `write_curves` writes, NAME.splits.json, and NAME.checksums.json,
{file: SHA-256}. A data set is shipped if its NAME.parquet lies there.
"""

from __future__ import annotations

import json
from pathlib import Path

from mlpf_hpo.errors import DataError, MissingInputError, did_you_mean
from mlpf_hpo.files import sha256

SHIPPED = Path(__file__).parents[1] / "shipped_curves"
"""The folder in the package."""

CURVES, SPLITS, CHECKSUMS = ".parquet", ".splits.json", ".checksums.json"

INSTALL_AGAIN = "install mlpf_hpo again"


def shipped_names(folder: Path | None = None) -> list[str]:
    """Return the names of the data sets in a folder, by default the package's."""
    return sorted(file.name.removesuffix(CURVES) for file in (folder or SHIPPED).glob(f"*{CURVES}"))


def shipped_file(name: str, suffix: str = CURVES, folder: Path | None = None) -> Path:
    """Return a file of a data set whose checksum is the one on record.

    Parameters
    ----------
    name : str
        Of the data set.
    suffix : str
        What follows the name in the file's.
    folder : Path, optional
        By default that of the package.

    Raises
    ------
    MissingInputError
        If there is no such data set; the message has the nearest name and all names.
    DataError
        If the data set has no such file, or the file is damaged.
    """
    folder = folder or SHIPPED
    if name not in shipped_names(folder):
        raise MissingInputError(f"{name}: no such data set{hint_at_shipped(name, folder)}")
    file = folder / f"{name}{suffix}"
    checksums = folder / f"{name}{CHECKSUMS}"
    expected = _read_checksums(checksums).get(file.name)
    if expected is None:
        raise DataError(f"{name}: {checksums} has no {file.name}; {INSTALL_AGAIN}")
    if sha256(file) != expected:
        raise DataError(f"{file}: damaged: its SHA-256 is not that of {checksums.name}; {INSTALL_AGAIN}")
    return file


def curves_file(path: Path) -> Path | None:
    """Return a file of curves: the one at `path`, else that of the shipped data set of this name.

    Returns
    -------
    Path or None
        None if there is neither.

    Raises
    ------
    DataError
        If the shipped file is damaged.
    """
    return _file_or_shipped(path, CURVES)


def splits_file(path: Path) -> Path | None:
    """Return a file of splits: the one at `path`, else that of the shipped data set of this name.

    See `curves_file`.
    """
    return _file_or_shipped(path, SPLITS)


def hint_at_shipped(name: str, folder: Path | None = None) -> str:
    """Return what to add to the message that there is no `name`: the nearest data set, and all of them.

    Empty for what can only be a file: a path with a folder or a suffix of curves.
    """
    if Path(name).name != name or Path(name).suffix in (CURVES, ".csv", ".json"):
        return ""
    names = shipped_names(folder)
    if not names:
        return "; no data set of curves is shipped with this mlpf_hpo"
    return f"{did_you_mean(name, names)}; data sets of curves that are shipped: {', '.join(names)}"


def _file_or_shipped(path: Path, suffix: str) -> Path | None:
    if path.exists():
        return path
    return shipped_file(str(path), suffix) if str(path) in shipped_names() else None


def _read_checksums(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read: {error}; {INSTALL_AGAIN}") from None
    if not isinstance(content, dict):
        raise DataError(f"{file}: not an object {{file: SHA-256}}; {INSTALL_AGAIN}")
    return content
