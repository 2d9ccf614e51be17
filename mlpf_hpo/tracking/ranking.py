"""The best trials by a metric's best epoch: MLflow itself sorts by the last one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.delivery import EPOCH_METRIC, experiment_name
from mlpf_hpo.tracking.reader import LARGEST, SECTIONS, all_runs

SMALLER_IS_BETTER = ("loss", "seconds", "megabytes")
"""Words in a metric's name by which its best value is the smallest."""


@dataclass(frozen=True)
class RankedTrial:
    """A trial and its best value.

    Attributes
    ----------
    run_id, name, link : str
        Its run.
    configuration : mapping
        Hyperparameter name -> value as MLflow shows it.
    best, best_epoch
        Best finite value of the metric, and the epoch after which it was reached.
    epochs : int
        Epochs on record.
    status, hardware_label : str
        What became of it, and where it was trained.
    """

    run_id: str
    name: str
    link: str
    configuration: dict[str, str]
    best: float
    best_epoch: int
    epochs: int
    status: str
    hardware_label: str


def best_trials(
    client: MlflowClient,
    kind: str,
    metric: str = EPOCH_METRIC,
    n: int | None = None,
    campaign_id: str | None = None,
) -> list[RankedTrial]:
    """Return the trials of a kind by their best value of a metric, best first.

    Trials that never logged a finite value of it are left out.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    kind : str
        "campaign" or "search".
    metric : str
        A metric with a value per epoch.
    n : int, optional
        How many; all by default.
    campaign_id : str, optional
        Only trials of this campaign or search.

    Raises
    ------
    ConfigurationError
        If no trial has logged such a metric; the message names the nearest that is there.
    """
    experiment = client.get_experiment_by_name(experiment_name(kind))
    if experiment is None:
        return []
    condition = "tags.kind = 'trial'"
    if campaign_id is not None:
        condition += f" and {links.condition_on(campaign_id)}"
    runs = list(all_runs(client, experiment.experiment_id, condition))
    known = sorted({name for run in runs for name in run.data.metrics if name.startswith(SECTIONS)})
    if known and metric not in known:
        hint = did_you_mean(metric, known) or f"; there are {', '.join(known)}"
        raise ConfigurationError(f"--metric: no trial has logged {metric}{hint}")
    sign = 1 if smaller_is_better(metric) else -1
    ranked = [
        _ranked(run, *found)
        for run in runs
        if metric in run.data.metrics
        and (found := _best(client.get_metric_history(run.info.run_id, metric), sign))
    ]
    return sorted(ranked, key=lambda trial: (sign * trial.best, trial.name))[:n]


def smaller_is_better(metric: str) -> bool:
    """Tell whether the best value of a metric is its smallest.

    Examples
    --------
    >>> smaller_is_better("val/loss"), smaller_is_better("throughput/events_per_second")
    (True, False)
    """
    return any(word in metric.removesuffix("per_second") for word in SMALLER_IS_BETTER)


def _best(history: Iterable[Metric], sign: int) -> tuple[float, int, int] | None:
    """Return the best finite value, its epoch, and the last epoch."""
    points = list(history)
    finite = [p for p in points if math.isfinite(p.value) and abs(p.value) < LARGEST]
    if not finite:
        return None
    best = min(finite, key=lambda point: (sign * point.value, point.step))
    return float(best.value), int(best.step), max(point.step for point in points)


def _ranked(run: Run, best: float, best_epoch: int, epochs: int) -> RankedTrial:
    return RankedTrial(
        run_id=run.info.run_id,
        name=run.info.run_name,
        link=links.run_link(run.info.experiment_id, run.info.run_id),
        configuration={name: value for name, value in run.data.params.items() if name != "seed"},
        best=best,
        best_epoch=best_epoch,
        epochs=epochs,
        status=run.data.tags.get("trial_status", "unknown"),
        hardware_label=run.data.tags.get("hardware_label", ""),
    )
