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


def at_equal_regret(tables: Mapping[str, LearningCurves], quick: bool) -> dict[str, float]:
    """Return the ratios of each table, and over tables: of the mean excess, and the geometric mean of epochs.

    The excess is the makespan beyond one full training, in full trainings; it can be negative, as some trials
    are faster than the median.

    Of ASHA that setting counts which takes the fewest epochs of those whose mean regret is no larger than
    ours, found with hindsight; if none is as good, the one with the smallest regret, and
    ``TABLE.asha.regret`` says so.
    """
    found: dict[str, float] = {}
    for name, curves in tables.items():
        found |= {f"{name}.{key}": value for key, value in _of_table(curves, quick).items()}
    if tables:
        ours, asha = (sum(found[f"{name}.{whose}.excess"] for name in tables) for whose in ("ours", "asha"))
        found["makespan_excess_ratio_24"] = ours / asha
        found["epochs_ratio_24"] = statistics.geometric_mean(
            found[f"{name}.epochs_ratio_24"] for name in tables
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
        {**makers, "ours": partial(_make, "freeze_thaw", {}, curves)},
        workers=WORKERS,
        seeds=range(QUICK_SEEDS if quick else SEEDS),
    )
    ours = _means(searches.pop("ours"))
    all_of_asha = [_means(of_setting) for of_setting in searches.values()]
    as_good = [means for means in all_of_asha if means["regret"] <= ours["regret"]]
    asha = min(as_good, key=_epochs) if as_good else min(all_of_asha, key=lambda means: means["regret"])
    for means in (ours, asha):
        means["excess"] = means["makespan"] / curves.n_epochs - 1
    return {
        "searched": plan.sizes.searched,
        **{f"asha.{key}": value for key, value in asha.items()},
        **{f"ours.{key}": value for key, value in ours.items()},
        "makespan_excess_ratio_24": ours["excess"] / asha["excess"],
        "epochs_ratio_24": ours["epochs"] / asha["epochs"],
    }


def _make(name: str, settings: Settings, curves: LearningCurves, draw: Draw) -> Scheduler:
    return make_scheduler(name, prior=draw.prior, max_epochs=curves.n_epochs, mode=curves.mode, **settings)


def _means(searches: Sequence[ReplayedSearch]) -> dict[str, float]:
    return {
        key: statistics.fmean(getattr(search, key) for search in searches)
        for key in ("epochs", "regret", "makespan")
    }


def _epochs(means: Mapping[str, float]) -> float:
    return means["epochs"]
