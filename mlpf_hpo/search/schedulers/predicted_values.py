"""`PredictedValues`: any scheduler with rungs, which compares predicted final values there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.bounds import Expected, IntervalPredictor, expected_finals, partial_curves
from mlpf_hpo.search.scheduler import Decision, Stop, rungs
from mlpf_hpo.search.schedulers.halving import HalvingScheduler
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.space import Configuration, Mode


class PredictedValues:
    """Give a scheduler the predicted final value of a trial, in place of the value that it has at a rung.

    A prediction is made when a trial arrives at a rung, and stays. One that is not a number leaves the value
    itself.

    Parameters
    ----------
    scheduler : HalvingScheduler
        Ranks the trials at its rungs: `PromotionASHA` promotes then by predicted final value.
    predictor : IntervalPredictor
        Predicts the value after `max_epochs` epochs from hyperparameters and partial curves.

    Examples
    --------
    >>> from mlpf_hpo.predictors.intervals import Prediction
    >>> class Exact:  # in place of a fitted CurvePredictor
    ...     def predict_interval(self, X, coverage=None):
    ...         return Prediction(*[X["lr"].to_numpy()] * 3, coverage)
    >>> scheduler = PredictedValues(PromotionASHA(max_epochs=9, reduction_factor=2), Exact())
    >>> for trial_id, lr, loss in (("t0", 0.1, 6.0), ("t1", 0.2, 5.0)):
    ...     scheduler.on_trial_add(trial_id, {"lr": lr})
    ...     print(scheduler.on_trial_result(trial_id, 1, loss).value)
    pause
    pause
    >>> scheduler.choose(pending=[], paused=["t0", "t1"])
    't0'
    """

    def __init__(self, scheduler: HalvingScheduler, predictor: IntervalPredictor) -> None:
        self.scheduler = scheduler
        self.max_epochs, self.mode = scheduler.max_epochs, scheduler.mode
        levels = rungs(scheduler.max_epochs, scheduler.grace_epochs, scheduler.reduction_factor)
        self._rung_epochs = {math.ceil(level) for level in levels}
        self.predictor = predictor
        self._configurations: dict[str, Configuration] = {}
        self._curves: dict[str, list[float]] = {}
        self._stops: dict[str, Stop] = {}

    @property
    def stops(self) -> Mapping[str, Stop]:
        """Why each stopped trial was stopped; limits are of predicted values."""
        return MappingProxyType(self._stops)

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Record the hyperparameters, which predictions need."""
        self._configurations[trial_id] = configuration
        self._curves[trial_id] = []
        self.scheduler.on_trial_add(trial_id, configuration)

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch."""
        self._curves[trial_id].append(value)
        prediction, seen = None, value
        if epoch in self._rung_epochs and math.isfinite(value):
            curve = partial_curves(
                [self._configurations[trial_id]], [self._curves[trial_id]], self.max_epochs
            )
            prediction = self.predictor.predict_interval(curve)
            mean = float(prediction.mean[0])
            seen = mean if math.isfinite(mean) else value
        decision = self.scheduler.on_trial_result(trial_id, epoch, seen)
        if decision is Decision.STOP:
            stop = self.scheduler.stops[trial_id]
            self._stops[trial_id] = dataclasses.replace(stop, value=value, prediction=prediction)
        return decision

    def on_trial_complete(self, trial_id: str) -> None:
        """Pass the end of a trial on."""
        self.scheduler.on_trial_complete(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Pass the failure of a trial on."""
        self.scheduler.on_trial_error(trial_id)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return what the scheduler chooses."""
        return self.scheduler.choose(pending, paused)

    def posterior(self) -> dict[str, Expected]:
        """Return what is predicted of every trial that has come to a rung, see `expected_finals`."""
        first = min(self._rung_epochs, default=self.max_epochs)
        begun = {trial_id: curve for trial_id, curve in self._curves.items() if len(curve) >= first}
        return expected_finals(self.predictor, self._configurations, begun, self.max_epochs)


def predicted_promotion(
    max_epochs: int,
    grace_epochs: int = 1,
    reduction_factor: float = 3.0,
    mode: Mode = "min",
    predictor: IntervalPredictor | None = None,
) -> PredictedValues:
    """Return `PromotionASHA` by predicted final values.

    Raises
    ------
    ConfigurationError
        If there is no predictor, or as `PromotionASHA`.

    Examples
    --------
    >>> predicted_promotion(max_epochs=9)
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: predicted_promotion needs a predictor, none is given
    """
    if predictor is None:
        raise ConfigurationError("predicted_promotion needs a predictor, none is given")
    return PredictedValues(PromotionASHA(max_epochs, grace_epochs, reduction_factor, mode), predictor)
