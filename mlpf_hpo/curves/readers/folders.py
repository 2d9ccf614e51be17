"""Folders that training tools leave: which kinds of files lie in them, found at any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path

from mlpf_hpo.errors import DataError, MissingInputError

KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "tune": (("result.json", "progress.csv"), "Ray Tune's result.json or progress.csv"),
    "lightning": (("metrics.csv",), "metrics.csv of Lightning's CSVLogger"),
    "tensorboard": (("*.tfevents.*",), "event files of TensorBoard"),
    "mlflow": (("meta.yaml",), "MLflow's meta.yaml"),
}
"""Source -> patterns of its files, and what they are called."""


def run_folders(where: str, source: str, condition: str | None) -> list[Path]:
    """Return the folders with files of a source, at any depth, in the order of their names.

    Parameters
    ----------
    where : str
        The folder.
    source : str
        A key of `KINDS`.
    condition : str or None
        A pattern of the names of folders, relative to `where`, such as ``*/validation``.

    Raises
    ------
    MissingInputError, DataError
        If there is no such folder, it holds nothing of the kind, or nothing that fits the pattern.
    """
    root = Path(where)
    if not root.is_dir():
        raise MissingInputError(f"{where}: {'not a folder' if root.exists() else 'no such folder'}")
    patterns, what = KINDS[source]
    found = _holding(root, patterns)
    if not found:
        others = [
            f"{len(folders)} folder(s) with {text}: mlpf-hpo curves from {name}"
            for name, (other, text) in KINDS.items()
            if name != source and (folders := _holding(root, other))
        ]
        hint = f"; there are {', '.join(others)}" if others else ""
        raise DataError(f"{where}: holds no {what}, at any depth{hint}")
    return chosen(found, lambda folder: folder_name(folder, root), condition, where)


def folder_name(folder: Path, root: Path) -> str:
    """Return the name of a folder in another, for people."""
    return str(folder.relative_to(root)) if folder != root else folder.resolve().name


def chosen(
    folders: Iterable[Path], name: Callable[[Path], str], pattern: str | None, where: str
) -> list[Path]:
    """Return those whose names fit a pattern.

    Raises
    ------
    DataError
        If none does; the message has a name.
    """
    everything = sorted(folders)
    found = [one for one in everything if pattern is None or fnmatch(name(one), pattern)]
    if not found:
        raise DataError(
            f"{where}: --filter {pattern} fits none of {len(everything)}, such as {name(everything[0])}"
        )
    return found


def _holding(root: Path, patterns: Iterable[str]) -> set[Path]:
    return {file.parent for pattern in patterns for file in root.rglob(pattern) if file.is_file()}
