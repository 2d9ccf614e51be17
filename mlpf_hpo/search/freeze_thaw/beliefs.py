"""`Beliefs`: what a search knows of every trial's final value, and the stopping index of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.freeze_thaw.extrapolation import LEAST_CURVES, PriorExtrapolation, usual_variance
from mlpf_hpo.search.freeze_thaw.final_values import (
    OwnProcesses,
    PriorCampaign,
    Process,
    condition,
    encode,
    prior_finals,
)
from mlpf_hpo.search.freeze_thaw.own_axis import predict_together
from mlpf_hpo.search.freeze_thaw.stopping_index import VARIANCES, MarginTable, decision_epochs
from mlpf_hpo.search.freeze_thaw.value_axis import ValueAxis
from mlpf_hpo.search.prior_ranking import shared_hyperparameters
from mlpf_hpo.space import Configuration

CALM = 4.0
"""So many errors of the expected size are added before the size of the errors is judged."""

LARGEST_ERROR = 25.0
"""Squared errors count as at most so many variances."""

LEAST_NEWS = 0.3
"""Successive predictions of one trial may differ by at least this share of the former one's variance."""

INFLATION_STEP = 1.25
"""Variances are inflated by powers of this factor: the margins of each are tabulated once."""

FIRST_PRICE = 0.5
"""Of a full training: a search begins at this price and halves it whenever nothing is worth it.

While something is worth a higher price it is done first: so a good trial is finished early.
"""

OWN_AXIS_PRICE = 0.6
"""Share of the price that is asked on an axis of the search's own.

There the variances are those of experience, not measured: a little more is tried before trials are trained to
the end.
"""

FILL_PRICE = 3.0
"""Times the lowest price: asked of what workers train that would wait otherwise."""

LEAST_SPREAD = 2.0
"""Least variance of final values on an axis that a search makes for itself.

The median final value stands at 3 there by definition, and one of the many that have not begun may be as good
as the best: the first few predictions are more alike than that.
"""

MOST_OBSERVED = 200
"""Trials that processes and changes of curves are learnt from; of more, see `_at_most`."""

FOREIGN_TRIALS = 4
"""After so many trials it is asked whether the prior's axis is theirs."""

FOREIGN_SHARE = 0.5
"""Share of trials beyond all values of the prior at which it is not."""

FOREIGN_CHANCE = 0.01
"""Nor is it where so many of the prior's final values, with none better than the best finished one, are less
likely than this.
"""

FOREIGN_CORRELATIONS = (0.5, 0.8)
"""Of the final values with those of such a prior: the order of another task is not all of this one's."""

DIGITS = 9
"""Of indices: what differs by less is equal."""

WORSE_THAN_ALL = 1.0
"""A diverged trial counts as so much worse than any other, on the axis."""


