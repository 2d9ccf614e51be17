"""What bounds the ratios of the schedulers' comparison, table by table, for their page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.scheduler_goals import REGRET

BOUNDS = """
## What bounds these ratios

No scheduler shows anything before one training is full: its epochs over those of the cold frontier are the
least that a ratio can be. Where the frontier never reaches .02 a ratio is over the epochs of training
everything, which flatters it. To give every configuration its first epoch, and then train one, takes the
next number: without a prior there is little else to go by. Near the best there are few configurations, in
the mean so many of those that are searched. Where it is one, regret .02 is reached by finding just that
one, and the mean over the searches is decided by the few in which it is found late.

"""


def bounds(tables: Mapping[str, Any]) -> tuple[str, list[list[str]]]:
    """Return head and rows of the table of bounds."""
    rows = []
    for name, measured in tables.items():
        priors = [found for found in measured["priors"].values() if found]
        frontier, never = priors[0]["epochs_at"][REGRET]["cold_frontier"], priors[0]["never"]
        full, n = measured["max_epochs"], measured["configurations"]
        near = [f"{measured['near_best'][regret]:.1f}" for regret in ("0.02", "0.01")]
        reached = "never" if frontier >= never else f"{frontier:.0f}"
        rows.append([name, reached, f"{full / frontier:.2f}", f"{(n + full - 1) / frontier:.2f}", *near])
    head = (
        "| table | cold frontier, epochs at .02 | one full training over it | all begun, one trained | "
        "within .02 of the best | within .01 |"
    )
    return head, rows
