"""`FreezeThaw`: run the trial whose next epochs are worth most, by a posterior of all final values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.freeze_thaw.beliefs import DIGITS, Beliefs
from mlpf_hpo.search.freeze_thaw.final_values import prior_finals
from mlpf_hpo.search.prior_ranking import check_mode, shared_hyperparameters
from mlpf_hpo.search.scheduler import BaseScheduler, Decision
from mlpf_hpo.space import Configuration, Mode

PRICE = 2.0**-6
"""Default price of a full training, see `FreezeThaw`."""

LEAST_PRICE = 2.0**-8
"""Price of a full training in a search that does not end by itself."""

LEAST_FINISHED = 3
"""Without a prior campaign's curves a search does not end by itself before so many trials are finished.

Fewer do not tell how far first epochs foretell the ends: curves that are flat at first all look alike there.
"""


class FreezeThaw(BaseScheduler):
    """Freeze and thaw trials by their stopping index: no rungs, and no number of them to keep.

    The final value of every trial has a posterior distribution, from its hyperparameters, its curve, the
    other trials and, if there is one, a prior campaign (see `Beliefs`). A training may stop at any of the
    epochs 1, 2, 3, 4, 6, 8, 11, ...; the index of a trial is how good a finished one must be for its next
    epochs not to be worth their price. The trial with the smallest index runs: when another one's becomes
    smaller, it is paused. A trial whose index is above what is finished, or above what a running one is
    expected to reach, does not run; when nothing else may, the search ends. So which trials begin at all,
    and how many, follows from the prices and the posterior. The posterior is brought up to date at every
    report, and depends on the reports alone: a restart that repeats them decides the same, and no record of
    fits is needed.

    Parameters
    ----------
    max_epochs : int
        Number of epochs of a full training.
    mode : {"min", "max"}
        Whether smaller or larger values are better.
    prior : LearningCurves, optional
        A prior campaign: curves of the same hyperparameters, of this task or another one. How far it is
        followed is decided by what is observed.
    price : float
        What a full training may cost, in tenths of the distance from the best to the median final value: the
        search ends when the next epochs are expected to gain less than their part of it. It begins at a
        higher price, which falls as it goes on: so a good trial is finished early.
    ends : bool
        Whether the search ends by itself, without a prior's curves not before three trials are trained;
        otherwise it goes on, best index first, until all are.
    fill_workers : bool
        Whether a worker that would wait for a running trial trains another one meanwhile, whose next epochs
        are worth three times the lowest price. That takes less time and more epochs: what else might be tried
        is tried before the running trials have ended.

    Raises
    ------
    ConfigurationError, DataError
        If a parameter has no meaning, the prior has another mode, shares no hyperparameter with the trials,
        or has too few final values.

    References
    ----------
    K. Swersky, J. Snoek, R. P. Adams, "Freeze-thaw Bayesian optimization", arXiv 1406.3896; M. L. Weitzman,
    "Optimal search for the best alternative", Econometrica 47 (1979) 641.

    Examples
    --------
    >>> from mlpf_hpo import FreezeThaw, LearningCurves, TargetMetric, simulate
    >>> losses = [[9.0 / rank + epoch for epoch in (4.0, 2.0, 1.0, 0.0)] for rank in range(1, 13)]
    >>> configurations = [{"lr": 0.1 * rank} for rank in range(1, 13)]
    >>> curves = LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))
    >>> found = simulate(curves, FreezeThaw(max_epochs=4))
    >>> found.best, found.epochs < 24
    (0.75, True)
    """

    def __init__(
        self,
        max_epochs: int,
        mode: Mode = "min",
        prior: LearningCurves | None = None,
        price: float = PRICE,
        ends: bool = True,
        fill_workers: bool = False,
    ) -> None:
        super().__init__(max_epochs, mode)
        if not 0 < price < math.inf:
            raise ConfigurationError(f"price must be finite and above 0, found {price}")
        if prior is not None:
            check_mode(prior, mode, "freeze_thaw")
            prior_finals(prior, max_epochs)
        self.prior, self.price, self.ends, self.fill_workers = prior, price, ends, fill_workers
        self._rows: dict[str, int] = {}
        self._configurations: list[Configuration] = []
        self._costs: list[list[float]] = []
        self._observed: list[tuple[int, int]] = []  # rows and epochs, in the order of the reports
        self._live: dict[str, None] = {}
        self._continuing: set[str] = set()
        self._ended: dict[int, bool] = {}
        self._beliefs: Beliefs | None = None

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Add a trial that may be started.

        Raises
        ------
        ConfigurationError
            If it shares no hyperparameter with the prior.
        """
        if self.prior is not None and configuration and not self._rows:
            shared_hyperparameters(self.prior, pd.DataFrame([dict(configuration)]))
        self._rows[trial_id] = len(self._rows)
        self._configurations.append(dict(configuration))
        self._costs.append([])
        self._live[trial_id] = None
        self._beliefs = None

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch."""
        beliefs = self._known()  # made before the epoch is recorded, which it would observe
        self._costs[self._rows[trial_id]].append(self._cost(value))
        if not math.isfinite(value):
            self._end(trial_id, failed=True)
        elif epoch in beliefs.epochs:
            row = self._rows[trial_id]
            self._observed.append((row, epoch))
            beliefs.observe(row, self._costs[row])
            if epoch >= self.max_epochs:
                self._end(trial_id)
            else:
                beliefs.update()
        return super().on_trial_result(trial_id, epoch, value)

    def on_trial_complete(self, trial_id: str) -> None:
        """Record that a trial ended."""
        self._end(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Record that a trial failed."""
        self._end(trial_id, failed=True)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the trial with the smallest index, unless its next epochs are not worth their price."""
        waiting = [*paused, *pending]
        if not waiting:
            return None
        beliefs = self._known()
        chosen = self._smallest(beliefs.index, waiting)
        running = self._live.keys() - set(waiting)
        incumbent = self._incumbent(running)
        if beliefs.index[self._rows[chosen]] < incumbent or not (running or self.ends):
            return chosen
        if running and self.fill_workers:
            chosen = self._smallest(beliefs.filling_index, waiting)
            return chosen if beliefs.filling_index[self._rows[chosen]] < incumbent else None
        if running or self._may_end():
            return None
        return self._smallest(np.round(beliefs.mean, DIGITS), waiting)

    def posterior(self) -> dict[str, tuple[float, float, float]]:
        """Return what is expected of every trial that has not failed, in units of the metric.

        Returns
        -------
        dict of str to (float, float, float)
            Trial -> expected final value, and those one standard deviation below and above it. Empty where
            there is no prior and fewer than two trials were observed.
        """
        found = self.quantiles((0.0, -1.0, 1.0))
        return {trial_id: (costs[0], min(costs), max(costs)) for trial_id, costs in found.items()}

    def quantiles(self, deviations: Sequence[float]) -> dict[str, tuple[float, ...]]:
        """Return final values that are so many standard deviations worse than expected, see `posterior`."""
        found = [self._known().final_costs(one) for one in deviations]
        out = {}
        for trial_id, row in self._rows.items():
            values = tuple(self._cost(float(one[row])) for one in found if one is not None)
            if values and math.isfinite(values[0]):
                out[trial_id] = values
        return out

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Go on as one of the best that run, else pause: `choose` may resume it.

        Which trials run is taken from the decisions alone: who was chosen and has not reported yet is not
        known after a restart, and must not make a difference.
        """
        beliefs = self._known()
        if epoch not in beliefs.epochs:
            return Decision.CONTINUE
        own = beliefs.index[self._rows[trial_id]]
        better = sum(beliefs.index[self._rows[other]] < own for other in self._live)
        self._continuing.discard(trial_id)
        if better > len(self._continuing) or own >= self._incumbent(self._continuing):
            return Decision.PAUSE
        self._continuing.add(trial_id)
        return Decision.CONTINUE

    def _may_end(self) -> bool:
        beliefs = self._known()
        return not beliefs.own_axis or bool(beliefs.finished().sum() >= LEAST_FINISHED)

    def _smallest(self, values: FloatArray, waiting: Sequence[str]) -> str:
        """Return which of these trials has the smallest of the values of all [n]; of equal ones the first."""
        return min(waiting, key=lambda trial_id: (values[self._rows[trial_id]], self._rows[trial_id]))

    def _known(self) -> Beliefs:
        """Return the beliefs on all trials that were added; made at the first question after that."""
        if self._beliefs is None:
            price = self.price if self.ends else min(self.price, LEAST_PRICE)
            self._beliefs = Beliefs(
                self._configurations, self.max_epochs, price, self.prior, self.fill_workers
            )
            for row, epoch in self._observed:  # there are some if trials were added on the way
                self._beliefs.observe(row, self._costs[row][:epoch])
            for row, failed in self._ended.items():
                self._beliefs.end(row, failed)
            if self._ended or self._observed:
                self._beliefs.update()
        return self._beliefs

    def _incumbent(self, running: Iterable[str]) -> float:
        """Return the best value that is finished, or that one of these trials is expected to reach."""
        beliefs = self._known()
        rows = [self._rows[trial_id] for trial_id in running if self._costs[self._rows[trial_id]]]
        return min(beliefs.best_finished(), min(beliefs.mean[rows], default=math.inf))

    def _end(self, trial_id: str, failed: bool = False) -> None:
        if trial_id not in self._live:
            return
        del self._live[trial_id]
        self._continuing.discard(trial_id)
        beliefs = self._known()
        self._ended[self._rows[trial_id]] = failed
        beliefs.end(self._rows[trial_id], failed)
        beliefs.update()
