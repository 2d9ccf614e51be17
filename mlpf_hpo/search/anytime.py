"""Anytime regret: how far the best fully trained trial is from the best searched one, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.simulator import SimulatedSearch

EXACT = 1e-12
"""Means of regrets that differ by less are equal: the order of a sum decides on its last digits."""


@dataclass(frozen=True)
class RegretScale:
    """Origin and unit of the regret of a search.

    Attributes
    ----------
    best, worst : float
        Smallest and largest finite final cost of the searched curves; a cost is the final value with the sign
        that makes smaller better.
    unit : float
        Median of the finite final costs minus the best.
    """

    best: float
    worst: float
    unit: float

    @classmethod
    def of(cls, curves: LearningCurves) -> RegretScale:
        """Return the scale of searched curves.

        Raises
        ------
        DataError
            If regret has no unit: half of the curves, or more, end at the best value, or none is finite.
        """
        costs = _finite_costs(curves)
        unit = float(np.median(costs) - costs.min()) if len(costs) else 0.0
        if unit <= 0:
            raise DataError(
                f"{curves.source or 'the curves'}: half of {len(curves)} searched curves, or more, end at "
                "the best value: regret, which is counted in units of median minus best, has no unit"
            )
        return cls(float(costs.min()), float(costs.max()), unit)

    @classmethod
    def in_metric(cls, curves: LearningCurves) -> RegretScale:
        """Return the scale of regret in units of the metric; best and worst are NaN without finals."""
        costs = _finite_costs(curves)
        return cls(float(costs.min()), float(costs.max()), 1.0) if len(costs) else cls(np.nan, np.nan, 1.0)


def _finite_costs(curves: LearningCurves) -> FloatArray:
    final = curves.final[np.isfinite(curves.final)]
    return final if curves.mode == "min" else -final


@dataclass(frozen=True)
class AnytimeRegret:
    """A falling staircase: the regret after each number of epochs that all trials together have taken.

    Attributes
    ----------
    epochs : array [n_steps] of int
        Numbers of epochs after which the regret changes, ascending; the first is 0.
    regret : array [n_steps]
        The regret from there on, in units of `RegretScale`.
    """

    epochs: IntArray
    regret: FloatArray

    def at(self, epochs: IntArray) -> FloatArray:
        """Return the regret after so many epochs."""
        return self.regret[np.searchsorted(self.epochs, epochs, side="right") - 1]


def anytime_regret(search: SimulatedSearch, curves: LearningCurves, scale: RegretScale) -> AnytimeRegret:
    """Return the regret of the best *fully trained* trial after each epoch of a search.

    Until a first trial is trained to the end with a finite value there is nothing to show: the regret is that
    of the worst finite final value of the searched curves.

    Parameters
    ----------
    search : SimulatedSearch
        The search, of these curves.
    curves : LearningCurves
        The searched curves.
    scale : RegretScale
        Theirs.

    Examples
    --------
    >>> from mlpf_hpo import FullTraining, LearningCurves, TargetMetric, simulate
    >>> rows = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    >>> losses = [[9.0, 4.0], [9.0, 1.0], [9.0, 2.0]]
    >>> curves = LearningCurves.from_arrays(rows, losses, TargetMetric("loss", "min"))
    >>> found = anytime_regret(simulate(curves, FullTraining()), curves, RegretScale.of(curves))
    >>> found.epochs.tolist(), found.regret.tolist()
    ([0, 4], [3.0, 0.0])
    """
    nth = np.zeros(len(search.rows), dtype=np.int64)
    order = np.argsort(search.rows, kind="stable")
    counts = np.bincount(search.rows, minlength=len(curves))
    nth[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    ends = np.flatnonzero(nth == curves.n_epochs - 1)
    final = curves.final[search.rows[ends]]
    costs = np.where(np.isfinite(final), final if curves.mode == "min" else -final, scale.worst)
    best = np.minimum.accumulate(np.concatenate([[scale.worst], costs]))
    steps = np.flatnonzero(np.diff(best, prepend=np.inf) < 0)
    epochs = np.concatenate([[0], ends + 1])[steps]
    return AnytimeRegret(epochs, (best[steps] - scale.best) / scale.unit)


def mean_anytime(searches: Sequence[AnytimeRegret], weights: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the weighted mean of several searches' anytime regret.

    Parameters
    ----------
    searches : sequence of AnytimeRegret [n]
    weights : array [n_draws, n]
        Weights of the searches, of sum 1, for each of several means.

    Returns
    -------
    epochs : array [n_steps]
        Where one of the staircases changes, ascending from 0.
    regret : array [n_draws, n_steps]
    """
    epochs = np.unique(np.concatenate([one.epochs for one in searches]))
    return epochs, weights @ np.stack([one.at(epochs) for one in searches])


def epochs_at(
    searches: Sequence[AnytimeRegret], regret: float, never: float, weights: FloatArray | None = None
) -> FloatArray:
    """Return the least number of epochs after which the mean anytime regret is at most a given one.

    Parameters
    ----------
    searches : sequence of AnytimeRegret [n]
        One per seed.
    regret : float
        The limit.
    never : float
        What counts where the limit is never reached.
    weights : array [n_draws, n], optional
        Weights of the searches, for each of several means; by default one mean with equal weights.

    Returns
    -------
    array [n_draws]

    Examples
    --------
    >>> fast = AnytimeRegret(np.array([0, 5]), np.array([1.0, 0.0]))
    >>> slow = AnytimeRegret(np.array([0, 8]), np.array([1.0, 0.0]))
    >>> epochs_at([fast, slow], 0.5, 99).tolist(), epochs_at([fast, slow], 0.1, 99).tolist()
    ([5.0], [8.0])
    >>> never = AnytimeRegret(np.array([0]), np.array([1.0]))
    >>> epochs_at([fast, never], 0.1, 99).tolist()
    [99.0]
    """
    if weights is None:
        weights = np.full((1, len(searches)), 1 / len(searches))
    epochs, means = mean_anytime(searches, weights)
    reached = means <= regret + EXACT
    return np.where(reached.any(axis=1), epochs[reached.argmax(axis=1)], never).astype(float)


def untrained_regret(searched: LearningCurves, prior: LearningCurves) -> float:
    """Return the regret of a prior campaign's best configuration, which costs no epochs.

    It is negative where the prior has a better one than the searched curves. The prior is of the same task.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> def curves(*final):
    ...     target = TargetMetric("loss", "min")
    ...     return LearningCurves.from_arrays([{"lr": x} for x in final], [[x] for x in final], target)
    >>> untrained_regret(curves(1.0, 2.0, 3.0), curves(1.5, 4.0))
    0.5
    """
    scale = RegretScale.of(searched)
    return float(prior.target.cost(prior.target.best(prior.final)) - scale.best) / scale.unit
