"""`PredictiveScheduler`: any scheduler, plus stops of trials whose predicted final value is too bad."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.bounds import Bounds, Expected
from mlpf_hpo.search.scheduler import Decision, Scheduler, Stop
from mlpf_hpo.search.waiting_trials import WaitingTrials
from mlpf_hpo.space import Configuration


class PredictiveScheduler:
    """Follow a scheduler; on a grid of epochs also stop what is predicted to end worse than the incumbent.

    A trial stops when the lower bound on its final value exceeds the incumbent (see `Bounds`). The owner of
    the incumbent bound is never stopped, neither by prediction nor by the scheduler: others were stopped on
    its account. If the scheduler pauses it, it goes on at the latest when nothing else may run. A paused
    trial that cannot win any more is not offered for promotion.

    Parameters
    ----------
    scheduler : Scheduler
        Decides on everything else. It receives every result, also of a trial whose stop was overruled.
    bounds : Bounds
        Predicts the final values.

    Raises
    ------
    ConfigurationError
        If the modes of the two differ, or the scheduler waits for whole rounds.

    Examples
    --------
    >>> from mlpf_hpo import Bounds, FullTraining, PredictiveScheduler
    >>> from mlpf_hpo.predictors.intervals import Prediction
    >>> class Exact:  # in place of a fitted CurvePredictor
    ...     def predict_interval(self, X, coverage=None):
    ...         return Prediction(*[X["lr"].to_numpy()] * 3, coverage)
    >>> scheduler = PredictiveScheduler(FullTraining(), Bounds(Exact(), max_epochs=9, predict_from_epoch=1))
    >>> for trial_id, lr in (("good", 0.1), ("bad", 0.2)):
    ...     scheduler.on_trial_add(trial_id, {"lr": lr})
    ...     print(scheduler.on_trial_result(trial_id, 1, 5.0).value)
    continue
    stop
    >>> scheduler.stops["bad"].reason
    'prediction'
    """

    def __init__(self, scheduler: Scheduler, bounds: Bounds) -> None:
        mode = getattr(scheduler, "mode", bounds.mode)
        if mode != bounds.mode:
            raise ConfigurationError(f"the scheduler has mode {mode}, the bounds have mode {bounds.mode}")
        if getattr(scheduler, "waits_for_rounds", False):
            raise ConfigurationError(
                f"{type(scheduler).__name__} waits for all trials of a round: a prediction, which holds some "
                "back, would end the search too early; use it without one"
            )
        self.scheduler = scheduler
        self.bounds = bounds
        self.mode, self.max_epochs = bounds.mode, bounds.max_epochs
        self._stops: dict[str, Stop] = {}

    @property
    def stops(self) -> Mapping[str, Stop]:
        """Why each stopped trial was stopped."""
        return MappingProxyType(self._stops)

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Pass the trial on; predictions need its hyperparameters."""
        self.bounds.add(trial_id, configuration)
        self.scheduler.on_trial_add(trial_id, configuration)

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch."""
        on_grid = self.bounds.record(trial_id, epoch, value)
        decision = self.scheduler.on_trial_result(trial_id, epoch, value)
        if not math.isfinite(value) or epoch >= self.bounds.max_epochs:
            if decision is Decision.STOP:
                self._stops[trial_id] = self.scheduler.stops[trial_id]
            return decision
        owner, incumbent = self.bounds.incumbent()
        if trial_id == owner:
            return Decision.CONTINUE if decision is Decision.STOP else decision
        bound = self.bounds.of(trial_id)
        prediction = bound.prediction if bound else None
        if decision is Decision.STOP:
            return self._stop(dataclasses.replace(self.scheduler.stops[trial_id], prediction=prediction))
        if on_grid and not self.bounds.can_win(trial_id):
            limit = self.bounds.cost(incumbent)
            return self._stop(Stop(trial_id, epoch, value, "prediction", limit, prediction))
        return decision

    def on_trial_complete(self, trial_id: str) -> None:
        """Keep the value of a finished trial, withdraw the bound of any other."""
        self.bounds.end(trial_id)
        self.scheduler.on_trial_complete(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Withdraw the bound of a failed trial."""
        self.bounds.withdraw(trial_id)
        self.scheduler.on_trial_error(trial_id)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return what the scheduler chooses of the trials that can win, else the incumbent if it waits."""
        able = WaitingTrials(trial for trial in paused if self.bounds.can_win(trial))
        chosen = self.scheduler.choose(pending, able)
        owner, _ = self.bounds.incumbent()
        return owner if chosen is None and owner in paused else chosen

    def posterior(self) -> dict[str, Expected]:
        """Return what is predicted of every trial that was predicted, see `expected_finals`."""
        return self.bounds.expected()

    def _stop(self, stop: Stop) -> Decision:
        self._stops[stop.trial_id] = stop
        self.bounds.withdraw(stop.trial_id)
        return Decision.STOP
