"""The campaign: random configurations trained in full, and their curves read back out of MLflow."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, TrackingError, did_you_mean
from mlpf_hpo.files import read_record, write_record
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.project import state_folder
from mlpf_hpo.remedies import make_again
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.search_result import TrialOutcome
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import SearchSpace
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import reader, ui_links
from mlpf_hpo.tracking.client import connect, tracking_uri
from mlpf_hpo.tracking.host_records import read_hosts
from mlpf_hpo.tracking.learning_curves import curves_from_trials
from mlpf_hpo.tracking.records import curves_digest, digested
from mlpf_hpo.tracking.trial_archive import TrialArchive
from mlpf_hpo.tuning.archived_trials import take_over_trials, warn_of_missing_files
from mlpf_hpo.tuning.driver import Recorder, closed_truthfully, sole_driver
from mlpf_hpo.tuning.progress import Progress
from mlpf_hpo.tuning.run import check_failures, run_trials
from mlpf_hpo.tuning.settings import CampaignParams, ResourceParams
from mlpf_hpo.tuning.shared_session import shared_session
from mlpf_hpo.tuning.task import (
    Task,
    TrialSpec,
    check_target,
    plan_repeats,
    plan_trials,
    task_tags,
    trials_identity,
)


@dataclass(frozen=True)
class CampaignRecord:
    """What a campaign trained, and where MLflow holds it.

    Attributes
    ----------
    planned : mapping
        Content of campaign.json: what was trained. The same for every machine that trains the same.
    runs : mapping
        Content of campaign_runs.json: ids in this tracking server, machine, time.
    """

    planned: dict[str, Any]
    runs: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write both files into `folder`."""
        write_record(folder / "campaign_runs.json", self.runs)
        write_record(folder / "campaign.json", self.planned)

    @staticmethod
    def read(folder: Path) -> CampaignRecord:
        """Read both files from `folder`."""
        return CampaignRecord(
            planned=read_record(folder / "campaign.json", "campaign"),
            runs=read_record(folder / "campaign_runs.json", "campaign"),
        )

    def summary(self) -> str:
        """Return counts of trials and links, for people."""
        counts = Counter(trial["status"] for trial in self.planned["trials"])
        statuses = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        reused = self.runs["reused"]
        already = f" ({reused} were on record already)" if reused else ""
        return (
            f"campaign {self.planned['campaign_id']}: {len(self.planned['trials'])} trials of "
            f"{self.planned['epochs']} epochs: {statuses}{already}; {self.runs['wall_seconds']:.0f} s\n"
            f"{self.runs['links']}"
        )


