"""Read trials back from MLflow, each with its whole curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run

from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.tracking.duplicate_runs import counted_once
from mlpf_hpo.tracking.epoch_metrics import is_per_epoch
from mlpf_hpo.tracking.metric_history import History, metric_histories
from mlpf_hpo.tracking.mlflow_errors import translate_errors
from mlpf_hpo.tracking.records import configuration_of
from mlpf_hpo.tracking.store_writes import experiment_name

LARGEST = 1.797e308
"""SQL stores keep infinities as the largest finite number."""

PAGE = 1000


def trials(
    client: MlflowClient,
    kind: str,
    campaign_id: str | None = None,
    run_ids: Sequence[str] | None = None,
    metrics: Iterable[str] | None = None,
) -> list[TrialSummary]:
    """Return the trials of a campaign or search, or those with given run ids, ordered by trial id.

    Runs without parameters - a kill came while they were opened - hold nothing and are left out; the trial's
    next opening completes them. Of several runs of a trial one counts, see
    `duplicate_runs.by_preference`.

    Parameters
    ----------
    kind : str
        "campaign" or "search": the experiment.
    campaign_id : str, optional
        Only trials of this campaign or search.
    run_ids : sequence of str, optional
        Only these runs; ids that the store doesn't hold are left out.
    metrics : iterable of str, optional
        Only these metrics, and the epochs that have any of them; all that have a value per epoch by default.

    Raises
    ------
    TrackingError
        If MLflow does not answer.
    """
    condition = "tags.kind = 'trial'"
    if campaign_id is not None:
        condition += f" and tags.campaign_id = '{campaign_id}'"
    wanted = None if run_ids is None else set(run_ids)
    with translate_errors(client.tracking_uri):
        experiment = client.get_experiment_by_name(experiment_name(kind))
        if experiment is None:
            return []
        found = counted_once(
            run
            for run in all_runs(client, experiment.experiment_id, condition)
            if (wanted is None or run.info.run_id in wanted) and "seed" in run.data.params
        )
        logged = {name for run in found for name in run.data.metrics if is_per_epoch(name)}
        names = logged if metrics is None else logged & set(metrics)
        histories = metric_histories(client, found, sorted(names))
    summaries = (_summary(run, histories[run.info.run_id]) for run in found)
    return sorted(summaries, key=lambda trial: trial.trial_id)


def all_runs(client: MlflowClient, experiment_id: str, condition: str) -> Iterable[Run]:
    """Yield every run of an experiment that fits a condition, page by page; also several of one trial."""
    token = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _summary(run: Run, histories: Mapping[str, History]) -> TrialSummary:
    tags = run.data.tags
    return TrialSummary(
        trial_id=tags["trial_id"],
        trial_key=tags["trial_key"],
        run_id=run.info.run_id,
        configuration=configuration_of(run.data.params),
        seed=int(run.data.params["seed"]),
        status=tags.get("trial_status", "unknown"),
        metrics={name: _curve(history) for name, history in histories.items()},
        hardware_label=tags.get("hardware_label", ""),
        timestamps=_moments(histories.values()),
        reason=tags.get("reason", ""),
    )


def _curve(history: History) -> tuple[float, ...]:
    """Return the values from the first epoch on; NaN after an epoch that did not log the metric."""
    values = history.values
    if not -LARGEST < min(values) <= max(values) < LARGEST:
        values = tuple(map(value_of, values))
    epochs = range(1, history.steps[-1] + 1)
    if history.steps == tuple(epochs):
        return values
    logged: dict[int, float] = {}
    for step, value in zip(history.steps, values, strict=True):
        logged.setdefault(step, value)  # of an epoch that was logged twice, what was logged first
    return tuple(logged.get(epoch, math.nan) for epoch in epochs)


def _moments(histories: Iterable[History]) -> tuple[float, ...]:
    """Return when each epoch ended, in seconds: by whatever was logged of it, as all is logged at once."""
    moments: dict[int, int] = {}
    for history in histories:
        # Backwards: of an epoch that was logged twice the first moment stays.
        moments.update(zip(history.steps[::-1], history.moments_ms[::-1], strict=True))
    found: list[float] = []
    for epoch in range(1, max(moments, default=0) + 1):
        found.append(moments[epoch] / 1000 if epoch in moments else found[-1] if found else 0.0)
    return tuple(found)


def value_of(value: float) -> float:
    """Return the value that was logged: infinite where a SQL store kept the largest finite number for it."""
    return math.copysign(math.inf, value) if abs(value) >= LARGEST else value
