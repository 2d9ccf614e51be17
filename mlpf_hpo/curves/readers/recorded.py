"""What a foreign source holds: trainings with their configuration, the points of one metric, and an end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlpf_hpo.errors import ConfigurationError, DataError, did_you_mean
from mlpf_hpo.space import Mode

SHOWN_METRICS = 12
"""At most so many metrics are listed in a message."""


@dataclass(frozen=True)
class Query:
    """What is asked of a source.

    Attributes
    ----------
    metric : str, optional
        Name of the metric; by default the only one that there is.
    experiment : str, optional
        Experiment of MLflow, study of Optuna; by default the only one that there is.
    condition : str, optional
        Which trainings: a search condition of MLflow, a pattern of names elsewhere.
    runs_table : Path, optional
        CSV of the runs with their hyperparameters, beside a file that has only curves.
    """

    metric: str | None = None
    experiment: str | None = None
    condition: str | None = None
    runs_table: Path | None = None


@dataclass(frozen=True)
class RecordedTraining:
    """One training as its tool recorded it.

    Attributes
    ----------
    name : str
        By which people find it there.
    configuration : mapping
        Name -> value of any type, nested mappings included.
    points : sequence of (int, float)
        Steps and values of the metric in the order in which they were written.
    status : str
        As in `LearningCurves`.
    run_id : str
        Run of MLflow, empty elsewhere.
    resumed : int, optional
        How often it was resumed or started again, where the tool says so; by default as often as the steps
        go back.
    """

    name: str
    configuration: Mapping[str, object]
    points: Sequence[tuple[int, float]]
    status: str = "unknown"
    run_id: str = ""
    resumed: int | None = None


@dataclass(frozen=True)
class RecordedTrainings:
    """The trainings of a source.

    Attributes
    ----------
    metric : str
        The metric whose points they have.
    trainings : tuple of RecordedTraining
    mode : {"min", "max"}, optional
        The metric's, if the source says it.
    declared : bool
        Whether configurations hold what was declared to be hyperparameters; else, in a table of all kinds of
        columns, those that may be hyperparameters are found by `columns.find_hyperparameters`.
    left_out : mapping of str to int
        Reason -> number of trainings of the source that are not among them.
    """

    metric: str
    trainings: tuple[RecordedTraining, ...]
    mode: Mode | None = None
    declared: bool = True
    left_out: Mapping[str, int] = field(default_factory=dict)


class CurveSource(Protocol):
    """A function that reads trainings where a tool keeps them."""

    def __call__(self, where: str, query: Query) -> RecordedTrainings:
        """Return the trainings, of which some may have no point.

        Raises
        ------
        MlpfHpoError
            If the place cannot be reached, holds nothing of the kind, or no training has the metric.
        """


def choose_metric(counts: Mapping[str, int], metric: str | None, where: str) -> str:
    """Return the metric that was asked for, or the only one.

    Parameters
    ----------
    counts : mapping of str to int
        Metric -> number of trainings that have it.
    metric : str or None
        What was asked for.
    where : str
        The source, for messages.

    Raises
    ------
    DataError
        If there is no metric, or not this one; the message has the nearest name.
    ConfigurationError
        If there are several and none was asked for.

    Examples
    --------
    >>> choose_metric({"val_loss": 3}, None, "runs")
    'val_loss'
    >>> choose_metric({"val_loss": 3, "val_acc": 3}, "val_los", "runs")
    Traceback (most recent call last):
    mlpf_hpo.errors.DataError: runs: no run has a metric val_los (did you mean val_loss?); there are ...
    """
    names = sorted(counts, key=lambda name: (-counts[name], name))
    more = f" and {len(names) - SHOWN_METRICS} more" if len(names) > SHOWN_METRICS else ""
    known = ", ".join(f"{name} ({counts[name]} runs)" for name in names[:SHOWN_METRICS]) + more
    if not names:
        raise DataError(f"{where}: no run has a metric with a value per epoch")
    if metric is not None:
        if metric in counts:
            return metric
        hint = did_you_mean(metric, names)
        raise DataError(f"{where}: no run has a metric {metric}{hint}; there are {known}")
    if len(names) > 1:
        raise ConfigurationError(f"{where}: several metrics, say which with --metric: {known}")
    return names[0]
