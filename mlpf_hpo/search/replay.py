"""Replay many searches of many schedulers: same curves, order and durations of epochs for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.parallel import parallel
from mlpf_hpo.search.anytime import AnytimeRegret, RegretScale, anytime_regret
from mlpf_hpo.search.draws import Draw
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.search.stated_regret import StatedRegret, stated_regret

SPREAD, JITTER = 0.1, 0.02
"""Of the durations of epochs, see `simulate`."""

MakeScheduler = Callable[[Draw], Scheduler]
"""Makes a fresh scheduler for a draw, whose prior it may use."""


@dataclass(frozen=True)
class ReplayedSearch:
    """What one search led to.

    Attributes
    ----------
    epochs : int
        Number of epochs that all trials together took.
    regret : float
        Of the best fully trained trial at the end, see `anytime_regret`.
    regret_in_metric : float
        The same in units of the metric.
    makespan : float
        When the last worker had finished, in median epoch times.
    anytime : AnytimeRegret
        The regret epoch by epoch.
    found : bool
        Whether a trial was trained to the end with a finite value.
    stated : StatedRegret or None
        What the scheduler states that it missed, of one that does.
    """

    epochs: int
    regret: float
    regret_in_metric: float
    makespan: float
    anytime: AnytimeRegret
    found: bool
    stated: StatedRegret | None = None


Replays = Mapping[str, Sequence[ReplayedSearch]]
"""Name of a scheduler -> its searches, one per seed."""


def replay(
    draw: Callable[[int], Draw],
    schedulers: Mapping[str, MakeScheduler],
    workers: int = 8,
    seeds: Sequence[int] = range(24),
    spread: float = SPREAD,
    jitter: float = JITTER,
    jobs: int = 1,
    progress: Callable[[float, float], object] | None = None,
    scale: Callable[[LearningCurves], RegretScale] = RegretScale.of,
) -> dict[str, tuple[ReplayedSearch, ...]]:
    """Replay the search of each seed under each scheduler.

    Parameters
    ----------
    draw : callable
        Seed -> the curves that are searched, and the prior; the same for every scheduler.
    schedulers : mapping of str to callable
        Name -> function that makes a fresh scheduler for a draw.
    workers, spread, jitter
        As for `simulate`.
    seeds : sequence of int
        One search of every scheduler for each.
    jobs : int
        Processes; changes no number.
    progress : callable, optional
        Called with (seeds done, seeds in all).
    scale : callable
        Searched curves -> origin and unit of their regret.

    Returns
    -------
    dict of str to tuple of ReplayedSearch
        Searches in the order of the seeds.

    Raises
    ------
    ConfigurationError, DataError
        As for `simulate`; or if there is no scheduler or no seed, or regret has no unit.

    Examples
    --------
    >>> from mlpf_hpo import FullTraining, LearningCurves, StoppingASHA, TargetMetric
    >>> losses = [[3.0, 2.0, 1.0], [4.0, 3.5, 3.0], [2.5, 1.5, 0.5]]
    >>> rows = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    >>> curves = LearningCurves.from_arrays(rows, losses, TargetMetric("loss", "min"))
    >>> schedulers = {"full": lambda draw: FullTraining(), "asha": lambda draw: StoppingASHA(3)}
    >>> found = replay(lambda seed: Draw(seed, curves), schedulers, workers=1, seeds=[0, 1])
    >>> {name: [search.epochs for search in searches] for name, searches in found.items()}
    {'full': [9, 9], 'asha': [7, 7]}
    """
    if not schedulers or not len(seeds):
        raise ConfigurationError("a replay takes at least one scheduler and one seed")
    found: dict[str, list[ReplayedSearch]] = {name: [] for name in schedulers}
    calls = ((draw, seed, schedulers, workers, spread, jitter, scale) for seed in seeds)
    results = parallel(_replay_seed, calls, min(jobs, len(seeds)))
    for done, searches in enumerate(results, start=1):
        for name, search in searches.items():
            found[name].append(search)
        if progress is not None:
            progress(done, len(seeds))
    return {name: tuple(searches) for name, searches in found.items()}


def _replay_seed(
    draw: Callable[[int], Draw],
    seed: int,
    schedulers: Mapping[str, MakeScheduler],
    workers: int,
    spread: float,
    jitter: float,
    scale_of: Callable[[LearningCurves], RegretScale],
) -> dict[str, ReplayedSearch]:
    """Return the search of one seed under each scheduler."""
    drawn = draw(seed)
    curves, scale = drawn.searched, scale_of(drawn.searched)
    found = {}
    for name, make in schedulers.items():
        scheduler = make(drawn)
        search = simulate(curves, scheduler, workers, seed, spread, jitter)
        anytime = anytime_regret(search, curves, scale)
        regret = float(anytime.regret[-1])
        found[name] = ReplayedSearch(
            search.epochs,
            regret,
            regret * scale.unit,
            search.makespan,
            anytime,
            bool(np.isfinite(search.best)),
            stated_regret(scheduler, search.trials, curves, scale),
        )
    return found


def figures(searches: Sequence[ReplayedSearch], *names: str) -> FloatArray:
    """Return attributes of searches as an array [n_searches, n_names]."""
    return np.array([[getattr(search, name) for name in names] for search in searches], dtype=float)
