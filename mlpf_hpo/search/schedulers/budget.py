"""`BudgetScheduler`: any scheduler until a budget of epochs is spent, then the best trial to its end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.scheduler import Decision, Scheduler, Stop
from mlpf_hpo.search.schedulers.checks import check_whole
from mlpf_hpo.space import Configuration, Mode


class BudgetScheduler:
    """Follow a scheduler until all trials together have spent a budget; then finish the best trial alone.

    So it does where nothing runs and the scheduler starts nothing more, before the budget is spent.

    The best trial has the best value at the highest rung that a trial reached: the latest epoch after which
    the scheduler paused any, or without such the latest epoch of all. Every other trial is paused after the
    epoch that it is in, nothing else starts, and the search ends with the best trial. If that fails, the next
    best takes its place.

    Parameters
    ----------
    scheduler : Scheduler
        Decides on everything until then.
    budget_epochs : int
        Epochs of all trials together; the end of the best training comes on top.
    max_epochs : int
        Number of epochs of a full training.
    mode : {"min", "max"}
        Whether smaller or larger values are better.

    Raises
    ------
    ConfigurationError
        If the budget is not positive, or the scheduler has another mode.

    Examples
    --------
    >>> from mlpf_hpo import PromotionASHA
    >>> scheduler = BudgetScheduler(PromotionASHA(max_epochs=9), budget_epochs=2, max_epochs=9)
    >>> scheduler.on_trial_result("t0", 1, 3.0).value, scheduler.on_trial_result("t1", 1, 2.0).value
    ('pause', 'continue')
    >>> scheduler.choose(pending=["t2"], paused=["t0"]) is None
    True
    """

    def __init__(self, scheduler: Scheduler, budget_epochs: int, max_epochs: int, mode: Mode = "min") -> None:
        check_whole("budget_epochs", budget_epochs, least=1)
        if getattr(scheduler, "mode", mode) != mode:
            raise ConfigurationError(f"the scheduler has another mode than {mode}, that of its budget")
        self.scheduler = scheduler
        self.budget_epochs = budget_epochs
        self.max_epochs = max_epochs
        self.mode: Mode = mode
        self._spent = 0
        self._costs: dict[str, list[float]] = {}  # of trials that may be the best
        self._rungs: set[int] = set()
        self._best: str | None = None
        self._live: set[str] = set()

    @property
    def stops(self) -> Mapping[str, Stop]:
        """Why the scheduler stopped each trial that it stopped."""
        return self.scheduler.stops

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Pass the trial on."""
        self._live.add(trial_id)
        self.scheduler.on_trial_add(trial_id, configuration)

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch."""
        decision = self.scheduler.on_trial_result(trial_id, epoch, value)
        self._spent += 1
        self._costs.setdefault(trial_id, []).append(value if self.mode == "min" else -value)
        if not math.isfinite(value) or (decision is Decision.STOP and trial_id != self._best):
            del self._costs[trial_id]
            return decision
        if self._spent < self.budget_epochs:
            if decision is Decision.PAUSE:
                self._rungs.add(epoch)
            return decision
        return Decision.CONTINUE if trial_id == self._find_best() else Decision.PAUSE

    def on_trial_complete(self, trial_id: str) -> None:
        """Record that a trial ended: only if it finished it may still be the best."""
        self._live.discard(trial_id)
        if len(self._costs.get(trial_id, ())) < self.max_epochs:
            self._costs.pop(trial_id, None)
        self.scheduler.on_trial_complete(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Record that a trial failed."""
        self._live.discard(trial_id)
        self._costs.pop(trial_id, None)
        self.scheduler.on_trial_error(trial_id)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return what the scheduler chooses; after the budget the best trial if it is paused."""
        if self._spent < self.budget_epochs:
            chosen = self.scheduler.choose(pending, paused)
            if chosen is not None or self._live - {*pending, *paused}:
                return chosen
            best = self._leader()
        else:
            best = self._find_best()
        return best if best in paused else None

    def _find_best(self) -> str | None:
        """Return the best trial, the same one until it fails."""
        if self._best not in self._costs:
            self._best = self._leader()
        return self._best

    def _leader(self) -> str | None:
        """Return the trial that is the best by now."""
        furthest = max(map(len, self._costs.values()), default=0)
        rung = max((rung for rung in self._rungs if rung <= furthest), default=furthest)
        reached = {trial: costs[rung - 1] for trial, costs in self._costs.items() if len(costs) >= rung}
        return min(reached, key=lambda trial: (reached[trial], trial), default=None)
