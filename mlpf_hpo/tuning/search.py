"""The search: one stream of configurations under each scheduler, with or without a prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.project import state_folder
from mlpf_hpo.registry.champion import RECORD
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.registry.load import load_champion
from mlpf_hpo.search.scheduler import Scheduler, stating
from mlpf_hpo.search.search_result import SearchRecord, search_result
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import SearchSpace, stable_hash
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import ui_links
from mlpf_hpo.tracking.versions import ModelVersion
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning.driver import Recorder, closed_truthfully, sole_driver
from mlpf_hpo.tuning.named_scheduler import NamedScheduler, name_scheduler
from mlpf_hpo.tuning.named_searcher import add_searcher
from mlpf_hpo.tuning.prior_campaign import CURVES, check_prior, read_prior
from mlpf_hpo.tuning.progress import Progress
from mlpf_hpo.tuning.run import check_failures, run_trials
from mlpf_hpo.tuning.settings import ResourceParams, SearchParams
from mlpf_hpo.tuning.shared_session import shared_session
from mlpf_hpo.tuning.task import Task, TrialSpec, check_target, plan_trials, task_tags, trials_identity


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
    campaign_curves: Path = CURVES,
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
    campaign_curves : path
        Curves of the prior campaign of schedulers that take one and are given no other by their `prior`.

    Raises
    ------
    MissingInputError, DataError
        If that record, those curves, or the data, are not there, or damaged.
    TrackingError
        If the registry does not hold the champion any more, or it cannot be used. If MLflow cannot be reached
        at the start, or went away and has not come back at the end.
    ConfigurationError
        If the champion is of another search space, or predicts another epoch than the search trains to; if a
        scheduler refuses its settings or its prior; as `run_campaign`.
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
    used = None
    if any(params.prediction is not None for params in settings.schedulers):
        scope = ChampionScope.of_search(target, settings.max_epochs, space)
        used = UsedPredictor(*load_champion(scope, champion), settings.champion)
    plan = plan_search(task, space, target, settings, seed, used, campaign_curves)
    state, found = state or state_folder(), {}
    with sole_driver(state, patience_seconds) as writer, shared_session():
        for named in plan.schedulers:
            recorder = open_search(named, plan.specs, plan.trials_id, settings.max_epochs, seed, writer)
            found[named.key] = run_scheduler(named, recorder, target, settings, resources, state, on_progress)
    return plan.record(found, writer)


class UsedPredictor(NamedTuple):
    """A predictor of schedulers that hold a prediction: of which version, and of which alias if by one."""

    predictor: CurvePredictor
    version: ModelVersion
    alias: str | None


@dataclass(frozen=True)
class SearchPlan:
    """A search that nothing speaks against: its trials, and its schedulers, none of which has begun.

    Attributes
    ----------
    trials_id : str
        Identity of the stream of trials, see `trials_identity`.
    """

    specs: Sequence[TrialSpec[Task]]
    trials_id: str
    schedulers: Sequence[NamedScheduler]
    target: TargetMetric
    settings: SearchParams
    used: UsedPredictor | None

    def record(self, found: Mapping[str, Any], writer: RunWriter) -> SearchRecord:
        """Return the record of what each scheduler found, by its key."""
        used, parents = self.used, [result["parent_run_id"] for result in found.values()]
        return SearchRecord(
            content={
                "task": self.specs[0].task.name,
                "experiment_id": writer.experiment_id("search"),
                "configurations": len(self.specs),
                "max_epochs": self.settings.max_epochs,
                "target": self.target.to_dict(),
                "champion": used
                and {"name": used.version.name, "version": str(used.version.version), "alias": used.alias},
                "schedulers": dict(found),
            },
            links=ui_links.format_links(ui_links.update_links(writer.client, "search", first=parents)),
        )


def plan_search(
    task: Task,
    space: SearchSpace,
    target: TargetMetric,
    settings: SearchParams,
    seed: int,
    used: UsedPredictor | None = None,
    campaign_curves: Path = CURVES,
) -> SearchPlan:
    """Return what a search will do; arguments are those of `run_search`.

    Raises
    ------
    ConfigurationError, DataError, MissingInputError
        As `run_search`: for everything that can be known before anything starts.
    """
    check_target(task, target)
    if used is not None:
        _check_epochs(used, settings)
    predictor, version, _ = used or (None, None, None)
    specs = plan_trials(task, space, seed, settings.configurations, purpose="search")
    schedulers = []
    for i, params in enumerate(settings.schedulers):
        prior = read_prior(params, i, target, campaign_curves)
        plain = partial(name_scheduler, params, i, settings, target, predictor, version, prior)
        make = partial(add_searcher, plain, params, space, settings.max_epochs, target.mode, seed)
        check_prior(make(), specs)
        schedulers.append(make())
    return SearchPlan(specs, trials_identity(task, space, seed), schedulers, target, settings, used)


def _check_epochs(used: UsedPredictor, settings: SearchParams) -> None:
    if used.predictor.n_epochs != settings.max_epochs:
        raise ConfigurationError(
            f"search.max_epochs: the champion (version {used.version.version}) predicts the loss after "
            f"{used.predictor.n_epochs} epochs, the search trains to {settings.max_epochs}; make them equal, "
            "or fit a predictor on curves of that length (campaign.epochs)"
        )


def search_id(named: NamedScheduler, trials_id: str, n: int) -> str:
    """Return the identity of the search of one scheduler over `n` trials."""
    content = {"trials": trials_id, "n": n, "policy": named.key, **named.identity}
    return stable_hash(content, length=8)


def open_search(
    named: NamedScheduler,
    specs: Sequence[TrialSpec[Task]],
    trials_id: str,
    max_epochs: int,
    seed: int,
    writer: RunWriter,
) -> Recorder:
    """Open the parent run of one scheduler's search, and return the recorder of its trials."""
    campaign_id = search_id(named, trials_id, len(specs))
    writer.close_orphans(campaign_id)
    host, task = describe_host(), specs[0].task
    identity = {"scheduler": named.key, **named.identity}
    parent_run_id = writer.open_parent(
        "search",
        campaign_id,
        name=f"search-{named.key}-{host.hardware_label}-{campaign_id}",
        tags={**host.tags(), **task_tags(task), **{name: str(value) for name, value in identity.items()}},
        params={"configurations": len(specs), "seed": seed, **identity},
        note=f"{named.label}: {len(specs)} configurations, at most {max_epochs} epochs each.",
        digest=task.data_digest,
        dataset_path=task.dataset_path,
        host=host.record(),
    )
    return Recorder(writer, "search", campaign_id, parent_run_id, specs, {"scheduler": named.key})


