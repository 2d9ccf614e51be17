"""The search: one stream of configurations under ASHA, and under ASHA with the champion's prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.config import Params
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.files import write_record
from mlpf_hpo.hardware.host import HostInfo, describe_host
from mlpf_hpo.project import state_folder
from mlpf_hpo.registry.champion import RECORD
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.registry.load import load_champion
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.space import stable_hash
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import reader, ui_links
from mlpf_hpo.tracking.spool import SPOOL
from mlpf_hpo.tracking.versions import CHECKSUM
from mlpf_hpo.tracking.writer import RunWriter, durable_writer
from mlpf_hpo.tuning.campaign import campaign_id
from mlpf_hpo.tuning.driver_lock import sole_driver
from mlpf_hpo.tuning.failures import check_failures
from mlpf_hpo.tuning.messages import TrialSpec
from mlpf_hpo.tuning.ray_trial import TrainTrial
from mlpf_hpo.tuning.recorder import closed_truthfully
from mlpf_hpo.tuning.retraining import ensure_network
from mlpf_hpo.tuning.run import run_trials
from mlpf_hpo.tuning.search_result import search_result
from mlpf_hpo.tuning.settings import SearchParams
from mlpf_hpo.tuning.specs import plan_trials


@dataclass(frozen=True)
class Policy:
    """One way to decide what to stop.

    Attributes
    ----------
    name, label : str
        Key in the results, and how it is called in captions.
    make : callable
        Makes a scheduler for a run.
    identity : mapping
        What tells this policy's runs from those of another; part of the search's identity.
    """

    name: str
    label: str
    make: Callable[[], Scheduler]
    identity: dict[str, Any]


@dataclass(frozen=True)
class SearchRecord:
    """What the policies found, for search.json and for people."""

    content: dict[str, Any]
    links: str

    def write(self, path: Path) -> None:
        """Write search.json."""
        write_record(path, self.content)

    def summary(self) -> str:
        """Return what happened and where to look."""
        metric = self.content["target"]["metric"]
        lines = [_told(policy, metric) for policy in self.content["policies"].values()]
        return "\n".join([*lines, self.links])


def run_search(
    params: Params,
    events: Path,
    state: Path | None = None,
    on_progress: Callable[[float, float, str], None] | None = None,
    train: TrainTrial | None = None,
    champion: Path = RECORD,
) -> SearchRecord:
    """Run every policy on the same configurations, seeds and epoch limit.

    Checkpoints and journals lie in `state`, by default the project's. `train` trains a trial of something
    else, see `run_trials`. The champion is exactly the version that the stage `champion` put on record.

    Raises
    ------
    MissingInputError, DataError
        If that record, or the events, are not there, or damaged.
    TrackingError
        If the registry does not hold the champion any more, or it cannot be used. If MLflow cannot be reached
        at the start, or went away and has not come back at the end.
    ConfigurationError
        If the champion is of another search space, or predicts another epoch than the search trains to.
    InterruptedStageError
        If interrupted; the next call goes on.
    BusyError
        If another process trains in `state`, or trains the same, on whatever machine.
    DataError
        If under a policy no trial was trained, or more failed than `params.search.failures_allowed`.
    """
    settings, state = params.search, state or state_folder()
    scope = ChampionScope.of_search(
        params.target.with_mode(), settings.max_epochs, params.space.search_space()
    )
    predictor, version = load_champion(scope, champion)
    if predictor.n_epochs != settings.max_epochs:
        raise ConfigurationError(
            f"search.max_epochs: the champion (version {version.version}) predicts the loss after "
            f"{predictor.n_epochs} epochs, the search trains to {settings.max_epochs}; make them equal, or "
            "fit a predictor on curves of that length (campaign.epochs)"
        )
    specs = plan_trials(params, events, settings.configurations, purpose="search")
    host = describe_host()
    policies = {}
    patience = params.tracking.patience_seconds
    with sole_driver(state), durable_writer(state / SPOOL, patience) as writer:
        for policy in _policies(settings, params.target.with_mode(), predictor, version):
            policies[policy.name] = _run_policy(
                policy, params, specs, host, writer, state, on_progress, train
            )
        experiment = writer.experiment_id("search")
    parents = [found["parent_run_id"] for found in policies.values()]
    used = {"name": version.name, "version": str(version.version), "alias": settings.champion}
    return SearchRecord(
        content={
            "experiment_id": experiment,
            "configurations": len(specs),
            "max_epochs": settings.max_epochs,
            "target": params.target.with_mode().to_dict(),
            "champion": used,
            "policies": policies,
        },
        links=ui_links.listed(ui_links.update_links(writer.client, "search", first=parents)),
    )


def _told(policy: dict[str, Any], metric: str) -> str:
    reused = policy["reused"]
    already = f" ({reused} trials were on record already)" if reused else ""
    return (
        f"search: {policy['label']}: {policy['epochs']} epochs, best {metric} "
        f"{policy['best_loss']:.4g} ({policy['best_trial']}); {policy['finished']} finished, "
        f"{policy['stopped_by_rank']} stopped by rank, {policy['stopped_by_prediction']} by prediction, "
        f"{policy['diverged']} diverged, {policy['failed']} failed; "
        f"{policy['wall_seconds']:.0f} s{already}"
    )


def _policies(settings: SearchParams, target: TargetMetric, predictor: Any, version: Any) -> list[Policy]:
    rungs: dict[str, Any] = {
        "max_epochs": settings.max_epochs,
        "grace_epochs": settings.grace_epochs,
        "reduction_factor": settings.reduction_factor,
    }
    questions: dict[str, Any] = {
        "predict_from_epoch": settings.predict_from_epoch,
        "predict_every": settings.predict_every,
        "coverage": settings.coverage,
    }
    shared = {**target.tags(), **rungs}
    return [
        Policy(
            "asha",
            "ASHA",
            lambda: make_scheduler("asha", **rungs, mode=target.mode),
            {"policy": "asha", **shared},
        ),
        Policy(
            "asha+prediction",
            f"ASHA + prediction (champion version {version.version})",
            lambda: make_scheduler("asha", predictor, **rungs, **questions, mode=target.mode),
            {"policy": "asha+prediction", "champion": version.tags[CHECKSUM][:16], **shared, **questions},
        ),
    ]


def _run_policy(
    policy: Policy,
    params: Params,
    specs: Sequence[TrialSpec],
    host: HostInfo,
    writer: RunWriter,
    state: Path,
    on_progress: Callable[[float, float, str], None] | None,
    train: TrainTrial | None,
) -> dict[str, Any]:
    target = params.target.with_mode()
    shared = campaign_id(params, specs[0].events_digest)
    identity = stable_hash({"trials": shared, "n": len(specs), **policy.identity}, length=8)
    writer.close_orphans(identity)
    parent = writer.open_parent(
        "search",
        identity,
        name=f"search-{policy.name}-{host.hardware_label}-{identity}",
        tags={**host.tags(), **{name: str(value) for name, value in policy.identity.items()}},
        params={"configurations": len(specs), "seed": params.seed, **policy.identity},
        note=f"{policy.label}: {len(specs)} configurations, at most {params.search.max_epochs} epochs each.",
        digest=specs[0].events_digest,
        dataset_path=specs[0].train.parent,
        host=host.record(),
    )
    ended = ("finished", "stopped", "diverged")
    recorded = reader.trials(writer.client, "search", identity, metrics=[target.metric])
    by_key = {trial.trial_key: trial for trial in recorded if trial.status in ended}
    finished = {spec.trial_id: by_key[spec.key] for spec in specs if spec.key in by_key}
    started = time.monotonic()
    with closed_truthfully(writer, parent):
        outcomes = run_trials(
            kind="search",
            campaign_id=identity,
            parent_run_id=parent,
            specs=specs,
            scheduler=policy.make(),
            max_epochs=params.search.max_epochs,
            resources=params.resources,
            writer=writer,
            state_dir=state,
            finished=finished,
            on_progress=on_progress,
            target=target,
            train=train,
            tags={"policy": policy.name},
        )
        check_failures(outcomes, params.search.failures_allowed, "search")
        spent = writer.add_to_summary(parent, "wall_seconds", time.monotonic() - started)
        run_ids = [outcome.run_id for outcome in outcomes]
        metrics, where = [target.metric, target.of_training], f"search under {policy.label}"
        trials = reader.trials(writer.client, "search", run_ids=run_ids, metrics=metrics)
        found = {
            "label": policy.label,
            "campaign_id": identity,
            "parent_run_id": parent,
            "wall_seconds": spent,
            **search_result(outcomes, {trial.run_id: trial for trial in trials}, target, where),
            "reused": len(finished),
        }
        if train is None:  # only trials of MLPF leave networks that are known how to be made again
            best = next(row for row in found["trials"] if row["run_id"] == found["best_run_id"])
            spec = next(spec for spec in specs if spec.key == best["trial_key"])
            ensure_network(writer.client, spec, best, identity, target, params.resources, state)
    writer.summary(parent, {"epochs": found["epochs"], "best_loss": found["best_loss"]})
    writer.close(parent, "finished")
    return found
