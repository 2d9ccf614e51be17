"""Tables of runs that tracking tools export: a row per run with its parameters, state and last values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mlpf_hpo.curves.columns import check_distinct
from mlpf_hpo.errors import DataError, MissingInputError, did_you_mean, one_line
from mlpf_hpo.file_kind import NO_TEXT_DATA, file_kind

IDENTITIES = ("run id", "run_id", "id", "name", "run", "run name", "tags.mlflow.runname", "trial", "trial_id")
"""Columns by which a run is found, in lower case."""

STATES = ("status", "state")

STATUSES = {
    **dict.fromkeys(("finished", "complete", "completed", "terminated", "success"), "finished"),
    **dict.fromkeys(("stopped", "pruned", "killed"), "stopped"),
    **dict.fromkeys(("failed", "fail", "crashed", "error"), "failed"),
    **dict.fromkeys(("running", "scheduled", "pending", "paused", "preempted"), "running"),
    "diverged": "diverged",
}
"""What tools call the end of a run -> our status."""

PARAMETERS = "params."
"""First letters of MLflow's columns of parameters; where there are such, no others are."""


@dataclass(frozen=True)
class RunRow:
    """A run of a table: its parameters, or all columns that may be some, and how it ended."""

    configuration: Mapping[str, str]
    status: str


@dataclass(frozen=True)
class RunsTable:
    """Runs by what they are called there.

    Attributes
    ----------
    rows : mapping
        Name or id -> row; a name that several runs have is not in it.
    declared : bool
        Whether the configurations are declared parameters alone.
    """

    rows: Mapping[str, RunRow]
    declared: bool


def status_of(text: str) -> str:
    """Return our status for what a tool calls it.

    Examples
    --------
    >>> [status_of(text) for text in ("FINISHED", "TrialState.PRUNED", "crashed", "whatever")]
    ['finished', 'stopped', 'failed', 'unknown']
    """
    return STATUSES.get(text.strip().lower().rpartition(".")[2], "unknown")


def read_csv(file: Path) -> pd.DataFrame:
    """Return a CSV table as texts, empty where a cell is; the names of its columns are distinct.

    Raises
    ------
    MissingInputError, DataError
        If there is no such file, or it is no CSV table with a row.
    """
    kind = file_kind(file)
    if kind in NO_TEXT_DATA:
        raise DataError(f"{file}: {kind}, not a CSV table")
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, header=None, encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingInputError(f"{file}: no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as CSV: {one_line(error)}") from None
    header = [str(name).strip() for name in table.iloc[0]]
    check_distinct(header, f"{file}: the header")
    if len(table) < 2:  # the header, and a row
        raise DataError(f"{file}: no rows")
    return table.iloc[1:].set_axis(header, axis=1).reset_index(drop=True)


def find_column(columns: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Return the first of some names that a table has, in any case."""
    by_name = {name.lower(): name for name in columns}
    return next((by_name[name] for name in wanted if name in by_name), None)


def read_runs_table(file: Path) -> RunsTable:
    """Return the runs of an exported table.

    Raises
    ------
    MissingInputError, DataError
        If it is no such table.
    """
    table = read_csv(file)
    names = [str(name) for name in table.columns]
    identities = [name for name in names if name.lower() in IDENTITIES]
    if not identities:
        raise DataError(
            f"{file}: no column with the name or id of a run; wanted is one of {', '.join(IDENTITIES)}"
        )
    state = find_column(names, STATES)
    prefixed = [name for name in names if name.startswith(PARAMETERS)]
    parameters = prefixed or [name for name in names if name not in (*identities, state)]
    rows: dict[tuple[str, str], list[RunRow]] = {}
    for record in table.to_dict("records"):
        configuration = {str(name).removeprefix(PARAMETERS): record[name] for name in parameters}
        given = {name: text for name, text in configuration.items() if text != "" or not prefixed}
        row = RunRow(given, status_of(record[state]) if state else "unknown")
        for identity in identities:
            rows.setdefault((identity, record[identity]), []).append(row)
    single = {key: found[0] for (_, key), found in rows.items() if len(found) == 1 and key}
    return RunsTable(single, bool(prefixed))


def run_of(table: RunsTable, keys: Sequence[str], file: Path) -> RunRow:
    """Return the row of a run that has one of some names or ids.

    Raises
    ------
    DataError
        If there is none, or several.
    """
    for key in keys:
        if key in table.rows:
            return table.rows[key]
    raise DataError(f"{file}: no run {keys[0]}, or several of that name{did_you_mean(keys[0], table.rows)}")