def has_ended(trial: TrialSummary) -> bool:
    """Tell whether a trial on record needs no more training under the scheduler that it ran under."""
    return trial.status in ("finished", "stopped", "diverged")


def run_scheduler(
    named: NamedScheduler,
    recorder: Recorder,
    target: TargetMetric,
    settings: SearchParams,
    resources: ResourceParams,
    state: Path,
    on_progress: Progress | None = None,
    is_done: Callable[[TrialSummary], bool] = has_ended,
) -> dict[str, Any]:
    """Run the recorder's trials under one scheduler, and return what it found, for search.json.

    `is_done` tells whether a trial on record needs no more training.
    """
    writer, parent_run_id = recorder.writer, recorder.parent_run_id
    started = time.monotonic()
    with closed_truthfully(writer, parent_run_id):
        outcomes = run_trials(
            recorder,
            named.scheduler,
            settings.max_epochs,
            target,
            resources,
            state,
            is_done=is_done,
            on_progress=on_progress,
        )
        check_failures(outcomes, settings.failures_allowed, "search")
        spent = writer.add_to_summary(parent_run_id, "wall_seconds", time.monotonic() - started)
        trials = recorder.trials(
            [target.metric, target.of_training], run_ids=[outcome.run_id for outcome in outcomes]
        )
        found = {
            "label": named.label,
            "campaign_id": recorder.campaign_id,
            "parent_run_id": parent_run_id,
            "prior": named.described_prior,
            "posterior": _posterior(named.scheduler),
            "wall_seconds": spent,
            **search_result(
                outcomes, {trial.run_id: trial for trial in trials}, target, f"search under {named.label}"
            ),
            "reused": sum(outcome.on_record for outcome in outcomes),
        }
        _keep_network(found, recorder, target, resources, state)
    writer.summary(parent_run_id, {"epochs": found["epochs"], "best_loss": found["best_loss"]})
    writer.close(parent_run_id, "finished")
    return found


def _posterior(scheduler: Scheduler) -> dict[str, list[float]] | None:
    """Return what a scheduler expects of every trial at its end, if it expects anything."""
    expected = stating(scheduler, "posterior")
    return None if expected is None else {trial: list(values) for trial, values in expected().items()}


def _keep_network(
    found: Mapping[str, Any], recorder: Recorder, target: TargetMetric, resources: ResourceParams, state: Path
) -> None:
    """Keep the best trial's network with its run, if the task leaves any."""
    if not recorder.specs[0].task.keeps_checkpoints:
        return
    from mlpf_hpo.tuning.trial_network import ensure_network  # PyTorch with it, for seconds

    best = next(row for row in found["trials"] if row["run_id"] == found["best_run_id"])
    spec = next(spec for spec in recorder.specs if spec.key == best["trial_key"])
    ensure_network(recorder.writer.client, spec, best, recorder.campaign_id, target, resources, state)
