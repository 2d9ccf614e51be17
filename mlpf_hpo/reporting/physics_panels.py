"""Parts of the physics figures: points with intervals, histograms, matrices, legends.

Points stand in the middle of their range, which the horizontal bar shows; vertical bars are 68 % intervals.
Ratios compare both reconstructions on the same events. What leaves a panel is a triangle at its edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.evaluation.intervals import Estimate
from mlpf_hpo.evaluation.table import Row
from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.events.schema import CLASSES, format_pileup
from mlpf_hpo.plotting import BLUE, GREY, INK, ORANGE

NAMES = {"mlpf": "MLPF", "ycand": "rule-based (ycand)"}

STYLES: dict[str, dict[str, Any]] = {
    "mlpf": {"color": BLUE, "marker": "o", "markersize": 4.5},
    "ycand": {"color": ORANGE, "marker": "s", "markersize": 4.5, "markerfacecolor": "none"},
}

PROCESSES = {"ttbar": "$t\\bar{t}$", "qcd": "QCD"}

EDGES = {"pt": (0.25, 2.0), "eta": (0.0, 1.25)}
"""Where a range from 0 is drawn to begin, and to what multiple of its lower edge an open one goes."""

AXES = {"pt": "$p_T$ [GeV]", "eta": r"$|\eta|$"}

TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100)


def describe_sample(result: ValidationResult) -> str:
    """Return process, number of events and pile-up, for a legend."""
    about = result.about
    process = PROCESSES.get(about["process"], about["process"])
    return f"{process}, 14 TeV, {about['n_events']} events, {format_pileup(about['pileup'])}"


def legend(figure: Figure, result: ValidationResult, *others: Artist) -> None:
    """Draw one legend above all panels: both reconstructions, and the events."""
    axis = figure.axes[0]
    handles = [
        axis.errorbar([], [], yerr=[], linestyle="", label=label, **STYLES[name])
        for name, label in NAMES.items()
    ]
    figure.legend(
        handles=[*handles, *others],
        loc="upper center",
        ncols=len(handles) + len(others),
        title=describe_sample(result),
        title_fontsize=10,
    )


def compared(above: Axes, below: Axes, rows: Sequence[Row], variable: str, of_range: str) -> None:
    """Draw both reconstructions above, and their ratio below, against the ranges of the rows."""
    below.set(xlabel=f"{of_range}{AXES[variable]}", ylabel="ratio")
    rows = [row for row in rows if np.isfinite([row.mlpf.value, row.ycand.value]).any()]
    if not rows:
        above.text(0.5, 0.5, "too few in this sample", ha="center", transform=above.transAxes, color=GREY)
        for axis in (above.yaxis, below.yaxis, below.xaxis):
            axis.set_ticks([])
        return
    start, stretch = EDGES[variable]
    low = np.array([row.cell.low or start for row in rows])
    high = np.array([row.cell.high if np.isfinite(row.cell.high) else row.cell.low * stretch for row in rows])
    for name, share in (("mlpf", 0.42), ("ycand", 0.58)):
        x = _between(low, high, share, variable)
        points(above, x, [getattr(row, name) for row in rows], name, bars=(x - low, high - x))
    x = _between(low, high, 0.5, variable)
    ratios = [row.ratio for row in rows]
    points(below, x, ratios, "mlpf", bars=(x - low, high - x), within=_about_one(ratios))
    below.axhline(1, color=INK, linewidth=0.8, linestyle=":")
    if variable == "pt":
        _plain_log(below)
    below.set_xlim(low[0] * 0.9, high[-1] * 1.1)


def as_fraction(axis: Axes, rows: Sequence[Row]) -> None:
    """Let the axis begin at 0 and end above the largest fraction; bars may leave it."""
    values = np.array([[row.mlpf.value, row.ycand.value] for row in rows])
    largest = float(np.nanmax(values, initial=0.06, where=np.isfinite(values)))
    top = 1.1 if largest > 0.5 or not np.nanmax(values, initial=0) else 1.6 * largest
    axis.set_ylim(-0.03 * top, top)


def points(
    axis: Axes,
    x: FloatArray,
    estimates: Sequence[Estimate],
    name: str,
    bars: tuple[FloatArray, FloatArray] | None = None,
    within: tuple[float, float] | None = None,
) -> None:
    """Draw estimates with their intervals; those outside of the limits `within` as triangles at the edge."""
    value, low, high = np.array(estimates, dtype=float).T
    error = np.nan_to_num(np.clip([value - low, high - value], 0, None))
    style = STYLES[name]
    axis.errorbar(x, value, yerr=error, xerr=bars, linestyle="", elinewidth=1.1, **style)
    if within is not None:
        axis.set_ylim(within)
        for beyond, edge, mark in ((value < within[0], 0.06, "v"), (value > within[1], 0.94, "^")):
            axis.plot(
                x[beyond],
                np.full(beyond.sum(), edge),
                mark,
                color=style["color"],
                markersize=5,
                transform=axis.get_xaxis_transform(),
            )


def histograms(above: Axes, below: Axes, distribution: Mapping[str, Any], xlabel: str) -> None:
    """Draw both distributions above, and MLPF's over the other's below, with square roots of counts."""
    edges = np.array(distribution["edges"])
    middle = (edges[1:] + edges[:-1]) / 2
    counts = {name: np.array(distribution[name], dtype=float) for name in NAMES}
    for name, values in counts.items():
        above.stairs(values, edges, color=STYLES[name]["color"], linewidth=1.4, fill=False)
        above.errorbar(
            middle, values, np.sqrt(values), linestyle="", color=STYLES[name]["color"], elinewidth=0.9
        )
    both = (counts["mlpf"] > 0) & (counts["ycand"] > 0)
    ours, theirs = counts["mlpf"][both], counts["ycand"][both]
    error = ours / theirs * np.sqrt(1 / ours + 1 / theirs)
    ratios = [Estimate(r, r - e, r + e) for r, e in zip(ours / theirs, error, strict=True)]
    if ratios:
        points(below, middle[both], ratios, "mlpf", within=(0, 2))
    below.axhline(1, color=INK, linewidth=0.8, linestyle=":")
    above.set_ylim(bottom=0)
    below.set(xlabel=xlabel, ylabel="ratio", xlim=(edges[0], edges[-1]))


def matrix(axis: Axes, counts: IntArray) -> None:
    """Draw a confusion matrix: colour and per cent by row, with the counts."""
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    for (row, column), value in np.ndenumerate(share):
        axis.add_patch(_square(column, row, value))
        if counts[row, column]:
            text = f"{100 * value:.0f}\n({counts[row, column]})"
            axis.text(column, row, text, ha="center", va="center", fontsize=7.5)
    ticks = [name.replace(" ", "\n") for name in CLASSES]
    axis.set_xticks(range(len(CLASSES)), ticks, fontsize=8, rotation=45)
    axis.set_yticks(range(len(CLASSES)), ticks, fontsize=8)
    axis.set(xlim=(-0.5, len(CLASSES) - 0.5), ylim=(len(CLASSES) - 0.5, -0.5), aspect="equal")
    axis.grid(visible=False)


def _square(x: float, y: float, value: float) -> Rectangle:
    # Half-transparent colour: the text in the page's ink stays legible on it, in light and dark.
    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=BLUE, alpha=0.65 * value, linewidth=0)


def _between(low: FloatArray, high: FloatArray, share: float, variable: str) -> FloatArray:
    """Return the points that lie a share of the way from `low` to `high` as the axis is drawn."""
    if variable == "pt":
        return np.asarray(low * (high / low) ** share)
    return low + share * (high - low)


def _about_one(ratios: Sequence[Estimate]) -> tuple[float, float]:
    """Return limits about 1 that hold the ratios with their intervals, as far as these lie in [0, 2]."""
    values = np.array(ratios).ravel()
    far = np.nanmax(np.abs(values - 1), initial=0.05, where=np.isfinite(values))
    reach = min(1.0, 1.15 * float(far))
    return 1 - reach, 1 + reach


def _plain_log(axis: Axes) -> None:
    """Make the x axis logarithmic, labelled with plain numbers."""
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(TICKS))
    axis.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axis.xaxis.set_minor_locator(NullLocator())
