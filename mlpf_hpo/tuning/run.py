"""Run many trials under a scheduler: in parallel, tracked, resumable."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from mlpf_hpo.errors import InterruptedStageError, one_line
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler import Scheduler, Stop
from mlpf_hpo.search.trial_state import Trial, TrialState
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning.interruption import interruptible
from mlpf_hpo.tuning.ray_adapter import Bridge, BridgeCallback, BridgeScheduler, BridgeSearcher
from mlpf_hpo.tuning.ray_errors import memory_kills_as_deaths, refusal
from mlpf_hpo.tuning.ray_session import Share, ray_session
from mlpf_hpo.tuning.ray_trial import TRIAL, ray_trial
from mlpf_hpo.tuning.recorder import Recorder, TrialObserver, log_only
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.task import Task, TaskResources, TrialSpec

Progress = Callable[[float, float, str], None]
"""Called with trials done (a running one counts by its share of epochs), trials in all, and a note."""


@dataclass(frozen=True)
class TrialOutcome:
    """What became of a trial.

    Attributes
    ----------
    trial_id, key, run_id : str
        Position in the stream, identity, MLflow run.
    status : str
        "finished", "stopped", "diverged" or "failed".
    epochs : int
        Number of epochs that the scheduler saw.
    best : float
        Best finite value of the target metric; NaN where there is none.
    reason : str
        Which rule stopped it ("rank", "prediction", "not promoted"), or the error that it failed with.
    stop : Stop or None
        The particulars of a stop: limit, and prediction at that time.
    """

    trial_id: str
    key: str
    run_id: str
    status: str
    epochs: int
    best: float
    reason: str
    stop: Stop | None = None


def run_trials(
    kind: str,
    campaign_id: str,
    parent_run_id: str,
    specs: Sequence[TrialSpec[Task]],
    scheduler: Scheduler,
    max_epochs: int,
    resources: ResourceParams,
    writer: RunWriter,
    state_dir: Path,
    finished: Mapping[str, TrialSummary],
    on_progress: Progress | None = None,
    *,
    target: TargetMetric,
    tags: Mapping[str, str] | None = None,
) -> list[TrialOutcome]:
    """Train the trials in parallel under Ray Tune, each epoch in MLflow.

    A call that was interrupted is taken up by the next: `finished` trials are not trained again, partial ones
    go on from their checkpoints in their own MLflow runs, and the scheduler is rebuilt from the journal.
    A trial that fails is recorded as such and does not end the others; the next call tries it again. After
    its worker died, a trial goes on from its checkpoint, `resources.worker_restarts` times.

    Parameters
    ----------
    kind : str
        "campaign" or "search".
    campaign_id, parent_run_id : str
        Identity, and the MLflow run under which the trials' runs lie.
    specs : sequence of TrialSpec
        The trials in order, all of one task.
    scheduler : Scheduler
        A fresh one.
    max_epochs : int
        Number of epochs of a full training.
    resources : ResourceParams
        What a trial gets, and how many run at once.
    writer : RunWriter
        Talks to MLflow; only this process does. One by `durable_writer` keeps a journal, from which the next
        call goes on, and trials from waiting for MLflow.
    state_dir : path
        Checkpoints (`checkpoints/<campaign_id>/<trial_key>`); on a file system that all workers see.
    finished : mapping of trial_id to TrialSummary
        Trials on record that need no more training.
    on_progress : callable, optional
        Called with (done, total, note) after every change.
    target : TargetMetric
        The metric that the scheduler sees, and whether small or large values are good.
    tags : mapping, optional
        Tags of every trial's run, beside those of this machine.

    Returns
    -------
    list of TrialOutcome
        In the order of `specs`.

    Raises
    ------
    InterruptedStageError
        On SIGINT or SIGTERM, once all runs are closed and Ray is down.
    StorageError
        If the file system refuses, to a trial, the journal or Ray; the next call goes on.
    TrackingError
        If MLflow was out of reach and has not come back; what it lacks is in the writer's journal.
    """
    state_dir = state_dir.resolve()
    trials = [Trial(spec.trial_id, spec.key, spec.configuration) for spec in specs]
    ledger = Ledger(trials, scheduler, max_epochs, target, resources.worker_restarts)
    ledger.restore(finished, writer.results(campaign_id))
    everything = {**describe_host().tags(), **(tags or {})}
    recorder = Recorder(writer, kind, campaign_id, parent_run_id, specs, everything)
    if not ledger.all_ended:
        checkpoints = state_dir / "checkpoints" / campaign_id
        trainable = make_trainable(specs, max_epochs, checkpoints)
        train_left(trainable, ledger, recorder, resources, specs[0].task.resources, state_dir, on_progress)
        writer.settle()
    return [_outcome(trial, ledger, recorder, finished.get(trial.trial_id)) for trial in trials]


def finished_trials(
    writer: RunWriter,
    kind: str,
    campaign_id: str,
    specs: Sequence[TrialSpec[Task]],
    target: TargetMetric,
    is_done: Callable[[TrialSummary], bool],
) -> dict[str, TrialSummary]:
    """Return the trials on record that need no more training by `is_done`, by trial id."""
    recorded = reader.trials(writer.client, kind, campaign_id, metrics=[target.metric])
    done = {trial.trial_key: trial for trial in recorded if is_done(trial)}
    return {spec.trial_id: done[spec.key] for spec in specs if spec.key in done}


def make_trainable(specs: Sequence[TrialSpec[Task]], max_epochs: int, checkpoints: Path) -> Any:
    """Return what Tune runs: any of these trials, with a folder in `checkpoints`."""
    by_id = {spec.trial_id: spec for spec in specs}
    return tune.with_parameters(ray_trial, specs=by_id, max_epochs=max_epochs, checkpoints=checkpoints)


def train_left(
    trainable: Any,
    ledger: Ledger,
    recorder: TrialObserver,
    resources: ResourceParams,
    of_a_trial: TaskResources,
    state_dir: Path,
    on_progress: Progress | None,
) -> None:
    """Run what is left under Tune; afterwards every run is closed, and Ray is down."""

    def report_progress() -> None:
        if on_progress is not None:
            on_progress(*_progress(ledger))

    with interruptible() as interruption:
        try:
            report_progress()
            with ray_session(state_dir, resources, of_a_trial) as share:
                interruption.listen()  # again: Ray has put its own handler of SIGTERM in place
                timeout = resources.epoch_timeout_seconds
                bridge = Bridge(ledger, recorder, share.concurrency, timeout, interruption, report_progress)
                _tune(trainable, bridge, share, state_dir)
        except (KeyboardInterrupt, SystemExit):  # the latter by Ray's handler of SIGTERM, while Ray starts
            interruption.requested = True
        except Exception as error:
            with log_only("the trials' runs stay open in MLflow until the next start"):
                recorder.kill_open(ledger.trials, one_line(error))
            raise
        recorder.kill_open(ledger.trials, "interrupted")
    left = [trial for trial in ledger.trials.values() if trial.state is not TrialState.ENDED]
    progress = f"{len(ledger.trials) - len(left)} of {len(ledger.trials)} trials are done"
    if interruption.requested:
        raise InterruptedStageError(f"interrupted: {progress}; run it again to go on from there")
    if left:
        raise RuntimeError(f"Ray Tune ended although only {progress}")


def _tune(trainable: Any, bridge: Bridge, share: Share, state_dir: Path) -> None:
    """Run Tune until all trials have ended; raise what the scheduler or MLflow raised."""
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(share.concurrency)
    storage = state_dir / "ray" / f"tune-{os.getpid()}"
    try:
        storage.mkdir(parents=True, exist_ok=True)
        with memory_kills_as_deaths():
            tune.run(
                trainable,
                name="run",
                num_samples=-1,
                search_alg=BridgeSearcher(bridge),
                scheduler=BridgeScheduler(bridge),
                callbacks=[BridgeCallback(bridge)],
                resources_per_trial={"cpu": share.cpus_per_trial, "gpu": share.gpus_per_trial},
                storage_path=str(storage),
                trial_dirname_creator=lambda trial: str(trial.config[TRIAL]),
                reuse_actors=True,
                raise_on_failed_trial=False,
                verbose=0,
            )
    except InterruptedStageError:
        return
    except Exception as error:
        refused = refusal(error, storage)
        if bridge.error is None and refused is not None:
            raise refused from error
        if bridge.error is None:
            raise
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        del os.environ["TUNE_MAX_PENDING_TRIALS_PG"]
    if bridge.error is not None:
        raise bridge.error


def _progress(ledger: Ledger) -> tuple[float, float, str]:
    running, paused = ledger.in_state(TrialState.RUNNING), ledger.in_state(TrialState.PAUSED)
    ended = ledger.in_state(TrialState.ENDED)
    done = len(ended) + sum(trial.epochs / ledger.max_epochs for trial in running + paused)
    failed = sum(trial.status == "failed" for trial in ended)
    notes = [f"{len(ended)} of {len(ledger.trials)} done", f"{len(running)} running"]
    if paused:
        notes.append(f"{len(paused)} paused")
    if failed:
        notes.append(f"{failed} failed")
    if not math.isnan(ledger.best()):
        notes.append(f"best {ledger.best():.4g}")
    return done, float(len(ledger.trials)), ", ".join(notes)


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
    )
