"""Tables of learning curves that benchmarks read, and the parts of them that are kept for the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.curves.dataset import read_curves, write_curves
from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.project import STATE
from studies.published.data import PublishedCurves, reference_folder

ROW_SETS = ("all", "distinct", "clean")
TABLE_FORM = "NAME=FILE[:PREFIX[:MODE]]"


def row_sets() -> dict[str, LearningCurves]:
    """Return the published curves: all, one row per configuration, and those of them without a restart."""
    curves = published_curves()
    distinct = ~curves.duplicated
    found = (curves, curves.select(distinct), curves.select(clean_rows(curves)))
    return dict(zip(ROW_SETS, found, strict=True))


def published_curves() -> LearningCurves:
    """Return all published curves."""
    return PublishedCurves.load(reference_folder()).curves


def clean_rows(curves: LearningCurves) -> IntArray:
    """Return the rows that are the first of their configuration and complete, without a restart."""
    return np.flatnonzero(~curves.duplicated & curves.complete)


def named_table(text: str, option: str = "--table") -> tuple[str, LearningCurves]:
    """Return name and curves of ``NAME=FILE[:PREFIX[:MODE]]``; a data set that is shipped stands for a file.

    Messages name `option`.

    Raises
    ------
    ConfigurationError, MlpfHpoError
        If the text is not of that form, or the file cannot be read.
    """
    name, _, rest = text.partition("=")
    file, *others = rest.split(":")
    if not name or not file or len(others) > 2:
        raise ConfigurationError(
            f"{option} {text}: must be NAME=FILE, NAME=FILE:PREFIX or NAME=FILE:PREFIX:MODE"
        )
    prefix, mode = (*others, "", "")[:2]
    return name, replace(read_table(Path(file), prefix or None, mode or None), source=name)


def named_tables(texts: Iterable[str]) -> dict[str, LearningCurves]:
    """Return the curves of each ``NAME=FILE[:PREFIX[:MODE]]`` by name.

    Raises
    ------
    ConfigurationError
        If two tables have the same name.
    """
    named = [named_table(text) for text in texts]
    found = dict(named)
    if len(found) < len(named):
        raise ConfigurationError("--table: two tables have the same name")
    return found


MLPF = "mlpf"
"""Name of the published curves, clean rows."""

OTHER_TASKS = Path(STATE, "other_tasks")
"""Keeps the curves that `benchmarks.other_tasks` trains, which takes minutes."""


def other_task(name: str) -> LearningCurves:
    """Return the curves of a task of `benchmarks.other_tasks`, trained at the first call."""
    from benchmarks.other_tasks import RISING, TRIALS, curves_of, rising

    file = OTHER_TASKS / f"{name}.parquet"
    if name == RISING:
        return rising(other_task("digits"))
    if not file.exists():
        print(f"{name}: training {TRIALS} networks", flush=True)
        write_curves(curves_of(name, TRIALS), file)
    return read_curves(file)
