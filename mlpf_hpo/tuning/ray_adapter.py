"""A search under Ray Tune: the `Ledger` as Tune's searcher, scheduler and callback.

Tune starts every pending trial as soon as it has room, whatever its scheduler prefers. So trials are handed
to Tune one by one, each when a worker is free and the scheduler has chosen it: a new one through Tune's
searcher, a paused one through Tune's scheduler.
Tune catches some exceptions of schedulers and callbacks and makes failed trials of them. Here they are kept,
and end the run at its next step.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from mlpf_hpo.errors import InterruptedStageError, StorageError, one_line
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.trial_state import TrialState
from mlpf_hpo.tuning.bridge import Bridge
from mlpf_hpo.tuning.machine import Machine
from mlpf_hpo.tuning.ray_errors import trial_error
from mlpf_hpo.tuning.ray_trial import CONFIGURATION, MACHINE, TRIAL
from mlpf_hpo.tuning.trial_reports import WorkerDied

log = logging.getLogger(__name__)

R = TypeVar("R")

METRIC = "metrics/"
"""Before the name of each metric in what Tune passes on."""


def _kept(method: Callable[..., R]) -> Callable[..., R | None]:
    """Keep an exception for `BridgeCallback.on_step_begin`, which lets it out where Tune catches nothing."""

    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> R | None:
        if self.bridge.error is not None:
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self.bridge.error = error
            return None

    return guarded


class BridgeSearcher(Searcher):
    """Suggests the next new trial to Tune."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.bridge = bridge

    @_kept
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the configuration of the next trial, None to wait, or that all have ended.

        Its run is opened here, so that what a searcher proposed is on record before any later result.

        Where Tune has no trial that is not over, it asks nobody else: here, too, the search may end.
        """
        chosen = self.bridge.take_chosen(known=False)
        if chosen is not None:
            if self.bridge.recorder is not None:
                self.bridge.recorder.open(chosen)
            return {TRIAL: chosen, CONFIGURATION: dict(self.bridge.ledger.trials[chosen].configuration)}
        self.bridge.end_waiting()
        return str(Searcher.FINISHED) if self.bridge.ledger.all_ended else None

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing: `BridgeScheduler` is notified as well."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal and the checkpoints are what a restart needs."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: Tune's own restore is not used."""


