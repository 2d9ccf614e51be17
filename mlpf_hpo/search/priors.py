"""Prior campaigns of a replay: none, right, with permuted or hidden hyperparameters, of another task."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError, did_you_mean
from mlpf_hpo.search.draws import LEAST_PRIOR, Draw, DrawPlan, check_whole
from mlpf_hpo.seeds import derive_seed

NONE, SAME, PERMUTED, HIDDEN, OTHER = "none", "same", "permuted", "hidden", "other"
"""Kinds of priors: see `DrawWithPrior`."""

OF_THE_TABLE = (SAME, PERMUTED, HIDDEN)


@dataclass(frozen=True)
class DrawWithPrior:
    """Draws of a plan with a prior of some kind.

    Attributes
    ----------
    plan : DrawPlan
        Gives the searched curves, and a prior of the same task.
    kind : str
        "none"; "same", the plan's own; "permuted", the same with its hyperparameters shuffled among its rows;
        "hidden", the same where each hyperparameter has one value, as it has in the searched curves;
        "other", the campaign `other`.
    other : LearningCurves, optional
        A campaign of another task.

    Raises
    ------
    ConfigurationError, DataError
        If there is no such prior, or it says nothing about the searched curves.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> rows = [{"lr": float(i)} for i in range(6)]
    >>> target = TargetMetric("loss", "min")
    >>> curves = LearningCurves.from_arrays(rows, [[9.0, i] for i in range(6)], target)
    >>> DrawWithPrior(DrawPlan(curves), "none")(0).prior is None
    True
    """

    plan: DrawPlan
    kind: str
    other: LearningCurves | None = None

    def __post_init__(self) -> None:
        if self.kind not in (NONE, *OF_THE_TABLE, OTHER):
            raise ConfigurationError(f"no prior {self.kind!r}{did_you_mean(self.kind, OF_THE_TABLE)}")
        if self.kind in OF_THE_TABLE and self.plan.sizes.prior < LEAST_PRIOR:
            raise ConfigurationError(
                f"prior {self.kind}: {self.plan.sizes.prior} configurations are left for it; search fewer "
                f"than {self.plan.sizes.searched} of {self.plan.sizes.available}"
            )
        if (self.kind == OTHER) != (self.other is not None):
            raise ConfigurationError(
                "a campaign of another task goes with the prior 'other', and only with it"
            )
        if self.other is not None:
            check_prior(self.plan.curves, self.other)

    def __call__(self, seed: int) -> Draw:
        """Return the draw of a seed."""
        drawn = self.plan.draw(seed)
        if self.kind == SAME:
            return drawn
        if drawn.prior is not None and self.kind == PERMUTED:
            return replace(drawn, prior=permuted(drawn.prior, seed))
        if drawn.prior is not None and self.kind == HIDDEN:
            return replace(drawn, searched=hidden(drawn.searched), prior=hidden(drawn.prior))
        return replace(drawn, prior=self.other)


def permuted(curves: LearningCurves, seed: int) -> LearningCurves:
    """Return curves whose configurations are shuffled among them: a prior whose hyperparameters mislead.

    Each hyperparameter keeps its values, a configuration its hyperparameters, but a curve belongs to another
    configuration.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> rows = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    >>> curves = LearningCurves.from_arrays(rows, [[1.0], [2.0], [3.0]], TargetMetric("loss", "min"))
    >>> shuffled = permuted(curves, seed=1)
    >>> shuffled.configs["lr"].tolist(), shuffled.final.tolist()
    ([0.1, 0.3, 0.2], [1.0, 2.0, 3.0])
    """
    order = np.random.default_rng(derive_seed(seed, "permuted prior")).permutation(len(curves))
    return replace(curves, configs=curves.configs.iloc[order].reset_index(drop=True))


def hidden(curves: LearningCurves) -> LearningCurves:
    """Return curves all of whose hyperparameters are 1, so that they say nothing.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> rows = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    >>> curves = LearningCurves.from_arrays(rows, [[1.0], [2.0], [3.0]], TargetMetric("loss", "min"))
    >>> hidden(curves).configs["lr"].tolist()
    [1.0, 1.0, 1.0]
    """
    return replace(curves, configs=curves.configs.assign(**dict.fromkeys(curves.hyperparameters, 1.0)))


def check_prior(curves: LearningCurves, prior: LearningCurves) -> None:
    """Refuse a prior campaign of another task that says nothing about a table.

    Raises
    ------
    DataError
        If it shares no hyperparameter, its good values are the other ones, or a curve lacks a final value.
    """
    if not set(curves.hyperparameters) & set(prior.hyperparameters):
        raise DataError(
            f"prior {prior.source}: shares no hyperparameter with the curves: "
            f"{', '.join(prior.hyperparameters)} there, {', '.join(curves.hyperparameters)} here"
        )
    if prior.mode != curves.mode:
        raise DataError(
            f"prior {prior.source}: its target is {prior.target}, that of the curves {curves.target}"
        )
    check_whole(prior, np.arange(len(prior)))
