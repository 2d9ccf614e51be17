"""`HostLedger`: a `Ledger` of trials that another library makes, starts and ends."""

from __future__ import annotations

from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler import Decision, Scheduler
from mlpf_hpo.search.trial_state import Trial, TrialState
from mlpf_hpo.space import Configuration
from mlpf_hpo.target_metric import TargetMetric


class HostLedger(Ledger):
    """Trials of another library under one scheduler: they are added on the way, and may start by themselves.

    A trial's n-th report is its epoch n, whatever the library counts: a report is known by its moment, such
    as a step or an iteration. One that is repeated, as after a resume from an older checkpoint, changes
    nothing.

    Parameters
    ----------
    scheduler : Scheduler
        A fresh one.
    max_epochs : int
        Number of reports of a full training.
    target : TargetMetric
        The metric whose values are reported, and whether small or large ones are good.

    Examples
    --------
    >>> from mlpf_hpo import StoppingASHA, TargetMetric
    >>> ledger = HostLedger(StoppingASHA(max_epochs=9), 9, TargetMetric("loss", "min"))
    >>> for trial_id, loss in (("a", 1.0), ("b", 2.0)):
    ...     ledger.add(trial_id, {"lr": 0.1})
    ...     ledger.begin(trial_id)
    ...     ledger.report_at(trial_id, 100, loss).value
    'continue'
    'stop'
    """

    def __init__(self, scheduler: Scheduler, max_epochs: int, target: TargetMetric) -> None:
        super().__init__([], scheduler, max_epochs, target)
        self._moments: dict[str, list[float]] = {}
        self._reports: list[tuple[str, int]] = []

    def add(self, trial_id: str, configuration: Configuration) -> None:
        """Add a trial, to be started by `next_trial`, or by the library (`begin`)."""
        self.scheduler.on_trial_add(trial_id, configuration)
        self.trials[trial_id] = Trial(trial_id, trial_id, configuration)
        self._pending.add(trial_id)
        self._moments[trial_id] = []

    def begin(self, trial_id: str) -> None:
        """Record that the library runs a trial, for the first time or again."""
        trial = self.trials[trial_id]
        if trial.state is not TrialState.ENDED:
            self._move(trial, TrialState.RUNNING)
            trial.ran_in_this_process = True

    def report_at(self, trial_id: str, moment: float, value: float) -> Decision:
        """Record a report and return what happens to the trial, which stops after its last epoch."""
        trial, moments = self.trials[trial_id], self._moments[trial_id]
        if trial.epochs >= self.max_epochs or trial.state is TrialState.ENDED:
            return Decision.STOP
        if moments and moment <= moments[-1]:
            return Decision.CONTINUE if trial.stop is None else Decision.STOP
        moments.append(moment)
        self._reports.append((trial_id, len(moments)))
        decision = self.report(trial_id, len(moments), value)
        return Decision.STOP if trial.epochs >= self.max_epochs else decision

    def report_early_end(self, trial_id: str, reason: str = "ended by itself") -> None:
        """Record the end of a training, which may end before its last epoch without having failed."""
        trial = self.trials[trial_id]
        if trial.state is TrialState.ENDED:
            return
        if trial.stop is None and 0 < trial.epochs < self.max_epochs:
            self._end(trial, "stopped", reason)
        else:
            self.report_end(trial_id)

    def replace_scheduler(self, scheduler: Scheduler) -> Decision:
        """Go on with a fresh scheduler that never pauses; return its decision on the last report.

        What was reported so far is repeated to it, in the same order. What it decides on earlier reports has
        no effect any more.
        """
        self.scheduler, decision = scheduler, Decision.CONTINUE
        for trial in self.trials.values():
            scheduler.on_trial_add(trial.trial_id, trial.configuration)
        for trial_id, epoch in self._reports:
            value = self.trials[trial_id].values[epoch - 1]
            decision = scheduler.on_trial_result(trial_id, epoch, value)
        for trial in self.in_state(TrialState.ENDED):
            end = scheduler.on_trial_error if trial.status == "failed" else scheduler.on_trial_complete
            end(trial.trial_id)
        for trial in self.in_state(TrialState.PAUSED):
            self._move(trial, TrialState.RUNNING)
        if decision is Decision.STOP:
            last = self._reports[-1][0]
            self.trials[last].stop = scheduler.stops[last]
        return decision
