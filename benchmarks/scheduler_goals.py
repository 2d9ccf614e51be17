"""The goals of the schedulers' comparison: epochs over a yardstick's at one regret, mean and worst table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.tables import MLPF

PUBLISHED = (MLPF, "alexnet", "mnist")
"""Published tables of trainings, on which schedulers were designed."""

REGRET = "0.02"


@dataclass(frozen=True)
class Goal:
    """A ratio, and what it should be at most.

    Attributes
    ----------
    priors : tuple of str
        The kinds of priors for which it holds.
    yardstick : str
        What ours is divided by.
    mean, worst : float or None
        Largest geometric mean over tables, and largest ratio of a table.
    tables : {"published", "kept", "all"}
        Over which tables: `PUBLISHED`; these and those that are named otherwise (and some is); or all.
    """

    priors: tuple[str, ...]
    yardstick: str
    mean: float
    worst: float | None = None
    tables: str = "all"

    def names(self, measured: Iterable[str], own: Iterable[str]) -> list[str]:
        """Return which of the measured tables count; `own` are those that this project makes itself."""
        kept = [name for name in measured if name not in own]
        published = [name for name in kept if name in PUBLISHED]
        by_kind = {"all": list(measured), "published": published, "kept": kept if kept != published else []}
        return by_kind[self.tables]


GOALS = (
    Goal(("same",), "cold_frontier", 0.40, 0.60, "published"),
    Goal(("same",), "cold_frontier", 0.30, None, "kept"),
    Goal(("same",), "best_null", 1.0, 1.25),
    Goal(("same",), "ray_asha", 0.25),
    Goal(("none",), "cold_frontier", 0.90, 1.10),
    Goal(("permuted",), "cold_frontier", 0.95, 1.15),
    Goal(("other",), "cold_frontier", 0.95, 1.15),
    Goal(("hidden",), "cold_frontier", 0.85),
)


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(list(values)))))


def reached(tables: Mapping[str, Any], own: Iterable[str]) -> list[dict[str, Any]]:
    """Return each goal with what was measured; None where no table has such a prior.

    Parameters
    ----------
    tables : mapping
        Name -> {"priors": {kind: what `compare` returns, or None}}.
    own : iterable of str
        Tables that this project makes itself.
    """
    own = list(own)
    return [_reached(goal, prior, tables, own) for goal in GOALS for prior in goal.priors]


def _reached(goal: Goal, prior: str, tables: Mapping[str, Any], own: list[str]) -> dict[str, Any]:
    ratios = {}
    for name in goal.names(tables, own):
        found = tables[name]["priors"].get(prior)
        ratio = found and found["ratio_to"][goal.yardstick][REGRET]
        if ratio:
            ratios[name] = ratio["mean"]
    said = {"prior": prior, "yardstick": goal.yardstick, "tables": goal.tables}
    limits = {"mean_limit": goal.mean, "worst_limit": goal.worst}
    if not ratios:
        return {**said, **limits, "mean": None, "worst": None, "reached": None, "ratios": {}}
    mean, worst = geometric_mean(ratios.values()), max(ratios.values())
    met = mean <= goal.mean and (goal.worst is None or worst <= goal.worst)
    return {**said, **limits, "mean": mean, "worst": worst, "reached": met, "ratios": ratios}


def describe(goals: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each goal."""
    lines = []
    for goal in goals:
        limit = f"{goal['mean_limit']:.2f}"
        if goal["worst_limit"] is not None:
            limit += f" (worst {goal['worst_limit']:.2f})"
        measured = "not measured"
        if goal["mean"] is not None:
            measured = f"{goal['mean']:.2f} (worst {goal['worst']:.2f} of {len(goal['ratios'])})"
            measured += ": reached" if goal["reached"] else ": not reached"
        what = f"prior {goal['prior']}, over {goal['yardstick']}, {goal['tables']} tables"
        lines.append(f"{what}: goal {limit}, {measured}")
    return lines
