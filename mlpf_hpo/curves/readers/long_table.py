"""Read the long format: a row per training and epoch, or per training, epoch and metric."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mlpf_hpo.curves.cells import INFINITE, MISSING, to_numbers
from mlpf_hpo.curves.column_names import STOPPED
from mlpf_hpo.curves.readers.recorded import Query, RecordedTraining, RecordedTrainings, choose_metric
from mlpf_hpo.curves.readers.runs_table import (
    STATES,
    RunsTable,
    find_column,
    read_csv,
    read_runs_table,
    run_of,
    status_of,
)
from mlpf_hpo.errors import DataError

TRIALS = ("run id", "run_id", "trial_id", "trial", "run", "run name", "run_name", "name", "id", "config_id")
EPOCHS = ("epoch", "training_iteration", "iteration", "step", "_step", "global_step", "trainer/global_step")
METRIC, VALUE = "metric", "value"

IGNORED = frozenset({"timestamp", "_timestamp", "_runtime", "wall_time", "group"})
"""Columns that tools add to each row."""


def read_long(where: str, query: Query) -> RecordedTrainings:
    r"""Return the trainings of a CSV table in the long format.

    A column names the training (`TRIALS`), one its epoch or step (`EPOCHS`). Either the columns `metric` and
    `value` hold the values, or each metric has a column. What is the same in all rows of a training is one of
    its parameters; without any, they come from a table of runs (`Query.runs_table`).

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "long.csv"
    ...     _ = file.write_text("trial,lr,epoch,loss\na,0.1,1,3.0\na,0.1,2,2.0\nb,0.2,1,4.0\n")
    ...     found = read_long(str(file), Query())
    >>> [(one.name, one.points, dict(one.configuration)) for one in found.trainings]
    [('a', [(1, 3.0), (2, 2.0)], {'lr': '0.1'}), ('b', [(1, 4.0)], {'lr': '0.2'})]
    """
    table = read_csv(Path(where))
    names = [str(name) for name in table.columns]
    trial, epoch = find_column(names, TRIALS), find_column(names, EPOCHS)
    if trial is None or epoch is None:
        what, wanted = ("training", TRIALS) if trial is None else ("epoch", EPOCHS)
        raise DataError(
            f"{where}: no column with the {what}, such as {', '.join(wanted[:4])}; there are "
            f"{', '.join(names[:9])}"
        )
    runs = read_runs_table(query.runs_table) if query.runs_table else None
    return trainings_of_rows(table, trial, epoch, query, where, runs)


def trainings_of_rows(
    table: pd.DataFrame, trial: str, epoch: str, query: Query, where: str, runs: RunsTable | None = None
) -> RecordedTrainings:
    """Return the trainings of a table of texts in the long format, see `read_long`.

    Raises
    ------
    DataError
        If a cell is no number, or there are no parameters.
    """
    by_trial = table.groupby(trial, sort=False)
    constant = _parameters(table, trial, epoch)
    metric = choose_metric(_counts(table, trial, epoch, constant), query.metric, where)
    long = METRIC in table and VALUE in table
    rows = table[table[METRIC] == metric] if long else table
    values = rows[[trial, epoch, VALUE if long else metric]].set_axis(["trial", "epoch", "value"], axis=1)
    points = _points(values, where)
    state = find_column(constant, (*STATES, STOPPED))
    trainings = []
    for name, first in by_trial.first().iterrows():
        configuration: Mapping[str, object] = {key: first[key] for key in constant if key != state}
        status = _status(first[state], state) if state else "unknown"
        if runs is not None and query.runs_table is not None:
            others = [str(first[key]) for key in constant]
            row = run_of(runs, [str(name), *others], query.runs_table)
            configuration = {key: text for key, text in row.configuration.items() if key != metric}
            status = row.status
        trainings.append(RecordedTraining(str(name), configuration, points.get(str(name), []), status))
    if not any(one.configuration for one in trainings):
        raise DataError(
            f"{where}: no column is the same in all rows of a training, as hyperparameters are; give a table "
            "of the runs that has them with --runs FILE"
        )
    return RecordedTrainings(metric, tuple(trainings), declared=runs is not None and runs.declared)


def _status(text: str, column: str) -> str:
    if column.lower() != STOPPED:
        return status_of(text)
    return "stopped" if text.strip().lower() in ("true", "1") else "unknown"


def _parameters(table: pd.DataFrame, trial: str, epoch: str) -> list[str]:
    """Return the columns with one value in all rows of a training."""
    others = [
        name
        for name in table.columns
        if name not in (trial, epoch, METRIC, VALUE) and name.lower() not in (*IGNORED, *EPOCHS)
    ]
    if not others:
        return []
    several = (table.groupby(trial, sort=False)[others].nunique() > 1).any()
    repeated = table[trial].duplicated().any()
    return [str(name) for name in others if repeated and not several[name]]


def _counts(table: pd.DataFrame, trial: str, epoch: str, constant: list[str]) -> dict[str, int]:
    """Return the metrics, with the number of trainings that have each."""
    if METRIC in table and VALUE in table:
        return {str(name): int(n) for name, n in table.groupby(METRIC)[trial].nunique().items()}
    names = [
        name
        for name in table.columns
        if name not in (trial, epoch, *constant) and name.lower() not in (*IGNORED, *EPOCHS)
    ]
    counts = {str(name): int(table.loc[_is_value(table[name]), trial].nunique()) for name in names}
    return {name: n for name, n in counts.items() if n}


def _is_value(texts: pd.Series) -> pd.Series:
    words = texts.str.strip().str.lower()
    return pd.Series(
        pd.to_numeric(words, errors="coerce").notna() | words.isin(list(INFINITE)), index=texts.index
    )


def _points(rows: pd.DataFrame, where: str) -> dict[str, list[tuple[int, float]]]:
    """Return the points of each training in the order of the rows; cells without a value have none."""
    words = rows["value"].str.strip().str.lower()
    diverged = words.isin([*INFINITE, "nan"])
    numbers, epochs = to_numbers(words), to_numbers(rows["epoch"])
    for row in range(len(rows)):
        if epochs[row] != epochs[row] or epochs[row] != int(epochs[row]):
            raise DataError(
                f"{where}: row {rows.index[row] + 1}: epoch {rows['epoch'].iloc[row]!r} is no whole number"
            )
        if numbers[row] != numbers[row] and not diverged.iloc[row] and words.iloc[row] not in MISSING:
            raise DataError(f"{where}: row {rows.index[row] + 1}: {rows['value'].iloc[row]!r} is no number")
    points: dict[str, list[tuple[int, float]]] = {}
    for trial, epoch, number, over in zip(rows["trial"], epochs, numbers, diverged, strict=True):
        if number == number or over:
            points.setdefault(str(trial), []).append((int(epoch), float(number)))
    return points