class Beliefs:
    """Normal distributions of the final values of all trials, from hyperparameters and curves.

    With a prior campaign whose losses are like the search's, the axis and the way in which curves end are
    those of the prior. Otherwise both are found from the search itself, and of a prior only the order of its
    configurations is used.

    Parameters
    ----------
    configurations : sequence of mapping
        Of all trials.
    max_epochs : int
        Number of epochs of a full training.
    price : float
        Of a full training, on the axis; the lowest, see `FIRST_PRICE`.
    prior : LearningCurves, optional
        Curves of a prior campaign.
    filling : bool
        Whether `filling_index` is asked for.

    Attributes
    ----------
    epochs : array of int [k]
        Numbers of epochs at which trials are observed, see `decision_epochs`.
    mean, variance, index : array [n]
        Of the final value on the axis; the index as in `stopping_index`, at the highest price at which
        anything is worth its next epochs.
    filling_index : array [n]
        The index at `FILL_PRICE`, if that is asked for.

    Raises
    ------
    ConfigurationError, DataError
        If prior and trials share no hyperparameter, or the prior has too few final values.
    """

    def __init__(
        self,
        configurations: Sequence[Configuration],
        max_epochs: int,
        price: float,
        prior: LearningCurves | None = None,
        filling: bool = False,
    ) -> None:
        n = len(configurations)
        self.epochs = decision_epochs(max_epochs)
        self.mean, self.variance = np.zeros(n), np.ones(n)
        self.index, self.filling_index = np.zeros(n), np.zeros(n)
        halvings = max(0, math.ceil(math.log2(FIRST_PRICE / price) - 1e-9))
        self._prices = [*(FIRST_PRICE / 2**n for n in range(halvings)), price]
        self._filling_prices = [FILL_PRICE * price] if filling else []
        self._reached = np.zeros(n, dtype=np.int64)
        self._costs = np.full((n, len(self.epochs)), np.nan)  # at the numbers of epochs, from column 1 on
        self._failed = np.zeros(n, dtype=bool)
        self._ended = np.zeros(n, dtype=bool)
        self._values, self._noise = np.zeros(n), np.full(n, np.inf)
        self._sum_of_errors, self._n_errors = 0.0, 0
        self._margins: dict[tuple[int, bool], MarginTable] = {}
        table = pd.DataFrame([dict(one) for one in configurations])
        self._own = OwnProcesses(encode(table)[0])
        self._usual = usual_variance(self.epochs)
        self._axis: ValueAxis | None = None
        self._extrapolation: PriorExtrapolation | None = None
        self._campaign: PriorCampaign | None = None
        if prior is not None:
            self._learn_prior(prior, table, max_epochs)
        self.update()

    @property
    def own_axis(self) -> bool:
        """Whether axis and curves are those of the search itself, not of a prior campaign."""
        return self._extrapolation is None

    def observe(self, row: int, costs: Sequence[float]) -> None:
        """Record the costs [epochs] of a trial that has reached one of `epochs`; smaller is better."""
        k = int(np.searchsorted(self.epochs, len(costs)))
        curve = np.asarray(costs, dtype=np.float64)
        self._reached[row], self._costs[row, 1 : k + 1] = k, curve[self.epochs[1 : k + 1] - 1]
        if self._extrapolation is None or self._axis is None:
            return
        value = self._extrapolation.final(self._axis.transform(curve), k)
        noise = float(self._extrapolation.variance[k])
        if np.isfinite(self._noise[row]):
            expected = max(self._noise[row] - noise, LEAST_NEWS * self._noise[row])
            self._sum_of_errors += min((value - self._values[row]) ** 2 / expected, LARGEST_ERROR)
            self._n_errors += 1
        self._values[row], self._noise[row] = value, noise
        if np.count_nonzero(self._reached) >= FOREIGN_TRIALS and self._is_foreign(self._axis):
            self._extrapolation = None

    def end(self, row: int, failed: bool = False) -> None:
        """Record that a trial ended; one that diverged or failed had a bad configuration."""
        self._ended[row] = True
        self._failed[row] |= failed

    def finished(self) -> BoolArray:
        """Return which trials were trained to the end, [n]."""
        return (self._reached == len(self.epochs) - 1) & ~self._failed

    def best_finished(self) -> float:
        """Return the best value on the axis of a trial that was trained to the end; infinity if none was."""
        finished = self.finished()
        return float(self._values[finished].min()) if finished.any() else math.inf

    def final_costs(self, deviations: float = 0.0) -> FloatArray | None:
        """Return the expected final cost of every trial [n], or one so many standard deviations above it.

        NaN of a trial that has failed; None while there is no axis yet.
        """
        if self._axis is None:
            return None
        costs = self._axis.inverse_transform(self.mean + deviations * np.sqrt(self.variance))
        return np.where(self._failed, np.nan, costs)

    def update(self) -> None:
        """Bring mean, variance and index of all trials up to date."""
        processes = self._processes()
        inflation = self._inflation()
        noise = self._noise * inflation
        self._count_failed(noise)
        asked = np.flatnonzero(self._reached < len(self.epochs) - 1)
        rows = self._conditioned_on()
        mean, variance = condition(processes, rows, self._values[rows], noise[rows], asked)
        self.mean[:], self.variance[:] = self._values, VARIANCES[0]
        self.mean[asked], self.variance[asked] = mean, variance
        # What is known without the trial's own curve: with it, the variance falls as it goes on.
        with np.errstate(divide="ignore"):
            before = 1 / np.maximum(1 / variance - 1 / np.maximum(noise[asked], 1e-8), 1 / VARIANCES[-1])
        before = np.clip(before, VARIANCES[0], VARIANCES[-1])
        best, live = self.best_finished(), ~self._ended[asked]
        self.index, self.filling_index = self.mean.copy(), self.mean.copy()
        # Of trials of which as much is known, the last bits must not choose.
        at_prices = np.round(mean - self._margins_for(inflation).at(self._reached[asked], before), DIGITS)
        self.filling_index[asked] = at_prices[-1]
        for index in at_prices[: len(self._prices)]:
            self.index[asked] = index
            if best == math.inf or (live.any() and index[live].min() < best):
                break

    def _learn_prior(self, prior: LearningCurves, trials: pd.DataFrame, max_epochs: int) -> None:
        final = prior_finals(prior, max_epochs)
        known = np.isfinite(final)
        diverged = (prior.status == "diverged") & ~known
        costs = prior.values if prior.mode == "min" else -prior.values
        whole = costs.shape[1] >= max_epochs
        axis = ValueAxis.of(final[known])
        values = axis.transform(final)
        values[diverged] = values[known].max() + WORSE_THAN_ALL
        used = known | diverged
        if trials.shape[1]:
            names = shared_hyperparameters(prior, trials)
            inputs, offered = encode(prior.configs.loc[used, names], trials[names])
            if inputs.shape[1]:
                self._campaign = PriorCampaign(inputs, values[used], offered)
        complete = np.isfinite(costs[:, :max_epochs]).all(axis=1)
        if whole and complete.sum() >= LEAST_CURVES:
            curves = axis.transform(costs[complete, :max_epochs])
            self._axis, self._extrapolation = axis, PriorExtrapolation(curves, self.epochs)
            self._prior_range = float(curves.min()), float(curves.max())
            self._prior_finals = np.sort(values[known])
            self._prior_mean, self._prior_variance = float(values[used].mean()), float(values[used].var())

    def _is_foreign(self, axis: ValueAxis) -> bool:
        """Return whether the costs of the search, or its good ones, are beyond those on the prior's axis."""
        low, high = self._prior_range
        rows = np.flatnonzero(self._reached)
        last = axis.transform(self._costs[rows, self._reached[rows]])
        beyond = (last < low - WORSE_THAN_ALL) | (last > high + WORSE_THAN_ALL)
        return bool(beyond.mean() >= FOREIGN_SHARE) or self._promises_in_vain()

    def _promises_in_vain(self) -> bool:
        """Return whether the best finished trial is too poor for the prior's final values.

        What is finished looked best before. If the best of as many of the prior's values, drawn at random,
        would hardly ever be as poor, the search would look for the prior's best values in vain, and train
        everything.
        """
        finished = self._values[self.finished()]
        if not len(finished):
            return False
        m = len(self._prior_finals)
        # One more, as if the prior had another: the worst of a few says little of all that are worse.
        worse = (m + 1 - np.searchsorted(self._prior_finals, finished.min())) / (m + 1)
        return float(worse) ** len(finished) < FOREIGN_CHANCE

    def _processes(self) -> list[Process]:
        if self._extrapolation is not None:
            if self._campaign is not None:
                return self._campaign.processes(self._campaign.mean, self._campaign.spread)
            return self._own.processes(self._prior_mean, max(self._prior_variance, LEAST_SPREAD))
        self._find_own_axis()
        seen = np.isfinite(self._noise)
        mean = float(self._values[seen].mean()) if seen.any() else 0.0
        variance = max(float(self._values[seen].var()), LEAST_SPREAD) if seen.sum() > 1 else 1.0
        found = self._own.processes(mean, variance)
        if self._campaign is not None:
            found += self._campaign.processes(mean, math.sqrt(variance), FOREIGN_CORRELATIONS)
        return found

    def _find_own_axis(self) -> None:
        """Find the axis, the predicted final values, and the size of their errors, from all curves."""
        rows = np.flatnonzero(self._reached)
        self._values[:], self._noise[:] = 0.0, np.inf
        self._noise[rows] = self._usual[self._reached[rows]]
        if len(rows) < 2:
            return
        reached = self._reached[rows]
        last = self._costs[rows, reached]
        curves = self._costs[_at_most(MOST_OBSERVED, rows, last)]
        found = predict_together(last, reached, curves, self._usual)
        self._axis, self._values[rows] = found.axis, found.values
        errors = np.minimum(found.errors, LARGEST_ERROR)
        self._sum_of_errors, self._n_errors = float(errors.sum()), len(errors)

    def _inflation(self) -> float:
        ratio = (CALM + self._sum_of_errors) / (CALM + self._n_errors)
        return float(INFLATION_STEP ** round(math.log(max(ratio, 1.0)) / math.log(INFLATION_STEP)))

    def _count_failed(self, noise: FloatArray) -> None:
        failed = np.flatnonzero(self._failed)
        if len(failed):
            others = np.isfinite(self._noise) & ~self._failed
            worst = float(self._values[others].max()) if others.any() else 0.0
            self._values[failed], noise[failed] = worst + WORSE_THAN_ALL, 1.0

    def _conditioned_on(self) -> IntArray:
        seen = np.flatnonzero(np.isfinite(self._noise) | self._failed)
        return _at_most(MOST_OBSERVED, seen, self._values[seen])

    def _margins_for(self, inflation: float) -> MarginTable:
        """Return the margins at all prices, the highest first, and at that of filling."""
        key = round(math.log(inflation) / math.log(INFLATION_STEP)), self.own_axis
        if key not in self._margins:
            curve = self._usual if self._extrapolation is None else self._extrapolation.variance
            share = OWN_AXIS_PRICE if self.own_axis else 1.0
            asked = [*self._prices, *self._filling_prices]
            prices = np.array([share * price / self.epochs[-1] for price in asked])
            self._margins[key] = MarginTable(self.epochs, curve * inflation, prices)
        return self._margins[key]


def _at_most(n: int, rows: IntArray, values: FloatArray) -> IntArray:
    """Return n rows: those of the smallest values, and as many of the others; all if there are no more."""
    if len(rows) <= n:
        return rows
    ordered = rows[np.argsort(values, kind="stable")]
    half = n // 2
    others = np.linspace(half, len(ordered) - 1, half).round().astype(np.int64)
    return ordered[np.concatenate([np.arange(half), others])]
