"""`Draw`: the curves that one replay searches, in their order, and those that it has as a prior campaign."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlpf_hpo.array_types import BoolArray, IntArray
from mlpf_hpo.curves.left_out_rows import leave_out, name_rows
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.prior_predictor import PriorPredictor
from mlpf_hpo.seeds import derive_seed

LEAST_PRIOR = 2
"""Number of configurations of a prior campaign, at least."""


@dataclass(frozen=True)
class Draw:
    """One search to be replayed.

    Attributes
    ----------
    seed : int
        Of the durations of epochs, and of what is random in a scheduler.
    searched : LearningCurves
        One curve per trial, in the order in which trials are offered to the scheduler.
    prior : LearningCurves or None
        A prior campaign, for the schedulers that use one.
    """

    seed: int
    searched: LearningCurves
    prior: LearningCurves | None = None

    @property
    def predicts(self) -> bool:
        """Whether a predictor of final values can be fitted on the prior."""
        return (
            self.prior is not None
            and self.prior.n_epochs == self.searched.n_epochs
            and set(self.prior.hyperparameters) == set(self.searched.hyperparameters)
        )

    @cached_property
    def predictor(self) -> PriorPredictor | None:
        """A predictor that is fitted on the prior, one for all schedulers; None where none can be."""
        return PriorPredictor(self.prior, self.searched) if self.prior is not None and self.predicts else None


@dataclass(frozen=True)
class Sizes:
    """Number of configurations of a replay.

    Attributes
    ----------
    searched, prior : int
        Configurations in one search, and in the prior campaign that is drawn from the same table.
    available : int
        Configurations from which the searched ones are drawn.
    """

    searched: int
    prior: int
    available: int


class DrawPlan:
    """Draws searches and prior campaigns from a table, by configuration: a seed gives one draw.

    Of a configuration that was trained several times one training, drawn by the seed, is searched; in the
    prior all of them stand. Searched configurations never stand in the prior.

    Parameters
    ----------
    curves : LearningCurves
        The table.
    searched, prior : int, optional
        Number of configurations of each. By default half of the table's are searched and the other half is
        the prior, or with `searchable_rows` all of those and all of the others.
    searchable_rows, prior_rows : array of int, optional
        Rows of the table that may be searched, and that may be in the prior. By default any row may be
        either.

    Raises
    ------
    ConfigurationError
        If there are not so many configurations.
    DataError
        If a configuration is on both sides, or a curve that may be searched has no value for some epoch.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> rows = [{"lr": float(i)} for i in range(6)]
    >>> target = TargetMetric("loss", "min")
    >>> curves = LearningCurves.from_arrays(rows, [[9.0, i] for i in range(6)], target)
    >>> drawn = DrawPlan(curves, searched=4).draw(seed=0)
    >>> sorted([*drawn.searched.final.tolist(), *drawn.prior.final.tolist()])
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """

    def __init__(
        self,
        curves: LearningCurves,
        searched: int | None = None,
        prior: int | None = None,
        searchable_rows: IntArray | None = None,
        prior_rows: IntArray | None = None,
    ) -> None:
        self.curves = curves
        rows = np.arange(len(curves))
        self._searchable = rows if searchable_rows is None else np.asarray(searchable_rows, dtype=np.int64)
        self._prior_rows = rows if prior_rows is None else np.asarray(prior_rows, dtype=np.int64)
        self._apart = searchable_rows is not None
        check_whole(curves, self._searchable)
        self._groups = np.unique(curves.groups[self._searchable])
        self._prior_groups = np.unique(curves.groups[self._prior_rows])
        if self._apart and (shared := np.isin(self._prior_groups, self._groups)).any():
            raise DataError(
                f"{int(shared.sum())} configurations of {curves.source or 'the table'} may be searched and "
                "are in the prior as well: all rows of a configuration belong to one side"
            )
        self.sizes = self._sizes(searched, prior)

    def draw(self, seed: int) -> Draw:
        """Return the draw of a seed, whose prior are configurations of this table that are not searched.

        It is None where none is left, or the plan asks for none.
        """
        generator = np.random.default_rng(derive_seed(seed, "searched curves"))
        groups = self.curves.groups
        searched = generator.permutation(self._groups)[: self.sizes.searched]
        rows = [generator.choice(self._searchable[groups[self._searchable] == group]) for group in searched]
        others = self._prior_groups[~np.isin(self._prior_groups, searched)]
        drawn = generator.permutation(others)[: self.sizes.prior]
        prior = self._prior_rows[np.isin(groups[self._prior_rows], drawn)]
        return Draw(
            seed, self.curves.select(rows), self.curves.select(prior) if len(drawn) >= LEAST_PRIOR else None
        )

    def _sizes(self, searched: int | None, prior: int | None) -> Sizes:
        n = len(self._groups)
        if searched is None:
            searched = n if self._apart else (n + 1) // 2
        if not 1 <= searched <= n:
            raise ConfigurationError(f"configurations = {searched}: there are {n} to draw from")
        left = len(self._prior_groups) - (0 if self._apart else searched)
        if prior is not None and not 0 <= prior <= left:
            raise ConfigurationError(f"prior configurations = {prior}: {left} are not searched")
        half = left if self._apart else min(left, n // 2)
        return Sizes(searched, half if prior is None else prior, n)


def known_to_the_end(
    curves: LearningCurves, *parts: IntArray | None
) -> tuple[LearningCurves, list[IntArray | None]]:
    """Return the curves of which a replay knows every epoch, and the same rows of parts of the table.

    A curve that is censored before the last epoch, ended before it, or lacks an epoch is left out and
    counted: a scheduler that lets it go on would need a value that nobody knows. One that diverged is kept.

    Parameters
    ----------
    curves : LearningCurves
    *parts : array of int or None
        Rows of the table, which are renumbered without those that are left out; None stays None.

    Raises
    ------
    DataError
        If no curve is left; the message has the reasons.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> losses = [[3.0, 2.0], [4.0, float("nan")], [5.0, 3.0], [6.0, float("nan")]]
    >>> rows, target = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}, {"lr": 0.4}], TargetMetric("loss", "min")
    >>> curves = LearningCurves.from_arrays(rows, losses, target)
    >>> curves.configs["stopped"] = [False, True, False, False]
    >>> known, parts = known_to_the_end(curves, np.array([1, 2]), None)
    >>> known.final.tolist(), parts, dict(known.left_out_rows)
    ([2.0, 3.0], [array([1]), None], {'censored before epoch 2': 1, 'ended before epoch 2': 1})
    """
    last, there = curves.n_epochs, np.isfinite(curves.values[:, -1])
    how = np.where(curves.censored, f"censored before epoch {last}", f"ended before epoch {last}")
    reasons = np.where(_cut(curves), np.where(there, "a missing epoch", how), "")
    unknown = reasons != ""
    if unknown.all():
        counts = ", ".join(f"{n} {reason}" for reason, n in Counter(reasons.tolist()).items())
        raise DataError(
            f"{curves.source or 'the curves'}: none of {len(curves)} has a value for each of {last} epochs "
            f"({counts}): nothing is known of a full training"
        )
    place = np.cumsum(~unknown) - 1
    renumbered = [None if rows is None else place[rows[~unknown[rows]]] for rows in parts]
    return leave_out(curves, reasons), renumbered


def _cut(curves: LearningCurves) -> BoolArray:
    """Return which curves lack a value for some epoch although they have not diverged."""
    return curves.truncated & (curves.status != "diverged")


def check_whole(curves: LearningCurves, rows: IntArray) -> None:
    """Raise DataError if one of the rows has not diverged, yet has no value for some epoch."""
    cut = rows[_cut(curves)[rows]]
    if len(cut):
        raise DataError(
            f"{curves.source or 'the curves'}: {name_rows((cut + 1).tolist())} of {len(curves)} lack "
            f"values for some of {curves.n_epochs} epochs: what their training gives is not known; leave "
            "those rows out"
        )
