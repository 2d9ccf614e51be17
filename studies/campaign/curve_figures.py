"""Figures of curves: all of them and the best, two that cross, and how ranks settle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mlpf_hpo.curves.description_figure import draw_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.plotting import BLUE, GREEN, GREY, INK, ORANGE, RED, canvas, plain_log, scale_of
from mlpf_hpo.reporting.style import Panel
from mlpf_hpo.space import short_text
from studies.campaign.crossing import TIMES_NOISE


def figure_3(curves: LearningCurves, found: Mapping[str, Any], prefix: str) -> Panel:
    """Return all curves, and the best one."""
    with canvas() as (figure, (axis,)):
        draw_curves(axis, curves)
    about = found["about"]
    status = ", ".join(f"{n} {name}" for name, n in about["status"].items())
    return Panel(
        f"{prefix}figure-3",
        "Figure 3: all learning curves, and the best",
        f"{curves.metric} of {about['rows']} trainings of {about['configurations']} configurations "
        f"({about['source']}); {status}. Spikes leave the frame.",
        figure,
    )


def figure_1(curves: LearningCurves, found: Mapping[str, Any], prefix: str) -> Panel | None:
    """Return two curves of different configurations that cross; None if no pair does."""
    pair = found["crossing"]
    if pair is None:
        return None
    epochs, lead = np.arange(1, curves.n_epochs + 1), pair["epoch"]
    drawn = curves.values[pair["rows"]]
    with canvas() as (figure, (axis,)):
        for row, values, colour, line in zip(pair["rows"], drawn, (BLUE, ORANGE), ("-", "--"), strict=True):
            axis.plot(epochs, values, color=colour, linestyle=line, label=_configuration(curves, row))
        axis.axvline(lead, color=INK, linestyle=":", linewidth=1)
        axis.set(xlabel="epoch", ylabel=curves.metric, yscale=scale_of(drawn))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain_log(axis)
        axis.legend(fontsize=8)
    return Panel(
        f"{prefix}figure-1",
        "Figure 1: two learning curves that cross",
        f"After {lead} of {curves.n_epochs} epochs (dotted) the first leads by {_lead(curves, pair, 0)}, "
        f"after the last one the second by {_lead(curves, pair, 1)}: who stops by rank at the dotted "
        f"line keeps the wrong one. {_rule(pair)}",
        figure,
    )


def figure_settling(found: Mapping[str, Any], prefix: str) -> Panel | None:
    """Return rank correlation and recall between each epoch and the last, and pairs that cross."""
    settling = found["settling"]
    if settling is None:
        return None
    across = settling["across_seeds"]
    with canvas(2, width=8.4) as (figure, (left, right)):
        epochs = np.array(settling["epochs"])
        _draw_band(left, epochs, settling["spearman"], BLUE, "Spearman with the last epoch")
        _draw_band(left, epochs, settling["top_recall"], ORANGE, f"recall of the best {settling['top']}")
        if across is not None:
            label = "Spearman with another seed's last epoch"
            _draw_band(left, np.append(epochs, epochs[-1] + 1), across["spearman"], GREEN, label)
            left.axhline(across["spearman"]["mean"][-1], color=GREY, linestyle=":", label="ceiling by noise")
        right.plot(epochs, settling["crossing_pairs"], color=RED, label="cross after this epoch")
        right.plot(epochs, settling["reversed_pairs"], color=BLUE, label="stand the other way at the end")
        left.set(xlabel="epoch", ylim=(min(0.0, left.get_ylim()[0]), 1.02))
        right.set(xlabel="epoch", ylabel="share of pairs", ylim=(0, None))
        for axis in (left, right):
            axis.legend(fontsize=7, loc="best")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    noise = (
        "Fewer than three configurations were trained with other seeds: the ceiling by noise is not known."
        if across is None
        else f"Green: {across['configurations']} configurations with {across['seeds']} seeds each, ranks "
        "after an epoch beside the final ranks of trainings with another seed; dotted, where that ends, "
        f"{across['spearman']['mean'][-1]:.2f} [{across['spearman']['low'][-1]:.2f}, "
        f"{across['spearman']['high'][-1]:.2f}]: more a predictor of configurations cannot reach."
    )
    return Panel(
        f"{prefix}figure-settling",
        "How fast ranks settle",
        f"{settling['curves']} configurations, one training each; bands are 95 % bootstrap intervals over "
        f"configurations. {noise}",
        figure,
    )


def _draw_band(axis: Axes, epochs: Any, band: Mapping[str, Any], colour: str, label: str) -> None:
    axis.plot(epochs, band["mean"], color=colour, label=label)
    axis.fill_between(epochs, band["low"], band["high"], color=colour, alpha=0.18, linewidth=0)


def _configuration(curves: LearningCurves, row: int) -> str:
    values = curves.configs.iloc[row]
    return ", ".join(f"{name} {short_text(values[name])}" for name in curves.hyperparameters[:3]) + (
        ", ..." if len(curves.hyperparameters) > 3 else ""
    )


def _lead(curves: LearningCurves, pair: Mapping[str, Any], which: int) -> str:
    lead = pair["leads"][which]
    return f"{np.expm1(lead):.1%}".replace("%", " %") if scale_of(curves.values) == "log" else f"{lead:.3g}"


def _rule(pair: Mapping[str, Any]) -> str:
    crossing, every = pair["pairs"]
    above = (
        "without repeats, whatever the noise"
        if pair["noise"] is None
        else f"by more than {TIMES_NOISE:g} standard deviations of the difference between two trainings"
    )
    return (
        f"Of {every} pairs {crossing} change their order between these two epochs, {above}; this is the one "
        "with the largest product of the two leads."
    )
