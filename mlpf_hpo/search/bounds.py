"""`Bounds`: predicted bounds of every trial's final value, and the incumbent, the best upper bound.

Any scheduler may hold a `Bounds`: it records values and ends, predicts on a grid of epochs, and returns the
incumbent and whether a trial can still reach it. It makes no decisions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.space import Configuration, Mode

if TYPE_CHECKING:
    import pandas as pd


ONE_DEVIATION = math.erf(math.sqrt(0.5))
"""How often a normal distribution is within one standard deviation of its mean."""

Expected = tuple[float, float, float]
"""Final value as predicted, and the lower and the upper end of its interval."""


class IntervalPredictor(Protocol):
    """The part of a predictor's interface that `Bounds` needs; `CurvePredictor` has it."""

    def predict_interval(self, X: pd.DataFrame, coverage: float | None = None) -> Prediction:
        """Return the interval that should hold the final value of each partial curve."""


@dataclass(frozen=True)
class Bound:
    """Bounds of a trial's final cost (smaller is better), and the prediction that they follow from.

    Attributes
    ----------
    lower, upper : float
        Bounds of the final cost; equal once the trial has finished.
    epochs : int
        Number of epochs that had been observed.
    prediction : Prediction or None
        The interval of the final value; None of a finished trial.
    """

    lower: float
    upper: float
    epochs: int
    prediction: Prediction | None


class Bounds:
    """Bounds on the final value of every trial that is live (has begun, and not ended) or finished.

    The incumbent is the smallest upper bound among them; a finished trial's bounds are its final value. The
    bound of a trial that was stopped, or failed, is withdrawn: that trial will never reach it.

    Parameters
    ----------
    predictor : IntervalPredictor
        Predicts the value after `max_epochs` epochs from hyperparameters and partial curves.
    max_epochs : int
        Number of epochs of a full training.
    predict_from_epoch : int
        First epoch of the grid; trials with fewer epochs are not predicted. 0 means the first epoch.
    predict_every : int
        Step of the grid.
    coverage : float
        Nominal coverage of the intervals, in (0, 1).
    mode : {"min", "max"}
        Whether smaller or larger values are better.

    Raises
    ------
    ConfigurationError
        If the grid or the coverage is not possible.

    Examples
    --------
    >>> from mlpf_hpo import Bounds
    >>> class Exact:  # in place of a fitted CurvePredictor
    ...     def predict_interval(self, X, coverage=None):
    ...         return Prediction(*[X["lr"].to_numpy()] * 3, coverage)
    >>> bounds = Bounds(Exact(), max_epochs=9, predict_from_epoch=1)
    >>> for trial_id, lr in (("good", 0.1), ("bad", 0.2)):
    ...     bounds.add(trial_id, {"lr": lr})
    ...     _ = bounds.record(trial_id, 1, 5.0)
    >>> bounds.incumbent(), bounds.can_win("bad")
    (('good', 0.1), False)
    """

    def __init__(
        self,
        predictor: IntervalPredictor,
        max_epochs: int,
        predict_from_epoch: int = 2,
        predict_every: int = 1,
        coverage: float = 0.9,
        mode: Mode = "min",
    ) -> None:
        if predict_every < 1 or predict_from_epoch < 0 or not 0 < coverage < 1:
            raise ConfigurationError(
                "predict_every must be at least 1, predict_from_epoch at least 0 and coverage within (0, 1); "
                f"found {predict_every}, {predict_from_epoch}, {coverage}"
            )
        self.predictor = predictor
        self.max_epochs = max_epochs
        self.predict_from_epoch = max(1, predict_from_epoch)
        self.predict_every = predict_every
        self.coverage = coverage
        self.mode: Mode = mode
        self._configurations: dict[str, Configuration] = {}
        self._curves: dict[str, list[float]] = {}
        self._bounds: dict[str, Bound] = {}
        self._incumbent: tuple[str | None, float] | None = None  # none until it is asked for again
        self._ended: set[str] = set()

    def add(self, trial_id: str, configuration: Configuration) -> None:
        """Record the hyperparameters, which predictions need."""
        self._configurations[trial_id] = configuration

    def record(self, trial_id: str, epoch: int, value: float) -> bool:
        """Record a value; on the grid, bring the bounds of all live trials up to date.

        Returns
        -------
        bool
            Whether the epoch lies on the grid. A value after the last epoch becomes both bounds of its trial.
        """
        self._curves.setdefault(trial_id, []).append(value)
        if not math.isfinite(value):
            self.withdraw(trial_id)
            return False
        if epoch >= self.max_epochs:
            cost = self.cost(value)
            self._set(trial_id, Bound(cost, cost, epoch, None))
            return False
        on_grid = (
            epoch >= self.predict_from_epoch and (epoch - self.predict_from_epoch) % self.predict_every == 0
        )
        if on_grid:
            self._predict()
        return on_grid

    def end(self, trial_id: str) -> None:
        """Keep the value of a finished trial, withdraw the bound of any other."""
        if len(self._curves.get(trial_id, ())) < self.max_epochs:
            self.withdraw(trial_id)
        self._ended.add(trial_id)

    def withdraw(self, trial_id: str) -> None:
        """Drop the bound of a trial that was stopped, or failed, and predict it no more."""
        self._bounds.pop(trial_id, None)
        self._incumbent = None
        self._ended.add(trial_id)

    def of(self, trial_id: str) -> Bound | None:
        """Return the bounds of a trial, None where there are none."""
        return self._bounds.get(trial_id)

    def incumbent(self) -> tuple[str | None, float]:
        """Return the owner of the smallest upper bound, the first of equals, and the bound; else infinity."""
        if self._incumbent is None:
            owner = min(self._bounds, key=lambda trial: (self._bounds[trial].upper, trial), default=None)
            upper = math.inf if owner is None else self._bounds[owner].upper
            self._incumbent = (None, math.inf) if math.isinf(upper) else (owner, upper)
        return self._incumbent

    def can_win(self, trial_id: str) -> bool:
        """Return whether a trial may still reach the incumbent; one without bounds may."""
        bound = self._bounds.get(trial_id)
        return bound is None or bound.lower <= self.incumbent()[1]

    def expected(self) -> dict[str, Expected]:
        """Return what is predicted of every trial that has come to the first epoch of the grid."""
        begun = {one: curve for one, curve in self._curves.items() if len(curve) >= self.predict_from_epoch}
        return expected_finals(self.predictor, self._configurations, begun, self.max_epochs)

    def cost(self, value: float) -> float:
        """Return the value with the sign that makes smaller better; also turns a cost back."""
        return value if self.mode == "min" else -value

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
        predicted = self.predictor.predict_interval(self.frame(stale), coverage=self.coverage)
        for i, trial_id in enumerate(stale):
            own = _row(predicted, i)
            edges = (self.cost(float(own.lower[0])), self.cost(float(own.upper[0])))
            # A bound that is not a number has no meaning: it must neither stop a trial nor be an incumbent.
            lower, upper = (-math.inf, math.inf) if any(map(math.isnan, edges)) else (min(edges), max(edges))
            self._set(trial_id, Bound(lower, upper, len(self._curves[trial_id]), own))

    def _set(self, trial_id: str, bound: Bound) -> None:
        self._bounds[trial_id] = bound
        self._incumbent = None

    def frame(self, trial_ids: Sequence[str]) -> pd.DataFrame:
        """Return partial curves as `LearningCurves.frame` does."""
        configurations = [self._configurations[trial_id] for trial_id in trial_ids]
        return partial_curves(
            configurations, [self._curves[trial_id] for trial_id in trial_ids], self.max_epochs
        )


