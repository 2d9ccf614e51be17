"""The search: one stream of configurations under each scheduler, with or without a prediction."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.project import state_folder
from mlpf_hpo.registry.champion import RECORD
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.registry.load import load_champion
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import SearchSpace, stable_hash
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import reader, ui_links
from mlpf_hpo.tracking.journal import JOURNALS
from mlpf_hpo.tracking.writer import RunWriter, durable_writer
from mlpf_hpo.tuning.driver_lock import sole_driver
from mlpf_hpo.tuning.failures import check_failures
from mlpf_hpo.tuning.named_scheduler import NamedScheduler, name_scheduler
from mlpf_hpo.tuning.recorder import closed_truthfully
from mlpf_hpo.tuning.retraining import ensure_network
from mlpf_hpo.tuning.run import Progress, finished_trials, run_trials
from mlpf_hpo.tuning.search_result import SearchRecord, search_result
from mlpf_hpo.tuning.settings import ResourceParams, SearchParams
from mlpf_hpo.tuning.task import Task, TrialSpec, campaign_id, check_target, plan_trials


@dataclass(frozen=True)
class SearchPlan:
    """What all schedulers of a search have in common.

    Attributes
    ----------
    specs : sequence of TrialSpec
        The stream of trials.
    trials_id : str
        Identity of what the trials share, see `campaign_id`.
    target : TargetMetric
        What trials are compared by.
    settings : SearchParams
        Sizes, the schedulers and the settings that they share.
    seed : int
        Of the stream.
    resources : ResourceParams
        What a trial gets.
    state : path
        Folder of checkpoints and journals.
    on_progress : callable, optional
        Called after every change.
    """

    specs: Sequence[TrialSpec[Task]]
    trials_id: str
    target: TargetMetric
    settings: SearchParams
    seed: int
    resources: ResourceParams
    state: Path
    on_progress: Progress | None = None


def run_search(
    task: Task,
    space: SearchSpace,
    target: TargetMetric,
    settings: SearchParams,
    *,
    seed: int,
    resources: ResourceParams,
    patience_seconds: float = 120.0,
    state: Path | None = None,
    on_progress: Progress | None = None,
    champion: Path = RECORD,
) -> SearchRecord:
    """Run every scheduler on the same configurations, seeds and epoch limit.

    Parameters
    ----------
    task, space, target, seed, resources, patience_seconds, state, on_progress
        As for `run_campaign`.
    settings : SearchParams
        Sizes, and the schedulers.
    champion : path
        The predictor of schedulers that hold a prediction is exactly the version that the stage `champion`
        put on record here.

    Raises
    ------
    MissingInputError, DataError
        If that record, or the data, are not there, or damaged.
    TrackingError
        If the registry does not hold the champion any more, or it cannot be used. If MLflow cannot be reached
        at the start, or went away and has not come back at the end.
    ConfigurationError
        If the champion is of another search space, or predicts another epoch than the search trains to; if a
        scheduler refuses its settings; as `run_campaign`.
    InterruptedStageError
        If interrupted; the next call goes on.
    BusyError
        If another process trains in `state`, or trains the same, on whatever machine.
    DataError
        If under a scheduler no trial was trained, or more failed than `settings.failures_allowed`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from mlpf_hpo import LogUniform, ResourceParams, SearchParams, SearchSpace
    >>> from mlpf_hpo import TargetMetric, run_search
    >>> toy = SimpleNamespace(direction=lambda metric: "max")  # of a task; `Task` has a whole one
    >>> space = SearchSpace({"lr": LogUniform(0.001, 0.1)})
    >>> target = TargetMetric("accuracy", "min")  # a slip, which the task refuses before anything is trained
    >>> run_search(toy, space, target, SearchParams(), seed=0, resources=ResourceParams())
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: ...
    """
    check_target(task, target)
    predictor, version = None, None
    if any(scheduler.prediction is not None for scheduler in settings.schedulers):
        scope = ChampionScope.of_search(target, settings.max_epochs, space)
        predictor, version = load_champion(scope, champion)
        _check_epochs(predictor, version, settings)
    named = [
        name_scheduler(params, i, settings, target, predictor, version)
        for i, params in enumerate(settings.schedulers)
    ]
    specs = plan_trials(task, space, seed, settings.configurations, purpose="search")
    shared, state = campaign_id(task, space, seed), state or state_folder()
    plan = SearchPlan(specs, shared, target, settings, seed, resources, state, on_progress)
    with sole_driver(state), durable_writer(state / JOURNALS, patience_seconds) as writer:
        found = {one.key: run_scheduler(one, plan, writer) for one in named}
        experiment = writer.experiment_id("search")
    parents = [result["parent_run_id"] for result in found.values()]
    used = version and {"name": version.name, "version": str(version.version), "alias": settings.champion}
    return SearchRecord(
        content={
            "task": task.name,
            "experiment_id": experiment,
            "configurations": len(specs),
            "max_epochs": settings.max_epochs,
            "target": target.to_dict(),
            "champion": used,
            "schedulers": found,
        },
        links=ui_links.format_links(ui_links.update_links(writer.client, "search", first=parents)),
    )


def _check_epochs(predictor: Any, version: Any, settings: SearchParams) -> None:
    if predictor.n_epochs != settings.max_epochs:
        raise ConfigurationError(
            f"search.max_epochs: the champion (version {version.version}) predicts the loss after "
            f"{predictor.n_epochs} epochs, the search trains to {settings.max_epochs}; make them equal, or "
            "fit a predictor on curves of that length (campaign.epochs)"
        )


def search_id(named: NamedScheduler, plan: SearchPlan) -> str:
    """Return the identity of the search of one scheduler."""
    content = {"trials": plan.trials_id, "n": len(plan.specs), "policy": named.key, **named.identity}
    return stable_hash(content, length=8)


def run_scheduler(named: NamedScheduler, plan: SearchPlan, writer: RunWriter) -> dict[str, Any]:
    """Run the trials under one scheduler, and return what it found, for search.json."""
    identity, target = search_id(named, plan), plan.target
    writer.close_orphans(identity)
    parent = _open_parent(named, plan, identity, writer)
    finished = finished_trials(writer, "search", identity, plan.specs, target, has_ended)
    started = time.monotonic()
    with closed_truthfully(writer, parent):
        outcomes = run_trials(
            kind="search",
            campaign_id=identity,
            parent_run_id=parent,
            specs=plan.specs,
            scheduler=named.scheduler,
            max_epochs=plan.settings.max_epochs,
            resources=plan.resources,
            writer=writer,
            state_dir=plan.state,
            finished=finished,
            on_progress=plan.on_progress,
            target=target,
            tags={"scheduler": named.key},
        )
        check_failures(outcomes, plan.settings.failures_allowed, "search")
        spent = writer.add_to_summary(parent, "wall_seconds", time.monotonic() - started)
        run_ids = [outcome.run_id for outcome in outcomes]
        metrics, where = [target.metric, target.of_training], f"search under {named.label}"
        trials = reader.trials(writer.client, "search", run_ids=run_ids, metrics=metrics)
        found = {
            "label": named.label,
            "campaign_id": identity,
            "parent_run_id": parent,
            "wall_seconds": spent,
            **search_result(outcomes, {trial.run_id: trial for trial in trials}, target, where),
            "reused": len(finished),
        }
        _keep_network(found, plan, writer)
    writer.summary(parent, {"epochs": found["epochs"], "best_loss": found["best_loss"]})
    writer.close(parent, "finished")
    return found


def _open_parent(named: NamedScheduler, plan: SearchPlan, identity: str, writer: RunWriter) -> str:
    host, task = describe_host(), plan.specs[0].task
    settings = {"scheduler": named.key, **named.identity}
    epochs = plan.settings.max_epochs
    return writer.open_parent(
        "search",
        identity,
        name=f"search-{named.key}-{host.hardware_label}-{identity}",
        tags={**host.tags(), **{name: str(value) for name, value in settings.items()}},
        params={"configurations": len(plan.specs), "seed": plan.seed, **settings},
        note=f"{named.label}: {len(plan.specs)} configurations, at most {epochs} epochs each.",
        digest=task.data_digest,
        dataset_path=task.dataset_path,
        host=host.record(),
    )


def has_ended(trial: TrialSummary) -> bool:
    """Tell whether a trial on record needs no more training under the scheduler that it ran under."""
    return trial.status in ("finished", "stopped", "diverged")


def _keep_network(found: Mapping[str, Any], plan: SearchPlan, writer: RunWriter) -> None:
    """Keep the best trial's network with its run, if the task leaves any."""
    if not plan.specs[0].task.keeps_checkpoints:
        return
    best = next(row for row in found["trials"] if row["run_id"] == found["best_run_id"])
    spec = next(spec for spec in plan.specs if spec.key == best["trial_key"])
    ensure_network(writer.client, spec, best, found["campaign_id"], plan.target, plan.resources, plan.state)
