"""With 24 workers and at equal regret: makespan beyond one full training, and epochs, of ours over ASHA's."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from functools import partial

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.draws import Draw, DrawPlan
from mlpf_hpo.search.replay import ReplayedSearch, replay
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers import make_scheduler

WORKERS, CONFIGURATIONS = 24, 240
SEEDS, QUICK_SEEDS = 24, 1
ETAS, GRACES = (2, 3, 4, 6), (1, 2, 3)

Settings = Mapping[str, float]
Means = dict[str, float]

FILLING, WAITING = "ours", "waiting"
"""Ours with `fill_workers`, which is for as many workers as these, and as it is by default."""


def at_equal_regret(tables: Mapping[str, LearningCurves], quick: bool) -> dict[str, float]:
    """Return the ratios of each table, and over tables: of the mean excess, and the geometric mean of epochs.

    The excess is the makespan beyond one full training, in full trainings; it can be negative, as some trials
    are faster than the median. Keys that begin with ``waiting`` are of ours without `fill_workers`.

    Of ASHA that setting counts which takes the fewest epochs of those whose mean regret is no larger than
    ours, found with hindsight; if none is as good, the one with the smallest regret, and
    ``TABLE.asha.regret`` says so.
    """
    found: dict[str, float] = {}
    for name, curves in tables.items():
        found |= {f"{name}.{key}": value for key, value in _of_table(curves, quick).items()}
    if tables:
        for whose, beside, before in ((FILLING, "asha", ""), (WAITING, "waiting_asha", "waiting_")):
            ours, asha = (sum(found[f"{name}.{key}.excess"] for name in tables) for key in (whose, beside))
            found[f"{before}makespan_excess_ratio_24"] = ours / asha
            found[f"{before}epochs_ratio_24"] = statistics.geometric_mean(
                found[f"{name}.{before}epochs_ratio_24"] for name in tables
            )
    return found


def _of_table(curves: LearningCurves, quick: bool) -> dict[str, float]:
    # A quarter of a table at least is the prior: then fewer are searched, and `searched` says how many.
    plan = DrawPlan(curves, searched=min(CONFIGURATIONS, len(set(curves.groups)) * 3 // 4))
    etas, graces = ((3,), (1,)) if quick else (ETAS, GRACES)
    grid = {
        f"asha {eta} {grace}": {"reduction_factor": eta, "grace_epochs": grace}
        for eta, grace in itertools.product(etas, graces)
    }
    makers = {key: partial(_make, "asha", settings, curves) for key, settings in grid.items()}
    searches = replay(
        plan.draw,
        {
            **makers,
            FILLING: partial(_make, "freeze_thaw", {"fill_workers": True}, curves),
            WAITING: partial(_make, "freeze_thaw", {}, curves),
        },
        workers=WORKERS,
        seeds=range(QUICK_SEEDS if quick else SEEDS),
    )
    means = {key: _means(of_one, curves.n_epochs) for key, of_one in searches.items()}
    filling, waiting = means.pop(FILLING), means.pop(WAITING)
    found: dict[str, float] = {"searched": plan.sizes.searched}
    for whose, ours, before in ((FILLING, filling, ""), (WAITING, waiting, "waiting_")):
        asha = _as_good(list(means.values()), ours["regret"])
        found |= {f"{whose}.{key}": value for key, value in ours.items()}
        found |= {f"{before}asha.{key}": value for key, value in asha.items()}
        found[f"{before}makespan_excess_ratio_24"] = ours["excess"] / asha["excess"]
        found[f"{before}epochs_ratio_24"] = ours["epochs"] / asha["epochs"]
    return found


def _as_good(of_asha: Sequence[Means], regret: float) -> Means:
    """Return the setting with the fewest epochs of those with no larger regret; else the smallest regret."""
    as_good = [means for means in of_asha if means["regret"] <= regret]
    if as_good:
        return min(as_good, key=lambda means: means["epochs"])
    return min(of_asha, key=lambda means: means["regret"])


def _make(name: str, settings: Settings, curves: LearningCurves, draw: Draw) -> Scheduler:
    return make_scheduler(name, prior=draw.prior, max_epochs=curves.n_epochs, mode=curves.mode, **settings)


def _means(searches: Sequence[ReplayedSearch], n_epochs: int) -> Means:
    keys = ("epochs", "regret", "makespan")
    means = {key: statistics.fmean(getattr(search, key) for search in searches) for key in keys}
    return {**means, "excess": means["makespan"] / n_epochs - 1}
