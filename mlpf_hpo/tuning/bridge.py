"""`Bridge`: what searcher, scheduler and callback of Tune share: which trial runs next, and how many may."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ray

from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.tuning.interruption import Interruption
from mlpf_hpo.tuning.time_limit import time_is_up

if TYPE_CHECKING:
    from mlpf_hpo.tuning.attached_cluster import AttachedCluster
    from mlpf_hpo.tuning.driver import Recorder


@dataclass
class Bridge:
    """State that the searcher, the scheduler and the callback share.

    Without a recorder, runs stay as they are on record. In a cluster, `concurrency` follows the room that
    there is. A trial that reports no epoch within `epoch_timeout_seconds` is ended as failed. `on_change` is
    called after all that a progress display shows.
    """

    ledger: Ledger
    recorder: Recorder | None
    concurrency: int
    epoch_timeout_seconds: float
    interruption: Interruption
    on_change: Callable[[], None]
    cluster: AttachedCluster | None = None
    error: Exception | None = None  # ends the run at its next step
    tune_trials: dict[str, Any] = field(default_factory=dict)
    last_report: dict[str, float] = field(default_factory=dict)  # of running trials, by a monotonic clock
    waiting: str | None = None  # chosen by the scheduler, and not taken by Tune yet
    starting: set[str] = field(default_factory=set)  # taken by Tune, and without a worker yet
    interrupted: set[str] = field(default_factory=set)  # of these, such as run again
    unpromoted: list[str] = field(default_factory=list)  # have ended, are still paused for Tune
    drained: set[str] = field(default_factory=set)  # ended between epochs, to go on at the next start

    def take_chosen(self, *, known: bool) -> str | None:
        """Return the trial that a free worker should run now, if Tune has it already (or if not).

        While a trial that was interrupted waits for a worker, none but its like is taken: Tune gives a worker
        that is free to whatever it took last, and so would start every other trial before.
        """
        if self.interruption.draining:
            return None
        interrupted = self.ledger.has_interrupted
        free = self.ledger.n_running < self.concurrency and (interrupted or not self.interrupted)
        if self.waiting is None and self.error is None and free:
            self.waiting = self.ledger.next_trial()
            if interrupted and self.waiting is not None:
                self.interrupted.add(self.waiting)
        if self.waiting is None or (self.waiting in self.tune_trials) is not known:
            return None
        chosen, self.waiting = self.waiting, None
        self.starting.add(chosen)
        self.on_change()
        return chosen

    def has_started(self, trial_id: str) -> None:
        """Take note that a trial has a worker, or needs none any more."""
        self.starting.discard(trial_id)
        self.interrupted.discard(trial_id)

    def follow_cluster(self) -> None:
        """Let as many trials run as the cluster has room for now."""
        if self.cluster is not None:
            self.concurrency = self.cluster.room()

    def end_waiting(self) -> None:
        """End the trials that wait, if nothing runs and the scheduler has chosen none of them."""
        if self.waiting is not None or self.interruption.draining:
            return
        for trial_id in self.ledger.end_waiting():
            if trial_id in self.tune_trials:
                self.unpromoted.append(trial_id)
            else:
                self.close_run(trial_id)

    def is_drained(self) -> bool:
        """Tell whether the run is to end after the epochs in progress, and none is, or no time is left."""
        if not self.interruption.draining:
            return False
        idle = len(self.drained) + len(self.starting) + (self.waiting is not None)
        return self.ledger.n_running <= idle or time_is_up()

    def close_run(self, trial_id: str) -> None:
        """Close the run of a trial with what became of it."""
        if self.recorder is not None:
            self.recorder.close(self.ledger.trials[trial_id])
        self.on_change()

    def end_silent_trials(self) -> None:
        """Kill the worker of a trial that has reported nothing for too long."""
        now, allowed = time.monotonic(), self.epoch_timeout_seconds
        for trial_id, moment in list(self.last_report.items()):
            actor = self.tune_trials[trial_id].temporary_state.ray_actor
            if now - moment > allowed and actor is not None:
                reason = f"no epoch within {allowed:g} s (resources.epoch_timeout_seconds)"
                self.ledger.trials[trial_id].reason = reason
                del self.last_report[trial_id]
                ray.kill(actor)

    def kill_workers(self) -> None:
        """Kill every worker that trains, without waiting for the end of an epoch."""
        for trial in self.tune_trials.values():
            actor = trial.temporary_state.ray_actor
            if actor is not None:
                ray.kill(actor)
