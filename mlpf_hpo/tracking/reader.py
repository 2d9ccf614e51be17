"""Reading runs back: every trial with its whole curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run

from mlpf_hpo.space import Configuration
from mlpf_hpo.tracking.answers import understood
from mlpf_hpo.tracking.delivery import EPOCH_METRIC, experiment_name
from mlpf_hpo.tracking.histories import Point, histories
from mlpf_hpo.tracking.records import TrialSummary

LARGEST = 1.797e308
"""SQL stores keep infinities as the largest finite number."""

SECTIONS = ("train/", "val/", "throughput/", "time/", "system/")
"""Sections whose metrics have a value per epoch."""

PAGE = 1000


def trials(
    client: MlflowClient,
    kind: str,
    campaign_id: str | None = None,
    run_ids: Sequence[str] | None = None,
    metrics: Iterable[str] | None = None,
) -> list[TrialSummary]:
    """Return the trials of a campaign or search, or those with given run ids, ordered by trial id.

    Runs whose opening was cut short - by a kill before their parameters were logged - hold nothing and are
    left out; the trial's next opening completes them.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    kind : str
        "campaign" or "search": the experiment.
    campaign_id : str, optional
        Only trials of this campaign or search.
    run_ids : sequence of str, optional
        Only these runs; ids that the store doesn't hold are left out.
    metrics : iterable of str, optional
        Only these metrics, and timestamps if `EPOCH_METRIC` is among them; all that have a value per epoch by
        default.

    Raises
    ------
    TrackingError
        If MLflow does not answer.
    """
    condition = "tags.kind = 'trial'"
    if campaign_id is not None:
        condition += f" and tags.campaign_id = '{campaign_id}'"
    wanted = None if run_ids is None else set(run_ids)
    with understood(client.tracking_uri):
        experiment = client.get_experiment_by_name(experiment_name(kind))
        if experiment is None:
            return []
        found = [
            run
            for run in all_runs(client, experiment.experiment_id, condition)
            if (wanted is None or run.info.run_id in wanted) and "seed" in run.data.params
        ]
        logged = {name for run in found for name in run.data.metrics if name.startswith(SECTIONS)}
        names = logged if metrics is None else logged & set(metrics)
        points = histories(client, [run.info.run_id for run in found], sorted(names))
    return sorted((_summary(run, points[run.info.run_id]) for run in found), key=lambda trial: trial.trial_id)


def all_runs(client: MlflowClient, experiment_id: str, condition: str) -> Iterable[Run]:
    """Yield every run of an experiment that fits a condition, page by page."""
    token = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _summary(run: Run, points: Mapping[str, list[Point]]) -> TrialSummary:
    tags = run.data.tags
    histories = {name: _one_per_step(history) for name, history in points.items()}
    return TrialSummary(
        trial_id=tags["trial_id"],
        trial_key=tags["trial_key"],
        run_id=run.info.run_id,
        configuration=_configuration(run.data.params),
        seed=int(run.data.params["seed"]),
        status=tags.get("trial_status", "unknown"),
        metrics={name: tuple(_value(point) for point in history) for name, history in histories.items()},
        hardware_label=tags.get("hardware_label", ""),
        timestamps=tuple(point.moment_ms / 1000 for point in histories.get(EPOCH_METRIC, ())),
    )


def _one_per_step(history: Iterable[Point]) -> list[Point]:
    """Return the points by step; where a step was logged twice, the one that was logged first."""
    first: dict[int, Point] = {}
    for point in sorted(history, key=lambda point: point.moment_ms):
        first.setdefault(point.step, point)
    return [first[step] for step in sorted(first)]


def _value(point: Point) -> float:
    if abs(point.value) >= LARGEST:
        return math.copysign(math.inf, point.value)
    return float(point.value)


def _configuration(params: dict[str, str]) -> Configuration:
    """Return the hyperparameters as numbers: integers where they were written as such."""
    out: dict[str, float | int] = {}
    for name, text in params.items():
        if name == "seed":
            continue
        try:
            out[name] = int(text)
        except ValueError:
            out[name] = float(text)
    return out
