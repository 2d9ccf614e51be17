"""The best trials by a metric's best epoch: MLflow itself sorts by the last one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.metric_modes import resolve_mode
from mlpf_hpo.search.trial_summary import TrialSummary, has_network
from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.duplicate_runs import counted_once
from mlpf_hpo.tracking.epoch_metrics import is_per_epoch
from mlpf_hpo.tracking.mlflow_errors import with_read_errors
from mlpf_hpo.tracking.overview import work_on_record
from mlpf_hpo.tracking.reader import LARGEST, all_runs
from mlpf_hpo.tracking.store_writes import experiment_name


@dataclass(frozen=True)
class RankedTrial:
    """A trial with the best finite value of the metric that it is ranked by, and its epoch."""

    run_id: str
    name: str
    link: str
    configuration: dict[str, str]
    metric: str
    best: float
    best_epoch: int
    epochs: int
    status: str
    hardware_label: str


@with_read_errors
def best_trials(
    client: MlflowClient,
    kind: str,
    metric: str | None = None,
    n: int | None = None,
    campaign_id: str | None = None,
    mode: str | None = None,
) -> list[RankedTrial]:
    """Return the trials of a kind by their best value of a metric, best first.

    Trials that never logged a finite value of it are left out, and those that leave no network, having
    diverged or failed (`has_network`).

    Parameters
    ----------
    kind : str
        "campaign" or "search".
    metric : str, optional
        A metric with a value per epoch; by default what the newest campaign (or search) compares trials by.
    n : int, optional
        How many; all by default.
    campaign_id : str, optional
        Only trials of this campaign or search.
    mode : {"min", "max"}, optional
        Whether small or large values are good; by default what is on record of the metric.

    Raises
    ------
    ConfigurationError
        If no trial has logged such a metric; the message names the nearest that is there. If no mode is on
        record for it, or another than was asked for.
    """
    experiment = client.get_experiment_by_name(experiment_name(kind))
    if experiment is None:
        return []
    targets = [
        work.target for work in work_on_record(client, kind) if campaign_id in (None, work.campaign_id)
    ] or [VALIDATION_LOSS]
    metric = metric or targets[0].metric
    condition = "tags.kind = 'trial'"
    if campaign_id is not None:
        condition += f" and {links.condition_on(campaign_id)}"
    runs = counted_once(all_runs(client, experiment.experiment_id, condition))
    known = sorted({name for run in runs for name in run.data.metrics if is_per_epoch(name)})
    if known and metric not in known:
        hint = did_you_mean(metric, known) or f"; there are {', '.join(known)}"
        raise ConfigurationError(f"--metric: no trial has logged {metric}{hint}")
    recorded = next((target.mode for target in targets if target.metric == metric), None)
    target = TargetMetric(metric, resolve_mode(metric, mode, recorded))
    ranked = [
        _ranked(run, metric, *found)
        for run in runs
        if metric in run.data.metrics
        and has_network(run.data.tags.get("trial_status", "unknown"))
        and (found := _best(client.get_metric_history(run.info.run_id, metric), target))
    ]
    return sorted(ranked, key=lambda trial: (target.cost(trial.best), trial.name))[:n]


def best_summaries(trials: Sequence[TrialSummary], target: TargetMetric) -> list[TrialSummary]:
    """Return trials that were read whole, best first; those that `best_trials` leaves out are left out."""
    best = {trial.run_id: target.best(trial.metrics.get(target.metric, ())) for trial in trials}
    kept = [trial for trial in trials if has_network(trial.status) and math.isfinite(best[trial.run_id])]
    return sorted(kept, key=lambda trial: (target.cost(best[trial.run_id]), trial.trial_id))


def _best(history: Iterable[Metric], target: TargetMetric) -> tuple[float, int, int] | None:
    """Return the best finite value, its epoch, and the last epoch."""
    points = list(history)
    finite = [p for p in points if math.isfinite(p.value) and abs(p.value) < LARGEST]
    if not finite:
        return None
    best = min(finite, key=lambda point: (target.cost(point.value), point.step))
    return float(best.value), int(best.step), max(point.step for point in points)


def _ranked(run: Run, metric: str, best: float, best_epoch: int, epochs: int) -> RankedTrial:
    return RankedTrial(
        run_id=run.info.run_id,
        name=run.info.run_name,
        link=links.run_link(run.info.experiment_id, run.info.run_id),
        configuration={name: value for name, value in run.data.params.items() if name != "seed"},
        metric=metric,
        best=best,
        best_epoch=best_epoch,
        epochs=epochs,
        status=run.data.tags.get("trial_status", "unknown"),
        hardware_label=run.data.tags.get("hardware_label", ""),
    )
