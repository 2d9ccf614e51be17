"""`PromotionReplay`: what a predictor saves in searches, replayed on recorded curves.

A search runs one trial at a time, so that only the order of the configurations is random.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.search_scores import Predicted
from mlpf_hpo.search.anytime import RegretScale, anytime_regret
from mlpf_hpo.search.draws import DrawPlan, Sizes
from mlpf_hpo.search.resampling import Resampling
from mlpf_hpo.search.scheduler import rungs
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.seeds import derive_seed

GRACE_EPOCHS, REDUCTION_FACTOR = 1, 3.0
"""Of the promotion; those of `search` in params.yaml are no part of a predictor's worth."""

REGRET = 0.02
"""At which epochs are counted, in units of median minus best final value of the searched curves."""

ORDERS = 8
"""Searches of each part of the curves, in orders of their own."""


class EndlessPromotion(PromotionASHA):
    """`PromotionASHA` that goes on where it has nothing left to promote.

    Then the best trial that is paused at the highest rung is resumed. Its first epochs are those of
    `PromotionASHA`, and it ends when all trials are trained.

    Examples
    --------
    >>> scheduler = EndlessPromotion(max_epochs=9)
    >>> scheduler.on_trial_result("t0", 1, 2.0).value, scheduler.on_trial_result("t1", 1, 1.0).value
    ('pause', 'pause')
    >>> scheduler.choose(pending=[], paused=["t0", "t1"])
    't1'
    """

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return what `PromotionASHA` chooses, else the best paused trial of the highest rung."""
        chosen = super().choose(pending, paused)
        if chosen is not None:
            return chosen
        ranked = (trial_id for rung in reversed(self._staying.values()) for _, trial_id in rung.ranked)
        self._chosen = next((trial_id for trial_id in ranked if trial_id in paused), "")
        return self._chosen or None


@dataclass(frozen=True)
class PairedEpochs:
    """Epochs that searches took under several predictors, over those of promotion by last values.

    Attributes
    ----------
    logarithms : mapping of str to array [n_searches]
        Predictor -> logarithm of the ratio, search by search.
    resampling : Resampling
        Of the searches, for intervals.
    """

    logarithms: Mapping[str, FloatArray]
    resampling: Resampling

    @property
    def searches(self) -> int:
        """Number of searches under each predictor."""
        return len(next(iter(self.logarithms.values())))

    def ratio(self, name: str, other: str | None = None) -> dict[str, float]:
        """Return epochs over those with `other`, else over those by last values, see `ReplayedEpochs`."""
        values = self.logarithms[name] - (0.0 if other is None else self.logarithms[other])
        # Signs mean nothing here: `mean` would not let an interval of values of one sign cross 0.
        center = float(values.mean())
        spread = self.resampling.mean(values - center)
        return {end: math.exp(center + spread[end]) for end in ("mean", "low", "high")}


@dataclass(frozen=True)
class PromotionReplay:
    """Replays promotion by predicted final values, and counts its epochs until its regret is small.

    Counted are the epochs of all trials together until one is trained to the end whose final value is at most
    `REGRET` from the best of the searched curves, under each predictor and under `PromotionASHA`, which ranks
    by last values. Both go on after their own ends as `EndlessPromotion` does: it is reached in every search.

    Parameters
    ----------
    orders : int
        Searches of each part.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> final = [float(i) for i in range(12)]
    >>> losses = [[11 - end, 11 - end, 11 - end, end] for end in final]  # the last values mislead
    >>> rows = [{"lr": end + 1} for end in final]
    >>> curves = LearningCurves.from_arrays(rows, losses, TargetMetric("loss", "min"))
    >>> predicted = {"exact": {1: curves.final, 3: curves.final}}
    >>> found = PromotionReplay().replay(curves, predicted, [np.arange(12)], seed=0)
    >>> found.searches, found.ratio("exact")["mean"] < 1
    (8, True)
    """

    orders: int = ORDERS

    def asked_epochs(self, n_epochs: int) -> tuple[int, ...]:
        """Return after how many epochs the search asks for predictions: at its rungs.

        Examples
        --------
        >>> PromotionReplay().asked_epochs(16)
        (1, 3, 9)
        """
        return tuple(math.ceil(level) for level in rungs(n_epochs, GRACE_EPOCHS, REDUCTION_FACTOR))

    def replay(
        self,
        curves: LearningCurves,
        predicted: Mapping[str, Predicted],
        parts: Sequence[IntArray],
        seed: int,
    ) -> PairedEpochs:
        """Search each part of the rows under each predictor, see `SearchReplay`."""
        asked = self.asked_epochs(curves.n_epochs)
        tables = {name: _with_predictions(curves, by_known, asked) for name, by_known in predicted.items()}
        found: dict[str, list[float]] = {name: [] for name in predicted}
        for number, part in enumerate(parts):
            plans = {name: _orders(table, part) for name, table in tables.items()}
            plain = _orders(curves, part)
            for order in range(self.orders):
                own_seed = derive_seed(seed, number, order)
                without = _epochs(plain.draw(own_seed).searched)
                for name, plan in plans.items():
                    found[name].append(math.log(_epochs(plan.draw(own_seed).searched) / without))
        configurations = len(np.unique(curves.groups))
        sizes = Sizes(searched=math.ceil(configurations / len(parts)), prior=0, available=configurations)
        resampling = Resampling.of(self.orders * len(parts), sizes, seed)
        return PairedEpochs({name: np.array(values) for name, values in found.items()}, resampling)


def _orders(curves: LearningCurves, part: IntArray) -> DrawPlan:
    """Return the plan that draws all configurations of a part, in an order of its own for each seed."""
    table = curves.select(part)
    return DrawPlan(table, searched=len(np.unique(table.groups)), prior=0)


def _epochs(searched: LearningCurves) -> float:
    """Return the number of epochs of all trials until one is trained to the end whose regret is `REGRET`."""
    scheduler = EndlessPromotion(searched.n_epochs, GRACE_EPOCHS, REDUCTION_FACTOR, searched.mode)
    scale = RegretScale.in_metric(searched)
    anytime = anytime_regret(simulate(searched, scheduler), searched, scale)
    median = searched.target.cost(float(np.median(searched.final)))
    level = REGRET * (median - scale.best)
    reached = float(anytime.epochs[(anytime.regret <= level).argmax()])
    return max(reached, 1.0)  # 0 where all trials are as good


def _with_predictions(curves: LearningCurves, predicted: Predicted, asked: Sequence[int]) -> LearningCurves:
    """Return curves whose values at rungs are predicted final values: all that a promotion looks at there."""
    values = curves.values.copy()
    for known in asked:
        finite = np.isfinite(predicted[known])
        values[finite, known - 1] = predicted[known][finite]
    return replace(curves, metrics=MappingProxyType({curves.metric: values}))
