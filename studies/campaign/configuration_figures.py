"""Figures of configurations: importance, parallel coordinates, noise, null network, cost, transfer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.features import is_logarithmic
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.number_format import interval
from mlpf_hpo.plotting import BLUE, GREEN, GREY, INK, ORANGE, canvas, plain_log, range_of, scale_of
from mlpf_hpo.reporting.style import Panel
from studies.campaign.data import costs, one_each
from studies.campaign.importance import numeric_columns

BOOTSTRAP = "95 % bootstrap interval over configurations"


def spread(found: Mapping[str, float]) -> str:
    """Return a number with its interval, two decimals."""
    return interval(found["mean"], found["low"], found["high"], 2)


def figure_importance(found: Mapping[str, Any], prefix: str) -> Panel | None:
    """Return the importance of each hyperparameter."""
    importance = found["importance"]
    if importance is None:
        return None
    each = importance["hyperparameters"]
    with canvas(height=0.9 + 0.32 * len(each)) as (figure, (axis,)):
        for place, one in enumerate(reversed(each.values())):
            axis.plot([one["low"], one["high"]], [place, place], color=BLUE, linewidth=2, alpha=0.5)
            axis.plot(one["mean"], place, color=BLUE, marker="o")
        axis.axvline(0, color=INK, linestyle=":", linewidth=1)
        axis.set_yticks(range(len(each)), list(reversed(each)))
        axis.set(xlabel="fall of R² when it is permuted")
    return Panel(
        f"{prefix}figure-importance",
        "Importance of each hyperparameter",
        f"{importance['configurations']} configurations. A forest learns the rank of the final value from "
        "those that a bootstrap drew, and predicts the others, with one hyperparameter permuted. Bars hold "
        f"95 % of the bootstraps. With nothing permuted R² is {spread(importance['r2'])}.",
        figure,
    )


def figure_parallel(curves: LearningCurves, prefix: str) -> Panel | None:
    """Return parallel coordinates: a line for each configuration, coloured by its rank."""
    used = one_each(curves)
    if len(used) < 2:
        return None
    columns = [(name, values.to_numpy()) for name, values in numeric_columns(used).items()]
    axes_of = [*columns, (f"final {curves.metric}", used.final)]
    ranks = np.argsort(np.argsort(costs(used)[:, -1], kind="stable"), kind="stable") / (len(used) - 1)
    lines = np.column_stack([_place(str(name), values) for name, values in axes_of])
    colours = mpl.colormaps["viridis"](ranks)
    with canvas(width=8.4) as (figure, (axis,)):
        for row in np.argsort(-ranks):  # the best on top
            axis.plot(lines[row], color=colours[row], alpha=0.35 + 0.5 * (1 - ranks[row]), linewidth=0.8)
        for place, (name, values) in enumerate(axes_of):
            low, high = _ends(str(name), values)
            axis.text(place, -0.04, f"{low:.3g}", ha="center", va="top", fontsize=7)
            axis.text(place, 1.04, f"{high:.3g}", ha="center", va="bottom", fontsize=7)
            axis.axvline(place, color=INK, linewidth=0.6)
        axis.set_xticks(range(len(axes_of)), [str(name) for name, _ in axes_of], fontsize=8, rotation=12)
        axis.set(yticks=[], ylim=(-0.14, 1.14))
        axis.grid(False)
    return Panel(
        f"{prefix}figure-parallel",
        "Configurations and their final values",
        f"A line for each of {len(used)} configurations, dark ones are best; axes from the least value to "
        "the largest, logarithmic where values span decades; spikes of the final value are drawn at its end.",
        figure,
    )


def figure_noise(curves: LearningCurves, found: Mapping[str, Any], prefix: str) -> Panel | None:
    """Return noise between seeds against the learning rate, and the spread beside the null network."""
    noise, null = found["seed_noise"], found["null_network"]
    said = [text for text in (_about_noise(noise), _about_null(null)) if text]
    if not said:
        return None
    with canvas(len(said), width=8.4 if len(said) > 1 else 5.0) as (figure, axes):
        places = iter(axes)
        if noise is not None:
            axis = next(places)
            axis.scatter(noise["learning_rate"], noise["deviation"], color=ORANGE, s=16)
            scales = {f"{xy}scale": scale_of(noise[name]) for xy, name in zip("xy", NOISE_AXES, strict=True)}
            axis.set(xlabel="learning rate", ylabel="deviation between seeds", **scales)
        if null is not None:
            _draw_null(next(places), curves, null)
    return Panel(f"{prefix}figure-noise", "Noise between seeds, and the null network", " ".join(said), figure)


NOISE_AXES = ("learning_rate", "deviation")


def figure_cost(curves: LearningCurves, found: Mapping[str, Any], prefix: str) -> Panel | None:
    """Return final values against the cost of a configuration."""
    cost = found["cost"]
    if cost is None:
        return None
    at, final = np.array(cost["cost"]), np.array(cost["final"])
    with canvas() as (figure, (axis,)):
        axis.scatter(at, final, color=BLUE, s=12, alpha=0.6)
        axis.plot(at[cost["frontier"]], final[cost["frontier"]], color=ORANGE, marker="o", markersize=4)
        axis.set(xlabel="FLOP per event", ylabel=f"final {curves.metric}", xscale="log")
        low, high = range_of(final)
        axis.set(yscale=scale_of(final), ylim=(low - 0.02 * abs(low), high + 0.02 * abs(high)))
        plain_log(axis)
        axis.xaxis.set_major_formatter(mpl.ticker.LogFormatterMathtext())
    return Panel(
        f"{prefix}figure-cost",
        "Cost against quality",
        f"{cost['configurations']} configurations; orange: nothing cheaper is as good. Spearman of cost and "
        f"final value {spread(cost['spearman'])}, {BOOTSTRAP}; negative: what costs more "
        "is better. Spikes leave the frame.",
        figure,
    )


def figure_agreement(
    found: Mapping[str, Any] | None, name: str, title: str, axes: tuple[str, str]
) -> Panel | None:
    """Return ranks of the same configurations in two places, which `axes` names."""
    if found is None:
        return None
    before, after = (np.argsort(np.argsort(found[which])) + 1 for which in ("before", "after"))
    with canvas(height=3.9) as (figure, (axis,)):
        axis.set_box_aspect(1)
        axis.plot([1, len(before)], [1, len(before)], color=INK, linestyle=":", linewidth=1)
        axis.scatter(before, after, color=GREEN, s=18)
        axis.set(xlabel=f"rank {axes[0]}", ylabel=f"rank {axes[1]}")
    return Panel(
        name,
        title,
        f"{found['configurations']} configurations, 1 is best. Spearman {spread(found['spearman'])}, "
        f"{BOOTSTRAP}. Of the best {found['top']} of one side a share of {spread(found['top_recall'])} is "
        f"among those of the other; of a random order it would be {found['chance']:.2f}.",
        figure,
    )


def _about_noise(noise: Mapping[str, Any] | None) -> str:
    if noise is None:
        return ""
    spread_of = (
        ""
        if noise["to_spread"] is None
        else (f" The noise is {noise['to_spread']:.2f} of the spread between configurations.")
    )
    return (
        f"{noise['configurations']} configurations with repeats; deviation of the final value between "
        f"seeds, of its logarithm where that is defined. Spearman with the learning rate "
        f"{spread(noise['spearman'])}; pooled, the lower half of the rates has "
        f"{noise['lower_half']['mean']:.3g}, the upper {noise['upper_half']['mean']:.3g}.{spread_of}"
    )


def _about_null(null: Mapping[str, Any] | None) -> str:
    if null is None:
        return ""
    return (
        f"Final values of {null['null_configurations']} null networks, without a layer, beside those of "
        f"{len(null['others'])} others: one of these is better than a null network with probability "
        f"{spread(null['better'])}, {BOOTSTRAP}."
    )


def _draw_null(axis: Axes, curves: LearningCurves, null: Mapping[str, Any]) -> None:
    low, high = range_of([*null["null"], *null["others"]])
    generator = np.random.default_rng(0)
    for place, (name, colour) in enumerate({"null": GREY, "others": BLUE}.items()):
        values = np.array(null[name])
        axis.scatter(place + generator.uniform(-0.2, 0.2, len(values)), values, color=colour, s=10, alpha=0.6)
        axis.hlines(np.median(values), place - 0.3, place + 0.3, color=INK)
    axis.set_xticks([0, 1], ["no layer", "with layers"])
    axis.set(ylabel=f"final {curves.metric}", ylim=(low - 0.02 * abs(low), high + 0.02 * abs(high)))
    axis.set_yscale(scale_of(low))
    plain_log(axis)


def _ends(name: str, values: FloatArray) -> tuple[float, float]:
    return range_of(values) if name.startswith("final ") else (float(values.min()), float(values.max()))


def _place(name: str, values: FloatArray) -> FloatArray:
    """Return where values stand between the ends of their axis, [0, 1]."""
    low, high = _ends(name, values)
    cut = np.clip(values, low, high)
    if is_logarithmic(name, values):
        cut, low, high = np.log(cut), np.log(low), np.log(high)
    return (cut - low) / (high - low) if high > low else np.full(len(values), 0.5)
