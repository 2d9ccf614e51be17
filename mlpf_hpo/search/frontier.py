"""Compare schedulers by replays: epochs against regret, on the same curves, durations and seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.scoring import bootstrap
from mlpf_hpo.search.anytime import RegretScale
from mlpf_hpo.search.draws import Draw
from mlpf_hpo.search.replay import ReplayedSearch, figures, replay
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.seeds import derive_seed

FIGURES = ("epochs", "regret", "makespan")


def frontier(
    curves: LearningCurves,
    settings: Mapping[str, Callable[[], Scheduler]],
    workers: int = 8,
    seeds: Sequence[int] = range(20),
    configurations: int | None = None,
    spread: float = 0.1,
    jitter: float = 0.02,
) -> pd.DataFrame:
    """Replay many settings of schedulers and mark the non-dominated ones.

    Each seed draws the searched curves, their order and the durations of their epochs, the same for every
    setting. Regret is the best final value of a fully trained trial minus the best final value among the
    searched curves, in units of the metric, with the sign that makes it positive or 0.

    Parameters
    ----------
    curves : LearningCurves
        The record, see `simulate`.
    settings : mapping of str to callable
        Name -> function that makes a fresh scheduler.
    workers, spread, jitter
        As for `simulate`.
    seeds : sequence of int
        One replay of every setting for each.
    configurations : int, optional
        Number of curves in one replay, drawn without replacement; all by default.

    Returns
    -------
    DataFrame
        One row per setting, by number of epochs: means over the seeds of `epochs`, `regret` and `makespan`,
        each with the ends of its 95 % bootstrap interval (`epochs_low`, `epochs_high`, ...), and
        `non_dominated`: no other setting has both fewer epochs and less regret, or one of both at equality of
        the other. A setting that for some seed trained no trial to the end has infinite regret and is
        dominated.

    Raises
    ------
    ConfigurationError, DataError
        As for `simulate`; or if there is no setting or no seed, or there are fewer curves than asked for.

    Examples
    --------
    >>> from mlpf_hpo import FullTraining, LearningCurves, StoppingASHA, TargetMetric, frontier
    >>> losses = [[3.0, 2.0, 1.0], [4.0, 3.5, 3.0], [2.5, 1.5, 0.5]]
    >>> configurations = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    >>> curves = LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))
    >>> settings = {"full": FullTraining, "asha": lambda: StoppingASHA(3, reduction_factor=2)}
    >>> found = frontier(curves, settings, workers=1, seeds=range(5))
    >>> found[["regret", "non_dominated"]].to_dict("index")
    {'asha': {'regret': 0.0, 'non_dominated': True}, 'full': {'regret': 0.0, 'non_dominated': False}}
    """
    drawn = len(curves) if configurations is None else configurations
    if not settings or not len(seeds):
        raise ConfigurationError("a frontier takes at least one setting and one seed")
    if not 1 <= drawn <= len(curves):
        raise ConfigurationError(f"configurations = {drawn}: there are {len(curves)} curves to draw from")

    def draw(seed: int) -> Draw:
        generator = np.random.default_rng(derive_seed(seed, "searched curves"))
        return Draw(seed, curves.select(generator.permutation(len(curves))[:drawn]))

    schedulers = {name: lambda _, make=make: make() for name, make in settings.items()}
    replays = replay(draw, schedulers, workers, seeds, spread, jitter, scale=RegretScale.in_metric)
    table = pd.DataFrame({name: _summary(_figures(searches)) for name, searches in replays.items()}).T
    table["non_dominated"] = non_dominated(table["epochs"].to_numpy(), table["regret"].to_numpy())
    return table.sort_values("epochs", kind="stable")


def non_dominated(epochs: FloatArray, regret: FloatArray) -> BoolArray:
    """Return for each point whether no other is at least as good in both and better in one, [n].

    Examples
    --------
    >>> non_dominated(np.array([1.0, 2.0, 2.0, 3.0]), np.array([5.0, 1.0, 2.0, 1.0])).tolist()
    [True, True, False, False]
    """
    fewer, less = epochs[None, :] <= epochs[:, None], regret[None, :] <= regret[:, None]
    better = (epochs[None, :] < epochs[:, None]) | (regret[None, :] < regret[:, None])
    return np.isfinite(regret) & ~(fewer & less & better).any(axis=1)


def _figures(searches: Sequence[ReplayedSearch]) -> FloatArray:
    """Return the figures of searches; of one that trained nothing to the end the regret is infinite."""
    values = figures(searches, *FIGURES)
    values[[not search.found for search in searches], FIGURES.index("regret")] = np.inf
    return values


def _summary(values: FloatArray) -> dict[str, float]:
    """Return the mean of each figure over the seeds, with an interval."""

    def means(rows: IntArray) -> dict[str, float]:
        return dict(zip(FIGURES, values[rows].mean(axis=0).tolist(), strict=True))

    found: dict[str, float] = {}
    with np.errstate(invalid="ignore"):  # infinite regrets have no spread
        scores = bootstrap(means, np.arange(len(values)), seed=0)
    for name, score in scores.items():
        found |= {name: score["mean"], f"{name}_low": score["low"], f"{name}_high": score["high"]}
    return found
