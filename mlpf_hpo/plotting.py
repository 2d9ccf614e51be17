"""Plotting with Matplotlib: colours, axes, boxes of rates, predictions, PNG; for the report and MLflow."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from numpy.typing import ArrayLike

INK = "#010203"
"""Stands for the page's text colour, which a figure takes on when it is put into the page."""

BLUE, ORANGE, GREEN, RED, GREY = "#3b82c4", "#e08214", "#2a9d6f", "#d1495b", "#8a8f98"
"""Legible on white and on near-black; distinguishable with the common kinds of colour blindness."""

SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "mlpf_hpo",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}


@contextmanager
def canvas(
    columns: int = 1, width: float = 7.2, height: float = 3.6, rows: int = 1
) -> Iterator[tuple[Figure, list[mpl.axes.Axes]]]:
    """Yield a figure with axes side by side, row after row, in this package's style."""
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, list(figure.subplots(rows, columns, squeeze=False).flat)


SPIKE = 3.0
"""A value is a spike if it goes beyond so many times the range of 98 % of the values."""


def plain_log(axis: Axes) -> None:
    """Label a logarithmic axis with plain numbers."""
    for one in (axis.xaxis, axis.yaxis):
        if one.get_scale() == "log":
            one.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            one.set_major_formatter(ScalarFormatter())
            one.set_minor_formatter(NullFormatter())


def scale_of(*values: ArrayLike) -> str:
    """Return the scale of an axis for these values: logarithmic where all that are finite are positive."""
    finite = [number[np.isfinite(number)] for number in (np.asarray(v, dtype=float) for v in values)]
    return "log" if all((number > 0).all() for number in finite) else "linear"


def range_of(values: ArrayLike) -> tuple[float, float]:
    """Return the least and the largest finite value, spikes apart: what is far outside of 98 % of the values.

    One first epoch of a large learning rate would press all other curves into a line.

    Examples
    --------
    >>> range_of([600.0, 610.0, 590.0] * 20 + [5600.0])
    (590.0, 610.0)
    """
    every = np.asarray(values, dtype=float)
    finite = every[np.isfinite(every)]
    low = np.quantile(finite, 0.01, method="higher")
    high = np.quantile(finite, 0.99, method="lower")
    reach = SPIKE * (high - low)
    kept = finite[(finite >= high - reach) & (finite <= low + reach)] if reach > 0 else finite
    return float(kept.min()), float(kept.max())


def draw_rates(axis: Axes, rates: Mapping[str, ArrayLike]) -> None:
    """Draw the rates of each group, such as the trials of a machine, as a box with every rate as a point."""
    axis.boxplot(
        [np.asarray(group) for group in rates.values()],
        tick_labels=[wrapped_label(label) for label in rates],
        medianprops={"color": ORANGE, "linewidth": 2},
        showfliers=False,
        boxprops={"color": INK},
        whiskerprops={"color": INK},
        capprops={"color": INK},
    )
    for position, group in enumerate(map(np.asarray, rates.values()), start=1):
        beside = position + np.linspace(-0.15, 0.15, len(group))
        axis.scatter(beside, group, color=BLUE, s=10, alpha=0.6)
    axis.set(yscale="log")
    plain_log(axis)


def draw_predicted(axis: Axes, out: Mapping[str, Any], colour: str, what: str) -> None:
    """Draw predicted against true final values, with the intervals that are finite.

    Parameters
    ----------
    axis : Axes
    out : mapping
        "true", "predicted", "lower" and "upper", each [n]; a bound that is not finite may be None.
    colour : str
        Of points and intervals.
    what : str
        What is predicted, for the labels.
    """
    true, predicted, lower, upper = (
        np.array(out[name], dtype=float) for name in ("true", "predicted", "lower", "upper")
    )
    low, high = np.nanmin([true, predicted]), np.nanmax([true, predicted])
    low, high = low - 0.03 * abs(low), high + 0.03 * abs(high)
    axis.plot([low, high], [low, high], color=INK, linewidth=1, linestyle=":")
    bounded = np.isfinite(lower) & np.isfinite(upper)
    axis.vlines(true[bounded], lower[bounded], upper[bounded], color=colour, alpha=0.35, linewidth=1)
    axis.scatter(true, predicted, color=colour, s=14)
    scale = scale_of(true, predicted)
    axis.set(xscale=scale, yscale=scale, xlim=(low, high), ylim=(low, high), xlabel=f"true final {what}")
    axis.set_ylabel(f"predicted final {what}")
    plain_log(axis)


def wrapped_label(label: str, width: int = 16) -> str:
    """Break a machine's label where it has room under an axis."""
    return "\n".join(textwrap.wrap(label.replace("-", "- "), width)).replace("- ", "-")


def png(figure: Figure) -> bytes:
    """Return a figure as PNG on white, for places that show no SVG."""
    stream = io.BytesIO()
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]
        figure.savefig(stream, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return stream.getvalue()
