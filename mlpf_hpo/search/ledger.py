"""`Ledger`: the state of every trial of a search, and the only caller of the scheduler.

It does not depend on Ray: a backend gets the next trial from it, reports epochs and ends to it, and carries
out the scheduler's decisions.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.scheduler import Decision, Result, Scheduler, Stop
from mlpf_hpo.search.trial_state import Trial, TrialState
from mlpf_hpo.search.trial_summary import TrialSummary, has_network
from mlpf_hpo.search.waiting_trials import WaitingTrials
from mlpf_hpo.target_metric import TargetMetric

log = logging.getLogger(__name__)


class Ledger:
    """All trials of a search under one scheduler.

    Parameters
    ----------
    trials : sequence of Trial
        In the order in which they are offered to the scheduler.
    scheduler : Scheduler
        Decides which trials start, pause, continue or stop.
    max_epochs : int
        Number of epochs of a full training.
    target : TargetMetric
        The metric whose values are reported, and whether small or large ones are good.
    worker_restarts : int
        How many times a trial may continue after the process that trained it died.

    Attributes
    ----------
    trials : mapping of str to Trial
        By trial id, in their order.
    n_running : int
        Number of trials that run.

    Raises
    ------
    ConfigurationError
        If the mode of the scheduler is not that of the target.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        scheduler: Scheduler,
        max_epochs: int,
        target: TargetMetric,
        worker_restarts: int = 0,
    ) -> None:
        mode = getattr(scheduler, "mode", target.mode)
        if mode != target.mode:
            raise ConfigurationError(f"{type(scheduler).__name__}: mode {mode}, but the target is {target}")
        self.trials = {trial.trial_id: trial for trial in trials}
        self.scheduler = scheduler
        self.max_epochs = max_epochs
        self.target = target
        self.worker_restarts = worker_restarts
        self._uncommitted: dict[str, Decision] = {}
        self._again: deque[str] = deque()
        # Never started; paused. A trial that runs again is in neither.
        self._pending = WaitingTrials(self.trials)
        self._paused = WaitingTrials()
        self.n_running = self._n_ended = 0
        for trial in trials:
            scheduler.on_trial_add(trial.trial_id, trial.configuration)

    def in_state(self, state: TrialState) -> list[Trial]:
        """Return the trials in a state, in their order."""
        return [trial for trial in self.trials.values() if trial.state is state]

    @property
    def all_ended(self) -> bool:
        """Whether nothing is left to do."""
        return self._n_ended == len(self.trials)

    def best(self, trial_id: str | None = None) -> float:
        """Return the best finite value of one trial, or of all that leave a network; NaN if there is none."""
        kept = [trial for trial in self.trials.values() if has_network(trial.status)]
        chosen = kept if trial_id is None else [self.trials[trial_id]]
        return self.target.best(value for trial in chosen for value in trial.values)

    def restore(self, finished: Mapping[str, TrialSummary], results: Iterable[Result] = ()) -> None:
        """Replay recorded results to the scheduler, and restore the state of each trial.

        The results give the order and the decisions. Epochs of `finished` that they lack are replayed after
        them, in the order of their timestamps. Trials that ended by the results but are not in `finished` run
        once more, from their checkpoints.

        Parameters
        ----------
        finished : mapping of trial_id to TrialSummary
            Trials that have ended and need no more training.
        results : iterable of Result
            What `commit` returned, in its order. Those of another target are ignored.
        """
        self._replay_results(results)
        self._replay_summaries(finished)
        for trial in self.trials.values():
            if trial.trial_id in finished:
                self._end_as_recorded(trial, finished[trial.trial_id])
            elif trial.state is not TrialState.PAUSED and trial.epochs > 0:
                self._move(trial, TrialState.PENDING)
                self._again.append(trial.trial_id)

    def next_trial(self) -> str | None:
        """Return the trial that a free worker runs next, as running from now on; None where it has to wait.

        Trials that were interrupted, or whose worker died, come first: the scheduler has decided on them.
        """
        if self._again:
            chosen: str | None = self._again.popleft()
        else:
            if not self._pending and not self._paused:
                return None
            chosen = self.scheduler.choose(self._pending, self._paused)
            if chosen is not None and chosen not in self._pending and chosen not in self._paused:
                raise RuntimeError(f"the scheduler chose {chosen!r}, which is neither pending nor paused")
        if chosen is not None:
            trial = self.trials[chosen]
            self._move(trial, TrialState.RUNNING)
            trial.ran_in_this_process = True
        return chosen

    def report(self, trial_id: str, epoch: int, value: float, diverged: bool = False) -> Decision:
        """Record the value of an epoch and return what happens to the trial.

        A resumed trial reports the epochs of its checkpoint again: earlier decisions remain.
        """
        trial = self.trials[trial_id]
        if epoch <= trial.epochs:
            return Decision.STOP if epoch == trial.epochs and trial.stop else Decision.CONTINUE
        if epoch != trial.epochs + 1:
            raise RuntimeError(f"trial {trial_id} reports epoch {epoch} after epoch {trial.epochs}")
        value = math.nan if diverged else value
        decision = self._notify_scheduler(trial, epoch, value)
        self._uncommitted[trial_id] = decision
        if decision is Decision.PAUSE:
            self._move(trial, TrialState.PAUSED)
        return decision

    def commit(self, trial_id: str) -> Result | None:
        """Return the last result of a trial, to be recorded for a restart; None if already returned."""
        decision, trial = self._uncommitted.pop(trial_id, None), self.trials[trial_id]
        if decision is None:
            return None
        return Result(trial.key, trial.epochs, self.target.metric, trial.values[-1], decision, trial.stop)

    def report_end(self, trial_id: str) -> None:
        """Record that a trial ended: by itself, or because it was stopped."""
        trial = self.trials[trial_id]
        if trial.state is TrialState.ENDED:
            return
        if trial.values and not math.isfinite(trial.values[-1]):
            self._end(trial, "diverged", f"not finite after epoch {trial.epochs}")
        elif trial.stop is not None:
            self._end(trial, "stopped", trial.stop.reason)
        elif trial.epochs >= self.max_epochs:
            self._end(trial, "finished", "")
        else:
            self.report_failure(
                trial_id, f"ended after epoch {trial.epochs} of {self.max_epochs} without a reason"
            )

    def report_failure(self, trial_id: str, reason: str) -> None:
        """Record that a trial failed."""
        trial = self.trials[trial_id]
        self._move(trial, TrialState.ENDED)
        trial.status, trial.reason, trial.end_reported = "failed", reason, True
        self.scheduler.on_trial_error(trial_id)

    @property
    def has_interrupted(self) -> bool:
        """Whether a trial waits that was interrupted, or whose worker died: it runs before any other."""
        return bool(self._again)

    def report_worker_death(self, trial_id: str, reason: str, by_chance: bool = False) -> bool:
        """Record that the process that trained a trial died, and return whether the trial continues.

        The trial runs next, from its checkpoint. It has failed after more than `worker_restarts` deaths. One
        that may have nothing to do with it, as that of its machine, is not counted if an epoch was completed
        since the last: a trial that takes its machine down with it fails all the same.
        """
        trial = self.trials[trial_id]
        trial.deaths += 1
        trial.counted_deaths += not (by_chance and trial.epochs > trial.epochs_at_death)
        trial.epochs_at_death = trial.epochs
        if trial.counted_deaths > self.worker_restarts:
            times = "once" if trial.counted_deaths == 1 else f"{trial.counted_deaths} times"
            self.report_failure(trial_id, f"its worker died {times}: {reason}")
            return False
        self._move(trial, TrialState.PENDING)
        self._again.appendleft(trial_id)
        return True

    def end_waiting(self) -> list[str]:
        """End the paused and the pending trials if nothing runs; return which.

        Called where `next_trial` has returned None: the scheduler resumes and starts none of them, which ends
        the search. Trials that were paused before a restart run once more to report their epochs, and end
        then.
        """
        if self._again or self.n_running:
            return []
        ended = []
        for trial in [self.trials[trial_id] for trial_id in (*self._paused, *self._pending)]:
            trial.stop = self._waited(trial)
            if trial.epochs and not trial.ran_in_this_process:
                self._move(trial, TrialState.PENDING)
                self._again.append(trial.trial_id)
            else:
                self._end(trial, "stopped", trial.stop.reason)
                ended.append(trial.trial_id)
        return ended

    def _notify_scheduler(self, trial: Trial, epoch: int, value: float) -> Decision:
        decision = self.scheduler.on_trial_result(trial.trial_id, epoch, value)
        trial.values.append(value)
        if not math.isfinite(value):
            return Decision.STOP
        if epoch >= self.max_epochs:
            return Decision.CONTINUE
        if decision is Decision.STOP:
            trial.stop = self.scheduler.stops[trial.trial_id]
        return decision

    def _move(self, trial: Trial, state: TrialState) -> None:
        """Put a trial into a state; one that becomes pending again is in `_again`, at its place there."""
        self.n_running += (state is TrialState.RUNNING) - (trial.state is TrialState.RUNNING)
        self._n_ended += (state is TrialState.ENDED) - (trial.state is TrialState.ENDED)
        self._pending.discard(trial.trial_id)
        self._paused.discard(trial.trial_id)
        trial.state = state
        if state is TrialState.PAUSED:
            self._paused.add(trial.trial_id)

    def _end(self, trial: Trial, status: str, reason: str) -> None:
        self._move(trial, TrialState.ENDED)
        trial.status, trial.reason = status, reason
        self._notify_end(trial)

    def _end_as_recorded(self, trial: Trial, record: TrialSummary) -> None:
        if trial.state is TrialState.PAUSED or not trial.values:
            trial.stop = self._waited(trial)
        if record.status != "stopped":
            trial.stop = None
        self._end(trial, record.status, record.reason or (trial.stop.reason if trial.stop else ""))

    @staticmethod
    def _waited(trial: Trial) -> Stop:
        """Return the stop of a trial that waited when the search ended."""
        if not trial.values:
            return Stop(trial.trial_id, 0, math.nan, "not started")
        return Stop(trial.trial_id, trial.epochs, trial.values[-1], "not promoted")

    def _notify_end(self, trial: Trial) -> None:
        if not trial.end_reported:
            trial.end_reported = True
            self.scheduler.on_trial_complete(trial.trial_id)

    def _replay_results(self, results: Iterable[Result]) -> None:
        by_key = {trial.key: trial for trial in self.trials.values()}
        differing = 0
        for entry in results:
            trial = by_key.get(entry.key) if entry.metric == self.target.metric else None
            if trial is None or entry.epoch != trial.epochs + 1 or trial.end_reported:
                continue
            if trial.state is TrialState.PAUSED:
                self._move(trial, TrialState.PENDING)
            decision = self._notify_scheduler(trial, entry.epoch, entry.value)
            differing += decision is not entry.decision
            trial.stop = entry.stop
            if entry.decision is Decision.PAUSE:
                self._move(trial, TrialState.PAUSED)
            elif entry.decision is Decision.STOP or entry.epoch >= self.max_epochs:
                self._notify_end(trial)
        if differing:
            log.warning(
                "%d recorded decisions differ from those of this scheduler; the recorded ones remain",
                differing,
            )

    def _replay_summaries(self, finished: Mapping[str, TrialSummary]) -> None:
        missing = []
        for trial_id, summary in finished.items():
            values = summary.metrics.get(self.target.metric, ())
            moments = summary.timestamps or tuple(range(len(values)))
            n_observed = self.trials[trial_id].epochs
            for epoch, (moment, value) in enumerate(zip(moments, values, strict=False), start=1):
                if n_observed < epoch <= self.max_epochs:
                    missing.append((moment, trial_id, epoch, value))
        for _, trial_id, epoch, value in sorted(missing):
            if not self.trials[trial_id].end_reported:
                self._notify_scheduler(self.trials[trial_id], epoch, value)
