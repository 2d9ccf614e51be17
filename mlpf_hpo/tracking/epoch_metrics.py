"""Which metrics of a run have a value per epoch, and which epochs are on record, whatever the metrics are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpf_hpo.target_metric import TargetMetric

if TYPE_CHECKING:
    from mlflow.entities import Run

SUMMARY = "summary/"
"""Section of the numbers of a whole run."""

SEARCH = "search/"
"""Section of what a whole search has found for the epochs that it has spent."""


def is_per_epoch(metric: str) -> bool:
    """Tell whether a metric has a value per epoch of a trial."""
    return not metric.startswith((SUMMARY, SEARCH))


def has_epochs(run: Run) -> bool:
    """Tell whether any epoch of a run is on record."""
    return any(map(is_per_epoch, run.data.metrics))


def last_epoch(run: Run) -> int:
    """Return the last epoch that is on record, by any metric; 0 where there is none.

    An epoch's metrics are logged at once, but not the same ones after every epoch: some count nothing.
    """
    points = run.data.to_proto().metrics  # `run.data.metrics` has no steps
    return max((int(point.step) for point in points if is_per_epoch(point.key)), default=0)


def series(target: TargetMetric) -> str:
    """Return the metric of a search's parent run that holds the best value so far; its step: epochs spent.

    Examples
    --------
    >>> series(TargetMetric("val/loss", "min"))
    'search/best_loss'
    """
    return f"{SEARCH}best_{target.metric.rpartition('/')[2]}"