def run_campaign(
    task: Task,
    space: SearchSpace,
    target: TargetMetric,
    settings: CampaignParams,
    *,
    seed: int,
    resources: ResourceParams,
    patience_seconds: float = 120.0,
    state: Path | None = None,
    on_progress: Progress | None = None,
) -> CampaignRecord:
    """Train `settings.trials` random configurations of a space for `settings.epochs` epochs each.

    Trials that MLflow holds already are not trained again; interrupted ones go on from their checkpoints in
    `state`, by default the project's.

    Parameters
    ----------
    task : Task
        What a trial trains.
    space : SearchSpace
        What is drawn from.
    target : TargetMetric
        What trials are compared by.
    settings : CampaignParams
        Number of trials, of epochs, and of failures that are allowed; which trials are repeated with other
        seeds or go on longer, and the folder of files of finished trials.
    seed : int
        Every random choice derives from it.
    resources : ResourceParams
        What a trial gets, and how many run at once.
    patience_seconds : float
        How long the end waits for an MLflow that is out of reach.
    state : path, optional
        Folder of checkpoints and journals.
    on_progress : callable, optional
        Called with (done, total, note) after every change.

    Raises
    ------
    InterruptedStageError
        If the campaign was interrupted; the next call goes on.
    BusyError
        If another process trains in `state`, or trains the same, on whatever machine.
    ConfigurationError
        If the task cannot be trained in this space, or has another direction of the target.
    DataError
        If no trial finished, or more failed than `settings.failures_allowed`; or if files of finished trials
        are damaged, or of another campaign.
    TrackingError
        If MLflow cannot be reached at the start, or went away and has not come back at the end.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from mlpf_hpo import CampaignParams, LogUniform, ResourceParams, SearchSpace
    >>> from mlpf_hpo import TargetMetric, run_campaign
    >>> toy = SimpleNamespace(direction=lambda metric: "max")  # of a task; `Task` has a whole one
    >>> space = SearchSpace({"lr": LogUniform(0.001, 0.1)})
    >>> target = TargetMetric("accuracy", "min")  # a slip, which the task refuses before anything is trained
    >>> run_campaign(toy, space, target, CampaignParams(trials=4), seed=0, resources=ResourceParams())
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: ...
    """
    check_target(task, target)
    specs = _planned_trials(task, space, settings, seed)
    campaign_id, state = trials_identity(task, space, seed), state or state_folder()
    archive = TrialArchive(Path(settings.archive)) if settings.archive else None
    archived = archive.of_campaign(campaign_id) if archive else []
    host = describe_host()
    with sole_driver(state, patience_seconds) as writer:
        writer.close_orphans(campaign_id)
        parent_run_id = writer.open_parent(
            "campaign",
            campaign_id,
            name=f"campaign-{host.hardware_label}-{campaign_id}",
            tags={**host.tags(), **task_tags(task), **target.tags()},
            params={"trials": settings.trials, "epochs": settings.epochs, "seed": seed},
            note=f"{settings.trials} random configurations of {task.name}, {settings.epochs} epochs each.",
            digest=task.data_digest,
            dataset_path=task.dataset_path,
            host=host.record(),
        )
        ui_links.update_links(writer.client, "campaign")
        recorder = Recorder(writer, "campaign", campaign_id, parent_run_id, specs, archive=archive)
        started = time.monotonic()
        with closed_truthfully(writer, parent_run_id), shared_session():
            take_over_trials(recorder, archived)
            for trial_specs, epochs in _in_turn(specs, settings):
                outcomes = run_trials(
                    recorder.of(trial_specs),
                    FullTraining(),
                    epochs,
                    target,
                    resources,
                    state,
                    is_done=partial(is_done, epochs=epochs),
                    on_progress=on_progress,
                )
            wall_seconds = time.monotonic() - started
            check_failures(outcomes, settings.failures_allowed, "campaign")
            if archive:
                warn_of_missing_files(archive, outcomes)
        writer.summary(parent_run_id, {"wall_seconds": wall_seconds, "trials": len(outcomes)})
        writer.close(parent_run_id, "finished")
        return CampaignRecord(
            planned=_planned(recorder, outcomes, target, settings.epochs),
            runs=_runs(recorder, outcomes, wall_seconds),
        )


def _planned_trials(
    task: Task, space: SearchSpace, settings: CampaignParams, seed: int
) -> list[TrialSpec[Task]]:
    """Return all trials: the stream's, then those of the first ones again with other seeds."""
    specs = plan_trials(task, space, seed, settings.trials, purpose="campaign")
    if settings.repeats is not None:
        first = specs[: settings.repeats.configurations]
        specs = [*specs, *plan_repeats(first, seed, settings.repeats.seeds, purpose="campaign")]
    if settings.longer is not None:
        known = [spec.trial_id for spec in specs]
        for trial_id in settings.longer.trials:
            if trial_id not in known:
                hint = did_you_mean(trial_id, known)
                raise ConfigurationError(
                    f"campaign.longer.trials: {trial_id} is none of the {len(known)} trials{hint}"
                )
    return specs