class BridgeScheduler(TrialScheduler):
    """Passes results to the ledger's scheduler; resumes what it promotes, ends what it leaves paused."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.bridge = bridge

    @_kept
    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Remember which trial of Tune's is which of ours."""
        self.bridge.tune_trials[trial.config[TRIAL]] = trial

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return the scheduler's decision in Tune's words."""
        decision = self._decide(trial, result)
        if decision is Decision.STOP:
            return str(TrialScheduler.STOP)
        if decision is Decision.PAUSE:
            # Our checkpoint is on disk; Tune need not ask for one.
            tune_controller.pause_trial(trial, should_checkpoint=False)
        elif decision is Decision.CONTINUE and self._drains(trial, result):
            tune_controller.pause_trial(trial, should_checkpoint=False)
            return str(TrialScheduler.NOOP)
        return str(TrialScheduler.CONTINUE if decision is Decision.CONTINUE else TrialScheduler.NOOP)

    def _drains(self, trial: Any, result: dict[str, Any]) -> bool:
        """Tell whether a trial ends here to go on at the next start: not if this was its last epoch."""
        bridge, trial_id = self.bridge, trial.config[TRIAL]
        last = bridge.ledger.max_epochs
        if not bridge.interruption.draining or result.get("epoch", last) >= last:
            return False
        bridge.drained.add(trial_id)
        bridge.last_report.pop(trial_id, None)
        return True

    @_kept
    def _decide(self, trial: Any, result: dict[str, Any]) -> Decision:
        bridge, trial_id = self.bridge, trial.config[TRIAL]
        if "epoch" not in result:
            return Decision.CONTINUE
        bridge.last_report[trial_id] = time.monotonic()
        metrics = {key.removeprefix(METRIC): value for key, value in result.items() if key.startswith(METRIC)}
        value = bridge.ledger.target.value_in(metrics, f"{trial_id}, epoch {result['epoch']}")
        decision = bridge.ledger.report(trial_id, result["epoch"], value, result["diverged"])
        if decision is not Decision.CONTINUE:
            bridge.last_report.pop(trial_id, None)
        return decision

    @_kept
    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Record the end in the ledger."""
        self.bridge.last_report.pop(trial.config[TRIAL], None)
        self.bridge.ledger.report_end(trial.config[TRIAL])

    @_kept
    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Nothing: `choose_trial_to_run` ended it."""

    @_kept
    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Record the failure in the ledger; a worker that was killed with the session did not fail.

        After a worker died on its own, its trial goes on as a new trial of Tune's. A file system that refuses
        would fail every trial: it ends the run.
        """
        bridge, trial_id = self.bridge, trial.config[TRIAL]
        if bridge.interruption.requested:
            return
        bridge.last_report.pop(trial_id, None)
        bridge.has_started(trial_id)
        error, silent = trial_error(trial), bridge.ledger.trials[trial_id].reason
        if isinstance(error, StorageError):
            raise error
        if bridge.cluster is not None:
            bridge.cluster.check_nodes()  # one that came later, and lacks something, fails every trial
        if isinstance(error, WorkerDied) and not silent:
            # Of a machine that goes away Ray tells first that its workers died.
            in_cluster = bridge.cluster is not None
            if bridge.ledger.report_worker_death(trial_id, str(error), by_chance=in_cluster):
                del bridge.tune_trials[trial_id]
        else:
            bridge.ledger.report_failure(trial_id, silent or one_line(error))

    @_kept
    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return the paused trial that the scheduler promotes, if any; end those that it never will."""
        chosen = self.bridge.take_chosen(known=True)
        if chosen is not None:
            return self.bridge.tune_trials[chosen]
        self.bridge.end_waiting()
        ended, self.bridge.unpromoted = self.bridge.unpromoted, []
        for trial_id in ended:
            tune_controller.stop_trial(self.bridge.tune_trials[trial_id])
        return None

    def debug_string(self) -> str:
        """Return the scheduler's name."""
        return type(self.bridge.ledger.scheduler).__name__


class BridgeCallback(tune.Callback):
    """Writes what happens to MLflow, from the driver alone."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """End the run where it must end: the one place from which Tune lets exceptions out."""
        self.bridge.interruption.listen()  # again: Tune has put its own handler of SIGUSR1 in place
        if self.bridge.is_drained():
            self.bridge.interruption.requested = True
        if self.bridge.error is not None or self.bridge.interruption.requested:
            self.bridge.kill_workers()
            raise self.bridge.error or InterruptedStageError("interrupted")
        self.bridge.end_silent_trials()
        self.bridge.follow_cluster()

    @_kept
    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Open the trial's run, or take it up again."""
        trial_id = trial.config[TRIAL]
        self.bridge.has_started(trial_id)
        self.bridge.last_report[trial_id] = time.monotonic()
        if self.bridge.recorder is not None:
            self.bridge.recorder.open(trial_id)
        self.bridge.on_change()

    @_kept
    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Log the epoch with what was decided: never a decision without its epoch."""
        trial_id = trial.config[TRIAL]
        decided = self.bridge.ledger.commit(trial_id)
        if self.bridge.recorder is not None:
            machine = Machine.from_json(result[MACHINE])
            self.bridge.recorder.epoch(
                trial_id, result["epoch"], result["metrics"], result["timestamp_ms"], decided, machine
            )
        self.bridge.on_change()

    @_kept
    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Close the run with what became of the trial."""
        self.bridge.close_run(trial.config[TRIAL])

    @_kept
    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Close the run as failed, or leave it open to a trial that goes on."""
        if self.bridge.interruption.requested:
            return
        ours = self.bridge.ledger.trials[trial.config[TRIAL]]
        if ours.state is TrialState.ENDED:
            log.warning("trial %s failed: %s", ours.trial_id, ours.reason)
            self.bridge.close_run(ours.trial_id)
        else:
            log.warning("trial %s: its worker died; it goes on after epoch %d", ours.trial_id, ours.epochs)
            self.bridge.on_change()
