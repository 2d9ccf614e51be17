"""ASHA with one more reason to stop: the predicted final value cannot reach the best that is in sight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.scheduler import Decision, Stop
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.space import Configuration, Mode


class IntervalPredictor(Protocol):
    """What is asked of a predictor; a `CurvePredictor` has it."""

    def predict_interval(self, X: pd.DataFrame, coverage: float | None = None) -> Prediction:
        """Return the interval that should hold the final value of each partial curve."""


@dataclass(frozen=True)
class _Bound:
    """What can be expected of a trial's final cost (smaller is better), and what it rests on."""

    lower: float
    upper: float
    epochs: int
    prediction: Prediction | None


class PredictiveAsha(StoppingASHA):
    """Keep ASHA's rank rule; on a grid of epochs also stop what is predicted to end worse than the incumbent.

    The incumbent is the smallest upper bound on the final value among the trials that are live (known to
    have begun, and not ended) or finished; a finished trial's bounds are its final value. A trial stops when
    its own lower bound exceeds it. Two things keep that sound. The bound of a trial that was stopped, or
    failed, is withdrawn: otherwise nobody is left to make it good, and everything dies. And the owner of the
    incumbent bound is never stopped, by neither rule, as others were stopped on its account.

    Parameters
    ----------
    max_epochs, grace_epochs, reduction_factor, mode
        As for `StoppingASHA`.
    predictor : IntervalPredictor
        Predicts the value after `max_epochs` epochs from hyperparameters and partial curves.
    predict_from_epoch : int
        First epoch of the grid; trials with fewer epochs are not predicted. 0 means the first epoch.
    predict_every : int
        Step of the grid.
    coverage : float
        Nominal coverage of the intervals, in (0, 1).
    """

    def __init__(
        self,
        max_epochs: int,
        predictor: IntervalPredictor,
        grace_epochs: int = 1,
        reduction_factor: float = 3.0,
        predict_from_epoch: int = 2,
        predict_every: int = 1,
        coverage: float = 0.9,
        mode: Mode = "min",
    ) -> None:
        super().__init__(max_epochs, grace_epochs, reduction_factor, mode)
        if predict_every < 1 or predict_from_epoch < 0 or not 0 < coverage < 1:
            raise ConfigurationError(
                "predict_every must be at least 1, predict_from_epoch at least 0 and coverage within (0, 1); "
                f"found {predict_every}, {predict_from_epoch}, {coverage}"
            )
        self.predictor = predictor
        self.predict_from_epoch = max(1, predict_from_epoch)
        self.predict_every = predict_every
        self.coverage = coverage
        self._configurations: dict[str, Configuration] = {}
        self._curves: dict[str, list[float]] = {}
        self._bounds: dict[str, _Bound] = {}
        self._ended: set[str] = set()

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Remember the hyperparameters: predictions need them."""
        self._configurations[trial_id] = configuration

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch; a value after the last epoch becomes both bounds of its trial."""
        self._curves.setdefault(trial_id, []).append(value)
        decision = super().on_trial_result(trial_id, epoch, value)
        if decision is Decision.STOP:
            self._withdraw(trial_id)
        elif epoch >= self.max_epochs:
            cost = self._cost(value)
            self._bounds[trial_id] = _Bound(cost, cost, epoch, None)
        return decision

    def on_trial_complete(self, trial_id: str) -> None:
        """Keep the value of a finished trial, withdraw the bound of any other."""
        if len(self._curves.get(trial_id, ())) < self.max_epochs:
            self._withdraw(trial_id)
        self._ended.add(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Withdraw the bound of a failed trial."""
        self._withdraw(trial_id)

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        asked = (
            epoch >= self.predict_from_epoch and (epoch - self.predict_from_epoch) % self.predict_every == 0
        )
        if asked:
            self._predict()
        bound = self._bounds.get(trial_id)
        prediction = bound.prediction if bound else None
        limit = self._pass_rung(trial_id, epoch, value)
        owner, incumbent = self._incumbent()
        if trial_id == owner:
            return Decision.CONTINUE
        if limit is not None:
            return self._stop(Stop(trial_id, epoch, value, "rank", limit, prediction))
        if asked and bound is not None and bound.lower > incumbent:
            return self._stop(Stop(trial_id, epoch, value, "prediction", self._cost(incumbent), prediction))
        return Decision.CONTINUE

    def _predict(self) -> None:
        """Bring the bounds of all live trials up to date, in one call."""
        stale = [
            trial_id
            for trial_id, curve in self._curves.items()
            if trial_id not in self._ended
            and self.predict_from_epoch <= len(curve) < self.max_epochs
            and (trial_id not in self._bounds or self._bounds[trial_id].epochs < len(curve))
        ]
        if not stale:
            return
        predicted = self.predictor.predict_interval(self._frame(stale), coverage=self.coverage)
        for i, trial_id in enumerate(stale):
            own = _row(predicted, i)
            edges = (self._cost(float(own.lower[0])), self._cost(float(own.upper[0])))
            # A bound that is not a number says nothing: it must neither stop a trial nor be an incumbent.
            lower, upper = (-math.inf, math.inf) if any(map(math.isnan, edges)) else (min(edges), max(edges))
            self._bounds[trial_id] = _Bound(lower, upper, len(self._curves[trial_id]), own)

    def _frame(self, trial_ids: Sequence[str]) -> pd.DataFrame:
        """Return partial curves as `LearningCurves.frame` does."""
        losses = np.full((len(trial_ids), self.max_epochs), np.nan)
        for row, trial_id in zip(losses, trial_ids, strict=True):
            curve = self._curves[trial_id]
            row[: len(curve)] = curve
        configurations = pd.DataFrame([dict(self._configurations[trial_id]) for trial_id in trial_ids])
        columns = [f"loss_{epoch}" for epoch in range(self.max_epochs)]
        return pd.concat([configurations.astype(float), pd.DataFrame(losses, columns=columns)], axis=1)

    def _incumbent(self) -> tuple[str | None, float]:
        """Return who owns the smallest upper bound, the first of equals, and that bound; else infinity."""
        owner = min(self._bounds, key=lambda trial: (self._bounds[trial].upper, trial), default=None)
        if owner is None or math.isinf(self._bounds[owner].upper):
            return None, math.inf
        return owner, self._bounds[owner].upper

    def _withdraw(self, trial_id: str) -> None:
        self._bounds.pop(trial_id, None)
        self._ended.add(trial_id)


def _row(prediction: Prediction, i: int) -> Prediction:
    row = slice(i, i + 1)
    return Prediction(
        prediction.mean[row], prediction.lower[row], prediction.upper[row], coverage=prediction.coverage
    )