def _in_turn(
    specs: Sequence[TrialSpec[Task]], settings: CampaignParams
) -> Iterator[tuple[Sequence[TrialSpec[Task]], int]]:
    """Yield which trials are trained for how many epochs: first those that go on longer, then all."""
    if settings.longer is not None:
        longer = [spec for spec in specs if spec.trial_id in settings.longer.trials]
        yield longer, settings.longer.epochs
    yield specs, settings.epochs


def _planned(
    recorder: Recorder, outcomes: Sequence[TrialOutcome], target: TargetMetric, epochs: int
) -> dict[str, Any]:
    """Return the content of campaign.json."""
    trials = recorder.trials(digested(target.metric), run_ids=[outcome.run_id for outcome in outcomes])
    return {
        "campaign_id": recorder.campaign_id,
        "events_digest": recorder.specs[0].task.data_digest,
        "epochs": epochs,
        "trials": [
            {"trial_id": outcome.trial_id, "trial_key": outcome.key, "status": outcome.status}
            for outcome in outcomes
        ],
        "target": target.to_dict(),
        "curves_digest": curves_digest(trials, target.metric),
    }


def _runs(recorder: Recorder, outcomes: Sequence[TrialOutcome], wall_seconds: float) -> dict[str, Any]:
    """Return the content of campaign_runs.json."""
    writer, parent_run_id = recorder.writer, recorder.parent_run_id
    links = ui_links.update_links(writer.client, "campaign", first=[parent_run_id])
    return {
        "tracking_uri": tracking_uri(),
        "experiment_id": writer.experiment_id("campaign"),
        "parent_run_id": parent_run_id,
        "run_ids": [outcome.run_id for outcome in outcomes],
        "hardware_label": describe_host().hardware_label,
        "wall_seconds": wall_seconds,
        "reused": sum(outcome.on_record for outcome in outcomes),
        "hosts": read_hosts(writer.client, parent_run_id),
        "links": ui_links.format_links(links),
    }


def collect_curves(folder: Path) -> LearningCurves:
    """Read the runs that a campaign's record names back out of MLflow.

    Raises
    ------
    TrackingError
        If runs are gone, or hold something else than the campaign left.
    """
    record = CampaignRecord.read(folder)
    client = connect()
    campaign, where = record.planned["campaign_id"], tracking_uri()
    keys = [trial["trial_key"] for trial in record.planned["trials"]]
    trials = reader.trials(client, "campaign", run_ids=record.runs["run_ids"])
    if len(trials) < len(keys):  # runs that were made again from the journal have other ids
        found = reader.trials(client, "campaign", campaign)
        trials = [trial for trial in found if trial.trial_key in keys]
    missing = set(keys) - {trial.trial_key for trial in trials}
    if missing:
        raise TrackingError(
            f"{len(missing)} of {len(keys)} runs of campaign {campaign} are not in {where} (the first: trial "
            f"{min(missing)}); restore that database, make them again from the journal with: mlpf-hpo "
            f"tracking rebuild, or train again with: {make_again('campaign')}"
        )
    target = TargetMetric.of_dict(record.planned.get("target"))
    if curves_digest(trials, target.metric) != record.planned["curves_digest"]:
        raise TrackingError(
            f"the runs of campaign {campaign} in {where} hold other curves than the campaign logged; take "
            f"them from the campaign again with: {make_again('campaign')}"
        )
    trials.sort(key=lambda trial: keys.index(trial.trial_key))
    curves = curves_from_trials(
        trials,
        target=target,
        n_epochs=record.planned["epochs"],
        source=f"campaign {record.planned['campaign_id']}",
    )
    return replace(curves, data_digest=record.planned.get("events_digest", ""))


def campaign_links(folder: Path) -> str:
    """Return the links to what there is to see of the campaign that left its record in `folder`."""
    return str(CampaignRecord.read(folder).runs["links"])


def is_done(trial: TrialSummary, epochs: int) -> bool:
    """Tell whether a trial on record needs no more training to stand at `epochs`."""
    return trial.status == "diverged" or (trial.status == "finished" and trial.epochs >= epochs)
