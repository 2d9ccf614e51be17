"""Reading runs back: every trial with its whole curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from mlpf_hpo.space import Configuration
from mlpf_hpo.tracking.records import TrialSummary
from mlpf_hpo.tracking.writer import EPOCH_METRIC, experiment_name

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
) -> list[TrialSummary]:
    """Return the trials of a campaign or search, or those with given run ids, ordered by trial id.

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
    """
    experiment = client.get_experiment_by_name(experiment_name(kind))
    if experiment is None:
        return []
    condition = "tags.kind = 'trial'"
    if campaign_id is not None:
        condition += f" and tags.campaign_id = '{campaign_id}'"
    wanted = None if run_ids is None else set(run_ids)
    found = [
        run
        for run in all_runs(client, experiment.experiment_id, condition)
        if wanted is None or run.info.run_id in wanted
    ]
    return sorted((_summary(client, run) for run in found), key=lambda trial: trial.trial_id)


def all_runs(client: MlflowClient, experiment_id: str, condition: str) -> Iterable[Run]:
    """Yield every run of an experiment that fits a condition, page by page."""
    token = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _summary(client: MlflowClient, run: Run) -> TrialSummary:
    tags, run_id = run.data.tags, run.info.run_id
    names = [name for name in run.data.metrics if name.startswith(SECTIONS)]
    histories = {name: _one_per_step(client.get_metric_history(run_id, name)) for name in names}
    return TrialSummary(
        trial_id=tags["trial_id"],
        trial_key=tags["trial_key"],
        run_id=run_id,
        configuration=_configuration(run.data.params),
        seed=int(run.data.params["seed"]),
        status=tags.get("trial_status", "unknown"),
        metrics={name: tuple(_value(point) for point in points) for name, points in histories.items()},
        hardware_label=tags.get("hardware_label", ""),
        timestamps=tuple(point.timestamp / 1000 for point in histories.get(EPOCH_METRIC, ())),
    )


def _one_per_step(history: Iterable[Metric]) -> list[Metric]:
    """Return the points by step; where a step was logged twice, the one that was logged first."""
    first: dict[int, Metric] = {}
    for point in sorted(history, key=lambda point: point.timestamp):
        first.setdefault(point.step, point)
    return [first[step] for step in sorted(first)]


def _value(point: Metric) -> float:
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
