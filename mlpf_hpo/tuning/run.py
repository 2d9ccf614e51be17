"""Run many trials under a scheduler: in parallel, tracked, resumable; refuse a result with failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from mlpf_hpo.errors import DataError
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers.proposing import ProposingScheduler
from mlpf_hpo.search.search_result import TrialOutcome
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tuning.driver import Recorder
from mlpf_hpo.tuning.progress import Progress
from mlpf_hpo.tuning.proposals import follow_proposals, take_up_proposals
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.time_limit import EPOCH_SECONDS, check_time_limit, job_end

TRAINED = ("finished", "stopped")
"""Statuses of trials that were trained as far as their scheduler wanted them to be."""


def run_trials(
    recorder: Recorder,
    scheduler: Scheduler,
    max_epochs: int,
    target: TargetMetric,
    resources: ResourceParams,
    state: Path,
    is_done: Callable[[TrialSummary], bool],
    on_progress: Progress | None = None,
) -> list[TrialOutcome]:
    """Train the recorder's trials in parallel under Ray Tune, each epoch in MLflow.

    A call that was interrupted is taken up by the next: trials that are done are not trained again, partial
    ones go on from their checkpoints in their own MLflow runs, and the scheduler is rebuilt from the journal.
    A trial that fails is recorded as such and does not end the others; the next call tries it again. After
    its worker died, a trial goes on from its checkpoint, `resources.worker_restarts` times.

    Parameters
    ----------
    recorder : Recorder
        The trials, all of one task, and where their runs lie.
    scheduler : Scheduler
        A fresh one.
    max_epochs : int
        Number of epochs of a full training.
    target : TargetMetric
        The metric that the scheduler sees, and whether small or large values are good.
    resources : ResourceParams
        What a trial gets, and how many run at once.
    state : path
        Checkpoints (`checkpoints/<campaign_id>/<trial_key>`); on a file system that all workers see.
    is_done : callable
        Tells whether a trial on record needs no more training.
    on_progress : callable, optional
        Called with (done, total, note) after every change.

    Returns
    -------
    list of TrialOutcome
        In the order of the trials.

    Raises
    ------
    InterruptedStageError
        On SIGINT or SIGTERM, once all runs are closed and Ray is down; on SIGUSR1 likewise, after the epochs
        in progress as far as the job's time allows.
    ConfigurationError
        If the time limit of the job that this runs in is shorter than an epoch.
    StorageError
        If the file system refuses, to a trial, the journal or Ray; the next call goes on.
    TrackingError
        If MLflow was out of reach and has not come back; what it lacks is in the writer's journal.
    """
    state = state.resolve()
    specs, campaign_id = recorder.specs, recorder.campaign_id
    limited = job_end() is not None
    on_record = recorder.trials([target.metric, EPOCH_SECONDS] if limited else [target.metric])
    if isinstance(scheduler, ProposingScheduler):
        take_up_proposals(recorder, on_record)
    recorded = {trial.trial_key: trial for trial in on_record if is_done(trial)}
    finished = {spec.trial_id: recorded[spec.key] for spec in specs if spec.key in recorded}
    trials = [Trial(spec.trial_id, spec.key, spec.configuration) for spec in specs]
    ledger = Ledger(trials, scheduler, max_epochs, target, resources.worker_restarts)
    if isinstance(scheduler, ProposingScheduler):
        follow_proposals(scheduler, ledger, recorder, on_record)
    ledger.restore(finished, recorder.writer.results(campaign_id))
    if not ledger.all_ended:
        check_time_limit(_shortest_epoch(on_record))
        from mlpf_hpo.tuning.ray_session import train_left  # Ray, which takes a second to import

        checkpoints = state / "checkpoints" / campaign_id
        train_left(specs, ledger, recorder, resources, state, checkpoints, on_progress)
        recorder.writer.settle()
    return [_outcome(trial, ledger, recorder, finished.get(trial.trial_id)) for trial in trials]


def _shortest_epoch(trials: Sequence[TrialSummary]) -> float:
    """Return the seconds of the shortest epoch on record, 0 if there is none."""
    return min((seconds for trial in trials for seconds in trial.metrics.get(EPOCH_SECONDS, ())), default=0.0)


def _outcome(trial: Trial, ledger: Ledger, recorder: Recorder, recorded: TrialSummary | None) -> TrialOutcome:
    run_id = recorded.run_id if recorded is not None else recorder.run_id(trial.trial_id)
    return TrialOutcome(
        trial_id=trial.trial_id,
        key=trial.key,
        run_id=run_id,
        status=trial.status,
        epochs=trial.epochs,
        best=ledger.best(trial.trial_id),
        reason=trial.reason,
        stop=trial.stop,
        on_record=recorded is not None,
    )


def check_failures(outcomes: Sequence[TrialOutcome], failures_allowed: int, stage: str) -> None:
    """Refuse a result that failed trials have made short; a trial that diverged has not failed.

    `stage` is the section of params.yaml with `failures_allowed`: "campaign" or "search".

    Raises
    ------
    DataError
        If no trial was trained, or more failed than may; the message has the commonest reason.
    """
    if not any(outcome.status in TRAINED for outcome in outcomes):
        raise DataError(f"no trial of {len(outcomes)} finished; {_commonest_reason(outcomes)}")
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if len(failed) > failures_allowed:
        raise DataError(
            f"{len(failed)} of {len(outcomes)} trials failed, {failures_allowed} may "
            f"({stage}.failures_allowed); {_commonest_reason(failed)}. The others are on record; run it "
            "again to try the failed ones again"
        )


def _commonest_reason(outcomes: Sequence[TrialOutcome]) -> str:
    reasons = Counter(outcome.reason or outcome.status for outcome in outcomes)
    (reason, n), *_ = reasons.most_common(1)
    return f"{n} of them: {reason}"
