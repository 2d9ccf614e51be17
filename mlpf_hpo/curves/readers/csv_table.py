"""Import learning curves from a CSV table with one row per trial."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlpf_hpo.curves.cells import (
    boolean_column,
    curve_columns,
    hyperparameter_column,
    integer_column,
    is_missing,
)
from mlpf_hpo.curves.column_names import BOOKKEEPING, RESUMED, STOPPED, TARGET_EPOCH
from mlpf_hpo.curves.columns import check_distinct, check_names, curve_names, find_hyperparameters
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.curves.left_out_rows import name_rows
from mlpf_hpo.curves.restarts import first_restarts
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.shipped_files import curves_file, hint_at_shipped
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError, one_line
from mlpf_hpo.file_kind import NO_TEXT_DATA, file_kind
from mlpf_hpo.metric_modes import resolve_mode
from mlpf_hpo.space import config_id
from mlpf_hpo.target_metric import TargetMetric

PREFIX = "loss_"

COMPRESSED = (".gz", ".bz2", ".zip", ".xz", ".zst", ".tar")
"""Suffixes of files that pandas decompresses."""


def import_csv(
    path: Path,
    hyperparameters: Sequence[str] | None,
    loss_prefix: str,
    name: str,
    mode: str | None = None,
) -> LearningCurves:
    """Read a table with a row per trial: hyperparameter columns, and ``PREFIX0 ... PREFIX{T-1}``.

    A curve may end early, see `cells.curve_columns`. Anything else that is not a finite number is refused
    with its row and column. Rows that are empty are left out and counted.

    Columns of these names are not hyperparameters: `seed`, of trainings of one configuration; `stopped`,
    which is true where a training was stopped before its end, so that its last value is not its final one;
    `target_epoch`, the number of epochs after which that row's value is to be predicted; `resumed`, how often
    the log of the training went back.

    Parameters
    ----------
    path : path
        The table.
    hyperparameters : sequence of str or None
        Columns; None for all that can be hyperparameters, see `columns.find_hyperparameters`.
    loss_prefix : str
        Of the columns of the curve; it names the metric.
    name : str
        Name of the data set in captions.
    mode : {"min", "max"}, optional
        Whether small or large values are good; by default derived from the metric's name.

    Raises
    ------
    MissingInputError, DataError
        If there is no such file, or its content cannot be used.
    ConfigurationError
        If the mode cannot be derived from the metric's name, and none is given.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from mlpf_hpo import import_csv
    >>> with TemporaryDirectory() as folder:
    ...     table = Path(folder) / "trials.csv"
    ...     rows = {"lr": [0.1, 0.2], "acc_0": [0.5, 0.4], "acc_1": [0.7, 0.6]}
    ...     pd.DataFrame(rows).to_csv(table, index=False)
    ...     curves = import_csv(table, ["lr"], "acc_", "mine")
    >>> str(curves.target), curves.final.tolist()
    ('acc (max)', [0.7, 0.6])
    """
    table = _read_csv(path)
    columns = [str(column) for column in table.columns]
    curve = curve_names(columns, loss_prefix, str(path))
    table, empty = _without_empty(table, columns)
    if hyperparameters is None:
        known = [*curve, *(name for name in (STOPPED, TARGET_EPOCH, RESUMED) if name in columns)]
        hyperparameters, left_out = find_hyperparameters(table, known, str(path))
    else:
        check_names(hyperparameters, columns, curve, str(path))
        left_out = {}
    table, also_empty = _without_empty(table, [*hyperparameters, *curve])
    empty += also_empty
    if len(table) < 2:
        raise DataError(f"{path}: {len(table)} row(s); a data set of curves needs at least two")
    metric = loss_prefix.rstrip("_./- ") or "loss"
    target = TargetMetric(metric, resolve_mode(metric, mode))
    configs = pd.DataFrame(
        {column: hyperparameter_column(table[column], str(path)) for column in hyperparameters}
    )
    values, status = curve_columns([table[column] for column in curve], str(path))
    keys = [config_id({str(k): v for k, v in row.items()}) for row in configs.to_dict("records")]
    configs.insert(0, "config_id", keys)
    for place, (column, cells) in enumerate(_bookkeeping(table, str(path)).items(), start=1):
        configs.insert(place, column, cells)
    configs.index, n = table.index, len(table)
    return LearningCurves(
        configs=configs,
        metrics={metric: values},
        target=target,
        status=status,
        restart_epoch=first_restarts(values),
        source=name,
        run_ids=np.full(n, ""),
        hardware=np.full(n, ""),
        left_out=left_out,
        left_out_rows={f"empty: {name_rows(sorted(empty))}": len(empty)} if empty else {},
    )


def _without_empty(table: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, list[int]]:
    """Return the rows with a value in one of some columns, and the numbers of the others, from 1."""
    empty = table[list(columns)].apply(is_missing).all(axis=1)
    return table[~empty], [int(row) + 1 for row in table.index[empty]]


def _bookkeeping(table: pd.DataFrame, where: str) -> dict[str, NDArray[Any]]:
    """Return the columns that are not hyperparameters: the seed, and others where the table has them."""
    seed = integer_column(table["seed"], where, 0, -1) if "seed" in table else np.full(len(table), -1)
    found: dict[str, NDArray[Any]] = {"seed": seed}
    if STOPPED in table:
        found[STOPPED] = boolean_column(table[STOPPED], where)
    if TARGET_EPOCH in table:
        found[TARGET_EPOCH] = integer_column(table[TARGET_EPOCH], where, 1, 0)
    if RESUMED in table:
        found[RESUMED] = integer_column(table[RESUMED], where, 0, 0)
    return found


def read_table(
    path: Path,
    loss_prefix: str | None = None,
    mode: str | None = None,
    hyperparameters: Sequence[str] | None = None,
) -> LearningCurves:
    """Read curves from Parquet as `write_curves` wrote it, from a CSV table, or a shipped data set.

    A Parquet file contains its metric and mode: another prefix or mode is refused.

    Parameters
    ----------
    path : path
        The file, or the name of a data set that the package ships; a file of that name comes first.
    loss_prefix : str, optional
        Of the columns of the curve in CSV; ``loss_`` by default.
    mode : {"min", "max"}, optional
        Whether small or large values are good; by default taken from the data or the metric's name.
    hyperparameters : sequence of str, optional
        Columns to be used; by default all of Parquet, and of CSV all that can be hyperparameters.

    Raises
    ------
    MissingInputError, DataError
        If there is no such file, or its content cannot be used.
    ConfigurationError
        If the metric's mode is unknown, or differs from `mode`.
    """
    file = curves_file(path) or path
    if file.suffix != ".parquet":
        return import_csv(file, hyperparameters, loss_prefix or PREFIX, path.stem, mode)
    curves = read_curves(file)
    if loss_prefix is not None and loss_prefix.rstrip("_./- ") != curves.metric:
        raise ConfigurationError(f"--loss-prefix {loss_prefix}: {path} holds curves of {curves.target}")
    if mode not in (None, curves.mode):
        raise ConfigurationError(
            f"--mode {mode}: {path} holds curves of {curves.target}; leave --mode out, or import them again "
            f"with --mode {mode}"
        )
    if hyperparameters is None:
        return curves
    check_names(hyperparameters, curves.hyperparameters, (), str(path))
    kept = [name for name in BOOKKEEPING if name in curves.configs.columns]
    return replace(curves, configs=curves.configs[[*kept, *hyperparameters]])


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
        raise MissingInputError(f"{path}: no such file{hint_at_shipped(str(path))}") from None
    except Exception as error:  # of damaged files each of the decompressions raises its own
        raise DataError(f"{path}: cannot be read as CSV: {one_line(error)}") from None
    # The header as a row like the others: pandas would rename a duplicate column.
    header = [str(name).strip() for name in rows.iloc[0]]
    check_distinct(header, f"{path}: the header")
    table = rows.iloc[1:].set_axis(header, axis=1).reset_index(drop=True)
    return table.apply(lambda column: column.str.strip())
