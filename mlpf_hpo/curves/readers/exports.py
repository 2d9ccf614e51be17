"""Read CSV exports of the web pages of Weights & Biases and of MLflow: a chart, and a table of its runs."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from mlpf_hpo.curves.readers.long_table import trainings_of_rows
from mlpf_hpo.curves.readers.recorded import Query, RecordedTrainings
from mlpf_hpo.curves.readers.runs_table import find_column, read_csv, read_runs_table
from mlpf_hpo.errors import ConfigurationError, DataError

STEPS = ("step", "_step", "epoch", "global_step", "trainer/global_step", "relative time (process)")
"""Columns that the horizontal axis of a chart of Weights & Biases may be."""

ENVELOPE = re.compile(r"__(MIN|MAX)$")
"""Columns beside each curve, of the smallest and largest value between two of its points."""

BETWEEN = " - "
"""Between the name of a run and that of the metric."""

MLFLOW = ("Run", "Run ID", "metric", "step", "timestamp", "value")
"""Columns of a chart that MLflow's page exports."""


def read_wandb_csv(where: str, query: Query) -> RecordedTrainings:
    """Return the runs of a chart that Weights & Biases exported as CSV.

    It has a column for the step and one for each run, `RUN - METRIC`. Hyperparameters are in the table of the
    runs, exported from the same page (`Query.runs_table`).
    """
    table = read_csv(Path(where))
    names = [str(name) for name in table.columns]
    step = find_column(names, STEPS)
    curves = [name for name in names if BETWEEN in name and not ENVELOPE.search(name)]
    if step is None or not curves:
        raise DataError(
            f"{where}: no chart that Weights & Biases exported: wanted are a column Step, and one for each "
            f"run such as 'fine-sun-1{BETWEEN}val_loss'; there are {', '.join(names[:9])}"
        )
    parts = []
    for name in curves:
        run, _, metric = name.rpartition(BETWEEN)
        cells = table[[step, name]].set_axis(["step", "value"], axis=1)
        parts.append(cells[cells["value"].str.strip() != ""].assign(run=run, metric=metric))
    rows = pd.concat(parts, ignore_index=True)
    return trainings_of_rows(rows, "run", "step", query, where, read_runs_table(_runs(query, where)))


def read_mlflow_csv(where: str, query: Query) -> RecordedTrainings:
    """Return the runs of a chart that MLflow's page exported as CSV.

    Hyperparameters are in the table of the runs (`Query.runs_table`), of the same page or of the command
    `mlflow experiments csv`, which have no more than the last value of each metric.
    """
    table = read_csv(Path(where))
    missing = [name for name in MLFLOW if name not in table]
    if missing:
        raise DataError(
            f"{where}: no chart that MLflow exported: no column {', '.join(missing)}; wanted are the "
            "points of each run, which a table of runs has not"
        )
    runs = read_runs_table(_runs(query, where))
    return trainings_of_rows(table.drop(columns="timestamp"), "Run ID", "step", query, where, runs)


def _runs(query: Query, where: str) -> Path:
    if query.runs_table is None:
        raise ConfigurationError(
            f"{where}: a chart has no hyperparameters: export the table of its runs as well, and give it "
            "with --runs FILE"
        )
    return query.runs_table
