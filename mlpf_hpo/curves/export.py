"""Learning curves as tables for other tools: wide, as the published curves are, or long."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.cells import hyperparameter_column
from mlpf_hpo.curves.column_names import RESUMED, STOPPED, TARGET_EPOCH
from mlpf_hpo.curves.ends import known_lengths
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError


def wide_table(curves: LearningCurves) -> pd.DataFrame:
    """Return the layout of the published table: hyperparameters, then ``loss_0``, ``loss_1``, ...

    The columns `seed`, `stopped` (of every censored curve), `resumed` and `target_epoch` stand between them
    where they say something. A curve that
    ended early has empty cells after its end, the first of them infinite if it diverged. Every number is
    written so that reading it gives the same number; `import_csv` reads the table again.

    Returns
    -------
    DataFrame [n_trials] of str

    Raises
    ------
    DataError
        If the layout cannot hold a curve or a hyperparameter.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> losses = [[3.0, 2.0], [4.0, float("nan")]]
    >>> curves = LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], losses, TargetMetric("val", "min"))
    >>> wide_table(curves).to_csv(index=False).split()
    ['lr,loss_0,loss_1', '0.1,3.0,2.0', '0.2,4.0,']
    """
    columns = {name: _hyperparameter(curves, name) for name in curves.hyperparameters}
    seeds = curves.configs["seed"]
    if (seeds >= 0).any():
        columns["seed"] = seeds.astype(str).where(seeds >= 0, "")
    if curves.censored.any():
        columns[STOPPED] = pd.Series(curves.censored).astype(str)
    if curves.resumed.any():
        columns[RESUMED] = pd.Series(curves.resumed).astype(str)
    if curves.own_targets:
        targets = pd.Series(curves.target_epochs)
        columns[TARGET_EPOCH] = targets.astype(str).where(targets > 0, "")
    cells = _cells(curves)
    columns |= {f"loss_{epoch}": pd.Series(cells[:, epoch]) for epoch in range(curves.n_epochs)}
    return pd.DataFrame({name: column.to_numpy() for name, column in columns.items()})


def long_table(curves: LearningCurves) -> pd.DataFrame:
    """Return the columns `trial`, `epoch`, `metric` and `value`, a row for each value of each metric.

    `trial` is the row of the table of curves, from 0; `epoch` the number of epochs trained, from 1. Values
    that are missing have no row; infinite ones, of a training that diverged, have.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> losses = [[3.0, 2.0], [4.0, float("nan")]]
    >>> curves = LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], losses, TargetMetric("loss", "min"))
    >>> long_table(curves).to_csv(index=False).split()
    ['trial,epoch,metric,value', '0,1,loss,3.0', '0,2,loss,2.0', '1,1,loss,4.0']
    """
    parts = []
    for name, values in curves.metrics.items():
        trial, epoch = np.nonzero(~np.isnan(values))
        column = {"trial": trial, "epoch": epoch + 1, "metric": name, "value": values[trial, epoch]}
        parts.append(pd.DataFrame(column))
    return pd.concat(parts).sort_values(["trial", "epoch"], kind="stable", ignore_index=True)


def _hyperparameter(curves: LearningCurves, name: str) -> pd.Series:
    """Return a hyperparameter as texts from which the same values are read."""
    column = curves.configs[name]
    texts = pd.Series([str(value) for value in column.tolist()], dtype=object)
    wrong = f"{curves.source or 'the table'}: a CSV table cannot hold hyperparameter {name!r} as it is"
    try:
        read = hyperparameter_column(texts.str.strip(), "the table")
    except DataError as error:
        raise DataError(f"{wrong}: {error}") from None
    if read.tolist() != column.tolist():
        row = next(i for i, (a, b) in enumerate(zip(read, column, strict=True)) if a != b)
        raise DataError(f"{wrong}: {texts[row]!r} would be read as {read[row]!r}; rename that value")
    return texts


def _cells(curves: LearningCurves) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
    """Return the curves as texts, [n_trials, n_epochs]."""
    values, lengths = curves.values, known_lengths(curves.values)
    after_end = np.arange(curves.n_epochs) >= lengths[:, None]
    _check_gaps(curves, np.where(after_end, values, np.nan))
    cells = np.array([[repr(value) for value in row] for row in values.tolist()], dtype=object)
    cells = cells.reshape(values.shape)
    cells[after_end] = ""
    infinite = np.isinf(values).any(axis=1) | (curves.status == "diverged")
    for row in np.flatnonzero(infinite & (lengths < curves.n_epochs)):
        cells[row, lengths[row]] = "inf"
    return cells


def _check_gaps(curves: LearningCurves, after_end: FloatArray) -> None:
    for row, _ in np.argwhere(np.isfinite(after_end))[:1]:
        raise DataError(
            f"{curves.source or 'the table'}: row {row + 1} has a value after a missing one, which this "
            "layout cannot hold; the long one can"
        )
