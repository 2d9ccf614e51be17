"""Trainings that are a formula, and the same as recorded curves: what a replay of them does is the oracle."""

from __future__ import annotations

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric

EPOCHS = 9
RATES = (0.62, 0.11, 0.87, 0.35, 0.49, 0.04, 0.93, 0.28, 0.71)
"""Hyperparameters, in the order of the trials."""


def loss(x: float, epoch: int) -> float:
    """Return a loss that falls: small x end well, and hardly differ at first."""
    return x + (1.6 - 0.8 * x) / epoch**1.5


def recorded(rates=RATES, target=TargetMetric("loss", "min"), sign=1.0) -> LearningCurves:  # noqa: B008
    """Return the trainings as a data set."""
    values = [[sign * loss(x, epoch) for epoch in range(1, EPOCHS + 1)] for x in rates]
    return LearningCurves.from_arrays([{"x": x} for x in rates], values, target, source="toys")


PRIOR_RATES = tuple(i / 16 for i in range(16))


def replayed(scheduler: Scheduler, rates=RATES) -> dict[float, int]:
    """Return how many epochs of each trial a scheduler trains, one trial at a time."""
    found = simulate(recorded(rates), scheduler, workers=1)
    return {trial.configuration["x"]: trial.epochs for trial in found.trials}
