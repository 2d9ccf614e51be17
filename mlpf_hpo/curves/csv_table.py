"""Other people's learning curves: any CSV table with a row per trial."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.curves.features import LOSS
from mlpf_hpo.curves.restarts import first_restarts
from mlpf_hpo.curves.schema import BOOKKEEPING, LearningCurves
from mlpf_hpo.errors import DataError, MissingInputError, did_you_mean
from mlpf_hpo.file_kind import NO_TEXT_DATA, file_kind
from mlpf_hpo.space import Mode, config_id
from mlpf_hpo.target_metric import TargetMetric

FloatArray = NDArray[np.float64]

COMPRESSED = (".gz", ".bz2", ".zip", ".xz", ".zst", ".tar")
"""Suffixes of files that pandas decompresses."""


def import_csv(
    path: Path,
    hyperparameters: Sequence[str],
    loss_prefix: str,
    name: str,
    mode: Mode = "min",
) -> LearningCurves:
    """Read a table with a row per trial: hyperparameter columns, and ``PREFIX0 ... PREFIX{T-1}``.

    A curve may end early: empty cells after its last epoch. Anything else that is not a finite number is
    refused with its row and column.

    Raises
    ------
    MissingInputError, DataError
        If there is no such file, or its content cannot be used.
    """
    table = _read_csv(path)
    losses = _loss_columns(table, loss_prefix, path)
    _check_hyperparameters(hyperparameters, table, losses, path)
    if len(table) < 2:
        raise DataError(f"{path}: {len(table)} row(s); a data set of curves needs at least two")
    configs = pd.DataFrame({column: _numbers(table, column, path) for column in hyperparameters})
    values = np.stack([_numbers(table, column, path, may_end=True) for column in losses], axis=1)
    _check_ends(values, losses, path)
    keys = [config_id({str(k): v for k, v in row.items()}) for row in configs.to_dict("records")]
    configs.insert(0, "config_id", keys)
    configs.insert(1, "seed", np.full(len(table), -1))
    n = len(table)
    metric = loss_prefix.rstrip("_") or "loss"
    return LearningCurves(
        configs=configs,
        metrics={metric: values},
        target=TargetMetric(metric, mode),
        status=np.where(np.isfinite(values[:, -1]), "finished", "stopped"),
        restart_epoch=first_restarts(values),
        source=name,
        run_ids=np.full(n, ""),
        hardware=np.full(n, ""),
    )


def read_table(path: Path, loss_prefix: str = "loss_", mode: Mode = "min") -> LearningCurves:
    """Read curves from Parquet as `write_curves` wrote it, or from a CSV table.

    Every column of a CSV table that is not part of the curve is taken for a hyperparameter.

    Raises
    ------
    MissingInputError, DataError
        If there is no such file, or its content cannot be used.
    """
    if path.suffix == ".parquet":
        return read_curves(path)
    columns = [str(name) for name in _read_csv(path).columns]
    losses = re.compile(re.escape(loss_prefix) + r"\d+")
    names = [name for name in columns if not losses.fullmatch(name) and name not in BOOKKEEPING]
    return import_csv(path, names, loss_prefix, path.stem, mode)


def _read_csv(path: Path) -> pd.DataFrame:
    kind = file_kind(path)
    if kind in NO_TEXT_DATA and path.suffix not in COMPRESSED:
        raise DataError(f"{path}: {kind}, not a CSV table")
    try:
        with warnings.catch_warnings():
            # A row longer than the header: pandas would drop its last cells, and only warn.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            rows = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, index_col=False)
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, pd.errors.ParserWarning) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}") from None
    # The header as a row like the others: pandas would rename a column that stands there twice.
    header = [str(name).strip() for name in rows.iloc[0]]
    _check_distinct(header, f"{path}: the header")
    return rows.iloc[1:].set_axis(header, axis=1).reset_index(drop=True)


def _check_distinct(names: Sequence[str], where: str) -> None:
    for name, n in Counter(names).items():
        if n > 1:
            raise DataError(f"{where} names column {name!r} {n} times")


def _check_hyperparameters(
    names: Sequence[str], table: pd.DataFrame, losses: Sequence[str], path: Path
) -> None:
    if not names:
        raise DataError(f"{path}: name at least one hyperparameter column")
    _check_distinct(names, "--hyperparameters")
    for name in names:
        if name in losses:
            raise DataError(f"{path}: column {name!r} is part of the curve, not a hyperparameter")
        if name in BOOKKEEPING or LOSS.fullmatch(name):
            raise DataError(f"{path}: a hyperparameter cannot be called {name!r} here; rename the column")
        if name not in table:
            raise DataError(
                f"{path}: no column {name!r}{did_you_mean(name, [str(c) for c in table.columns])}"
            )


def _loss_columns(table: pd.DataFrame, prefix: str, path: Path) -> list[str]:
    numbered: dict[int, str] = {}
    for name in table.columns:
        number = str(name).removeprefix(prefix)
        if str(name).startswith(prefix) and number.isdecimal():
            if int(number) in numbered:
                raise DataError(f"{path}: columns {numbered[int(number)]} and {name} are the same epoch")
            numbered[int(number)] = str(name)
    if not numbered:
        raise DataError(
            f"{path}: no columns {prefix}0, {prefix}1, ...; there are {', '.join(table.columns[:9])}"
        )
    gaps = sorted(set(range(len(numbered))) - set(numbered))
    if gaps:
        raise DataError(f"{path}: column {prefix}{gaps[0]} is missing; epochs must be numbered without gaps")
    return [numbered[epoch] for epoch in range(len(numbered))]


def _numbers(table: pd.DataFrame, column: str, path: Path, may_end: bool = False) -> FloatArray:
    texts = table[column].str.strip()
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float)
    allowed = (texts == "").to_numpy() if may_end else np.zeros(len(texts), dtype=bool)
    bad = ~np.isfinite(numbers) & ~allowed
    if bad.any():
        row = int(bad.argmax())
        raise DataError(f"{path}: row {row + 1}, column {column}: {texts.iloc[row]!r} is not a finite number")
    return numbers


def _check_ends(values: FloatArray, columns: Sequence[str], path: Path) -> None:
    known = np.isfinite(values)
    gap = known[:, 1:] & ~known[:, :-1]
    if gap.any() or not known[:, 0].all():
        row = int((gap.any(axis=1) | ~known[:, 0]).argmax())
        column = columns[int((~known[row]).argmax())]
        raise DataError(f"{path}: row {row + 1}, column {column}: empty, but the curve goes on after it")