def expected_finals(
    predictor: IntervalPredictor,
    configurations: Mapping[str, Configuration],
    curves: Mapping[str, Sequence[float]],
    max_epochs: int,
) -> dict[str, Expected]:
    """Return the predicted final values of trials by their curves so far; of finished ones their own.

    Parameters
    ----------
    predictor : IntervalPredictor
        Predicts the value after `max_epochs` epochs.
    configurations, curves : mapping
        By trial; those of the curves' trials are used.
    max_epochs : int
        Number of epochs of a full training.

    Returns
    -------
    dict of str to (float, float, float)
        Trial -> predicted final value, and the ends of the interval that should hold it as often as a normal
        distribution is within one standard deviation. Trials that diverged, and predictions that are not
        finite, are left out.
    """
    sound = {one: curve for one, curve in curves.items() if all(map(math.isfinite, curve))}
    found = {one: (curve[-1],) * 3 for one, curve in sound.items() if len(curve) >= max_epochs}
    begun = [trial_id for trial_id in sound if trial_id not in found]
    if begun:
        frame = partial_curves(
            [configurations[one] for one in begun], [sound[one] for one in begun], max_epochs
        )
        predicted = predictor.predict_interval(frame, coverage=ONE_DEVIATION)
        rows = zip(predicted.mean.tolist(), predicted.lower.tolist(), predicted.upper.tolist(), strict=True)
        found |= dict(zip(begun, rows, strict=True))
    return {one: row for one, row in found.items() if all(map(math.isfinite, row))}


def partial_curves(
    configurations: Sequence[Configuration], curves: Sequence[Sequence[float]], n_epochs: int
) -> pd.DataFrame:
    """Return configurations and the curves so far [n][epochs] as the input of a predictor.

    Examples
    --------
    >>> partial_curves([{"lr": 0.1}], [[3.0]], n_epochs=2).to_dict("records")
    [{'lr': 0.1, 'loss_0': 3.0, 'loss_1': nan}]
    """
    import pandas as pd

    from mlpf_hpo.curves.ends import pad_curves
    from mlpf_hpo.curves.schema import predictor_frame

    table = pd.DataFrame([dict(configuration) for configuration in configurations])
    return predictor_frame(table, pad_curves(curves, n_epochs))


def _row(prediction: Prediction, i: int) -> Prediction:
    row = slice(i, i + 1)
    return Prediction(
        prediction.mean[row], prediction.lower[row], prediction.upper[row], coverage=prediction.coverage
    )
