"""What a replay measured, for people: tables, and the figure of the frontier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpf_hpo.plotting import BLUE, GREEN, GREY, ORANGE, RED, canvas, plain_log, png
from mlpf_hpo.search.yardsticks import OURS

UNTRAINED = "prior_best_untrained"
"""Beside the schedulers, where the prior is of the same table."""

HEADER = ("scheduler", "epochs", "regret", "makespan")
FAMILY_HEADER = ("family", "epochs at .02", "best setting", "epochs at .01", "best setting")
COLOURS = {
    "cold_frontier": BLUE,
    "best_null": GREEN,
    "stopping_asha": GREY,
    "promotion_asha": "#7b5ea7",
    "predicted_promotion": "#8c6d31",
    "hyperband": "#17889c",
    "ray_asha": RED,
    "tpe": "#b5487f",
    "ours": ORANGE,
}
"""Colours of families, the same in every figure."""


def scheduler_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each scheduler: its means with their intervals."""
    return [
        [name, spread(one["epochs"], ".0f"), spread(one["regret"], ".3f"), spread(one["makespan"], ".0f")]
        for name, one in found["schedulers"].items()
    ]


def family_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each family: epochs of its best setting at each regret."""
    rows = []
    for name in found["epochs_at"]["0.02"]:
        row = [name]
        for regret in ("0.02", "0.01"):
            epochs = found["epochs_at"][regret][name]
            if epochs is None:
                row += ["-", "needs a prior"]
            else:
                never = epochs >= found["never"]
                row += [
                    "never" if never else f"{epochs:.0f}",
                    "" if never else found["best_setting"][regret][name],
                ]
        rows.append(row)
    return rows


def ratio_lines(found: Mapping[str, Any]) -> list[str]:
    """Return what ours takes of the epochs of each yardstick, as text."""
    return [
        f"ours takes {spread(ratio, '.2f')} of the epochs of {name} to regret {regret}"
        for name, by_regret in found["ratio_to"].items()
        for regret, ratio in by_regret.items()
        if ratio is not None
    ]


def legend(found: Mapping[str, Any]) -> list[str]:
    """Return what the rows are that are no scheduler's name, as text."""
    lines = [
        f"ours: {OURS}; cold_frontier: the best of all settings that use ranks alone; best_null: the best of "
        "what a prior gives without a curve"
    ]
    if UNTRAINED in found["schedulers"]:
        lines.append(f"{UNTRAINED}: the prior's best configuration, for which nothing is trained")
    return lines


def spread(score: Mapping[str, float], form: str) -> str:
    """Return a mean with its interval.

    Examples
    --------
    >>> spread({"mean": 0.5, "low": 0.25, "high": 0.75}, ".2f")
    '0.50 [0.25, 0.75]'
    """
    return f"{score['mean']:{form}} [{score['low']:{form}}, {score['high']:{form}}]"


def frontier_figure(found: Mapping[str, Any], title: str) -> bytes:
    """Return the figure of epochs at each regret, a line per family, and each scheduler's own end, as PNG."""
    regrets = found["frontier"]["regret"]
    with canvas(height=4.4) as (figure, (axis,)):
        for name, epochs in found["frontier"].items():
            if name == "regret" or epochs is None:
                continue
            at = [(x, y) for x, y in zip(epochs, regrets, strict=True) if x is not None]
            if at:
                width = 2.5 if name == "ours" else 1.2
                axis.plot(
                    *zip(*at, strict=True), color=COLOURS[name], linewidth=width, marker=".", label=name
                )
        least = min(regrets)
        for name, one in found["schedulers"].items():
            x, y = one["epochs"]["mean"], max(one["regret"]["mean"], least)
            if x > 0 and name != UNTRAINED:
                axis.plot(x, y, "x", color="#010203")
                axis.annotate(
                    name.partition(":")[0], (x, y), textcoords="offset points", xytext=(4, 4), fontsize=7
                )
        axis.set(xscale="log", yscale="log", title=title)
        axis.set(xlabel="epochs of all trials together", ylabel="mean regret of the best fully trained trial")
        plain_log(axis)
        axis.legend(fontsize=8)
        return png(figure)
