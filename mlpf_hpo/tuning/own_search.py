"""One's own search, outside of the pipeline: one scheduler, begun or gone on with, as was asked."""

from __future__ import annotations

from pathlib import Path

from mlpf_hpo.errors import ConfigurationError, MissingInputError
from mlpf_hpo.hardware.host import usable_cpus
from mlpf_hpo.project import state_folder
from mlpf_hpo.search.search_result import SearchRecord
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.tracking.duplicate_runs import ENDED
from mlpf_hpo.tracking.overview import Work, work_on_record
from mlpf_hpo.tuning.driver import sole_driver
from mlpf_hpo.tuning.progress import Progress
from mlpf_hpo.tuning.ray_cluster import cluster_address
from mlpf_hpo.tuning.ray_session import n_gpus
from mlpf_hpo.tuning.search import SearchPlan, has_ended, open_search, run_scheduler, search_id
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.shares import share
from mlpf_hpo.tuning.task import TaskResources


def run_own_search(
    plan: SearchPlan,
    *,
    seed: int,
    resume: bool,
    resources: ResourceParams,
    patience_seconds: float = 120.0,
    state: Path | None = None,
    on_progress: Progress | None = None,
) -> SearchRecord:
    """Run the search of a plan with one scheduler, or return what it found if it is finished on record.

    A search on record is the same if its task, space, seed, scheduler with all settings, prior and sizes are.

    Parameters
    ----------
    plan : SearchPlan
        From `plan_search`.
    resume : bool
        Whether to go on with a search that is on record; its trials that failed are tried again.
    seed, resources, patience_seconds, state, on_progress
        As for `run_search`.

    Raises
    ------
    ConfigurationError
        If it is on record unfinished, and `resume` is False.
    MissingInputError
        If none is on record, and `resume` is True.
    BusyError, DataError, InterruptedStageError, TrackingError
        As `run_search`.
    """
    (named,), state = plan.schedulers, state or state_folder()
    identity = search_id(named, plan.trials_id, len(plan.specs))
    with sole_driver(state, patience_seconds) as writer:
        writer.close_orphans(identity)
        found = work_on_record(writer.client, "search", identity)
        finished = _check_asked(identity, found[0] if found else None, resume, len(plan.specs))
        epochs = plan.settings.max_epochs
        recorder = open_search(named, plan.specs, plan.trials_id, epochs, seed, writer)
        result = run_scheduler(
            named,
            recorder,
            plan.target,
            plan.settings,
            resources,
            state,
            on_progress,
            is_done=_stays if finished and not resume else has_ended,
        )
    return plan.record({named.key: result}, writer)


def _stays(trial: TrialSummary) -> bool:
    """Leave a trial as it is on record, also one that failed."""
    del trial
    return True


def _check_asked(identity: str, work: Work | None, resume: bool, planned: int) -> bool:
    """Refuse what was not asked for; return whether the search is finished on record."""
    if work is None and resume:
        raise MissingInputError(
            f"--resume: no search {identity} is on record: none of this task, space, seed, scheduler with "
            "its settings, prior, predictor, numbers of configurations and epochs; begin it without --resume"
        )
    if work is not None and not work.finished and not resume:
        ended = sum(n for status, n in work.trials.items() if status in ENDED)
        raise ConfigurationError(
            f"search {identity} is on record, unfinished: {ended} of {planned} trials have ended; go on with "
            "it by the same command and --resume, or begin another one with another --seed"
        )
    return work is not None and work.finished


def check_room(resources: ResourceParams, task_resources: TaskResources) -> None:
    """Refuse more trials at once than this machine has cores and GPUs for; in a cluster they wait for room.

    Raises
    ------
    ConfigurationError
        If they are too many.
    """
    if resources.concurrency == "auto" or cluster_address() is not None:
        return
    cpus, gpus = usable_cpus(), n_gpus()
    room = share(resources.model_copy(update={"concurrency": "auto"}), task_resources, cpus, gpus)
    if resources.concurrency > room.concurrency:
        raise ConfigurationError(
            f"resources.concurrency: {resources.concurrency} trials at once, but there is room for "
            f"{room.concurrency} on {cpus} cores and {gpus} GPUs, of which each takes {room.cpus_per_trial} "
            f"and {room.gpus_per_trial:g}"
        )
