"""The campaign: random configurations trained in full, and their curves read back out of MLflow."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.config import Params
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import TrackingError
from mlpf_hpo.files import read_record, write_record
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.project import state_folder
from mlpf_hpo.remedies import make_again
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import stable_hash
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import reader, ui_links
from mlpf_hpo.tracking.client import connect, tracking_uri
from mlpf_hpo.tracking.hosts import read_hosts
from mlpf_hpo.tracking.learning_curves import curves_from_trials
from mlpf_hpo.tracking.records import TRIAL_SCHEMA, curves_digest, digested
from mlpf_hpo.tracking.spool import SPOOL
from mlpf_hpo.tracking.writer import RunWriter, durable_writer
from mlpf_hpo.tuning.driver_lock import sole_driver
from mlpf_hpo.tuning.failures import check_failures
from mlpf_hpo.tuning.messages import TrialSpec
from mlpf_hpo.tuning.ray_trial import TrainTrial
from mlpf_hpo.tuning.recorder import closed_truthfully
from mlpf_hpo.tuning.run import TrialOutcome, run_trials
from mlpf_hpo.tuning.specs import plan_trials


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
        """Return what happened and where to look, for people."""
        counts = Counter(trial["status"] for trial in self.planned["trials"])
        told = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        reused = self.runs["reused"]
        already = f" ({reused} were on record already)" if reused else ""
        return (
            f"campaign {self.planned['campaign_id']}: {len(self.planned['trials'])} trials of "
            f"{self.planned['epochs']} epochs: {told}{already}; {self.runs['wall_seconds']:.0f} s\n"
            f"{self.runs['links']}"
        )


def campaign_id(params: Params, events_digest: str) -> str:
    """Return the identity of a campaign: everything that its trials share.

    The number of trials and of epochs stand outside: more of either extends the campaign.
    """
    shared = {
        "schema": TRIAL_SCHEMA,
        "seed": params.seed,
        "space": params.space.model_dump(mode="json"),
        "network": params.network.model_dump(mode="json"),
        "training": params.training.model_dump(mode="json"),
        "events": events_digest,
    }
    return stable_hash(shared, length=8)


def run_campaign(
    params: Params,
    events: Path,
    state: Path | None = None,
    on_progress: Callable[[float, float, str], None] | None = None,
    train: TrainTrial | None = None,
) -> CampaignRecord:
    """Train `params.campaign.trials` configurations for `params.campaign.epochs` epochs each.

    Trials that MLflow holds already are not trained again; interrupted ones go on from their checkpoints in
    `state`, by default the project's. `train` trains a trial of something else, see `run_trials`.

    Raises
    ------
    InterruptedStageError
        If the campaign was interrupted; the next call goes on.
    BusyError
        If another process trains in `state`, or trains the same, on whatever machine.
    DataError
        If no trial finished, or more failed than `params.campaign.failures_allowed`.
    TrackingError
        If MLflow cannot be reached at the start, or went away and has not come back at the end.
    """
    specs = plan_trials(params, events, params.campaign.trials, purpose="campaign")
    patience, state = params.tracking.patience_seconds, state or state_folder()
    with sole_driver(state), durable_writer(state / SPOOL, patience) as writer:
        return _run(params, specs, events, writer, state, on_progress, train)


def _run(
    params: Params,
    specs: Sequence[TrialSpec],
    events: Path,
    writer: RunWriter,
    state: Path,
    on_progress: Callable[[float, float, str], None] | None,
    train: TrainTrial | None,
) -> CampaignRecord:
    epochs, target = params.campaign.epochs, params.target.with_mode()
    identity = campaign_id(params, specs[0].events_digest)
    writer.close_orphans(identity)
    parent = _open_parent(writer, params, identity, events, specs[0].events_digest)
    ui_links.update_links(writer.client, "campaign")
    with closed_truthfully(writer, parent):
        trials = reader.trials(writer.client, "campaign", identity, metrics=[target.metric])
        done = {trial.trial_key: trial for trial in trials if is_done(trial, epochs)}
        finished = {spec.trial_id: done[spec.key] for spec in specs if spec.key in done}
        started = time.monotonic()
        outcomes = run_trials(
            kind="campaign",
            campaign_id=identity,
            parent_run_id=parent,
            specs=specs,
            scheduler=FullTraining(),
            max_epochs=epochs,
            resources=params.resources,
            writer=writer,
            state_dir=state,
            finished=finished,
            on_progress=on_progress,
            target=target,
            train=train,
        )
        wall_seconds = time.monotonic() - started
        check_failures(outcomes, params.campaign.failures_allowed, "campaign")
    run_ids = [outcome.run_id for outcome in outcomes]
    trials = reader.trials(writer.client, "campaign", run_ids=run_ids, metrics=digested(target.metric))
    writer.summary(parent, {"wall_seconds": wall_seconds, "trials": len(outcomes)})
    writer.close(parent, "finished")
    seen = ui_links.update_links(writer.client, "campaign", first=[parent])
    experiment = writer.experiment_id("campaign")
    return CampaignRecord(
        planned={
            "campaign_id": identity,
            "events_digest": specs[0].events_digest,
            "epochs": epochs,
            "trials": [_planned(spec, outcome) for spec, outcome in zip(specs, outcomes, strict=True)],
            "target": target.to_dict(),
            "curves_digest": curves_digest(trials, target.metric),
        },
        runs={
            "tracking_uri": tracking_uri(),
            "experiment_id": experiment,
            "parent_run_id": parent,
            "run_ids": run_ids,
            "hardware_label": describe_host().hardware_label,
            "wall_seconds": wall_seconds,
            "reused": len(finished),
            "hosts": read_hosts(writer.client, parent),
            "links": ui_links.listed(seen),
        },
    )


def _open_parent(writer: RunWriter, params: Params, identity: str, events: Path, digest: str) -> str:
    host, settings = describe_host(), params.campaign
    return writer.open_parent(
        "campaign",
        identity,
        name=f"campaign-{host.hardware_label}-{identity}",
        tags={**host.tags(), **params.target.with_mode().tags()},
        params={"trials": settings.trials, "epochs": settings.epochs, "seed": params.seed},
        note=f"{settings.trials} random configurations of table 1, {settings.epochs} epochs each.",
        digest=digest,
        dataset_path=events,
        host=host.record(),
    )


def collect_curves(folder: Path) -> LearningCurves:
    """Read the runs that a campaign's record names back out of MLflow.

    Raises
    ------
    TrackingError
        If runs are gone, or hold something else than the campaign left.
    """
    record = CampaignRecord.read(folder)
    client = connect()
    run_ids = record.runs["run_ids"]
    trials = reader.trials(client, "campaign", run_ids=run_ids)
    missing = set(run_ids) - {trial.run_id for trial in trials}
    campaign, where = record.planned["campaign_id"], tracking_uri()
    if missing:
        raise TrackingError(
            f"{len(missing)} of {len(run_ids)} runs of campaign {campaign} are not in {where} (the first: "
            f"{min(missing)}); restore that database, or train again with: {make_again('campaign')}"
        )
    target = TargetMetric.of_dict(record.planned.get("target"))
    if curves_digest(trials, target.metric) != record.planned["curves_digest"]:
        raise TrackingError(
            f"the runs of campaign {campaign} in {where} hold other curves than the campaign logged; take "
            f"them from the campaign again with: {make_again('campaign')}"
        )
    order = {run_id: position for position, run_id in enumerate(run_ids)}
    trials.sort(key=lambda trial: order[trial.run_id])
    return curves_from_trials(
        trials,
        target=target,
        n_epochs=record.planned["epochs"],
        source=f"campaign {record.planned['campaign_id']}",
    )


def campaign_links(folder: Path) -> str:
    """Return the links to what there is to see of the campaign that left its record in `folder`."""
    return str(CampaignRecord.read(folder).runs["links"])


def is_done(trial: TrialSummary, epochs: int) -> bool:
    """Tell whether a trial on record needs no more training to stand at `epochs`."""
    return trial.status == "diverged" or (trial.status == "finished" and trial.epochs >= epochs)


def _planned(spec: TrialSpec, outcome: TrialOutcome) -> dict[str, Any]:
    return {"trial_id": spec.trial_id, "trial_key": spec.key, "status": outcome.status}
