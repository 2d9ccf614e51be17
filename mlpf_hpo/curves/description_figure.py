"""The picture of a table of curves: the curves, how ranks settle, final values against hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.features import is_logarithmic
from mlpf_hpo.curves.rank_settling import RankSettling, rank_settling
from mlpf_hpo.curves.schema import LearningCurves, text_columns
from mlpf_hpo.plotting import BLUE, GREEN, GREY, ORANGE, canvas, plain_log, png, range_of, scale_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PER_ROW = 3
"""Panels in a row."""

ROOM = 1.02
"""Factor between the limits of an axis and the values."""

PANEL = (3.4, 2.7)
"""Width and height of a panel, inches."""


def description_figure(curves: LearningCurves) -> bytes:
    """Return the picture of a table of curves, PNG."""
    names = curves.hyperparameters
    rows = -(-(2 + len(names)) // PER_ROW)
    with canvas(PER_ROW, PANEL[0] * PER_ROW, PANEL[1] * rows, rows=rows) as (figure, axes):
        draw_curves(axes[0], curves)
        _draw_settling(axes[1], rank_settling(curves))
        for axis, name in zip(axes[2:], names, strict=False):
            _draw_hyperparameter(axis, curves, name)
        for axis in axes[2 + len(names) :]:
            axis.set_visible(False)
        return png(figure)


def draw_curves(axis: Axes, curves: LearningCurves) -> None:
    """Draw all curves; the best of those with a final value stands out."""
    epochs = np.arange(1, curves.n_epochs + 1)
    values = np.where(np.isfinite(curves.values), curves.values, np.nan)
    axis.plot(epochs, values.T, color=GREY, linewidth=0.6, alpha=0.4, marker="." if len(epochs) == 1 else "")
    final = curves.final
    if np.isfinite(final).any():
        best = int(np.nanargmin(final) if curves.mode == "min" else np.nanargmax(final))
        axis.plot(epochs, values[best], color=ORANGE, linewidth=1.8, label=f"best: {final[best]:.4g}")
        axis.legend()
    axis.set(xlabel="epoch", ylabel=curves.metric, title=f"{len(curves)} curves")
    _frame(axis, values)


def _draw_settling(axis: Axes, found: RankSettling | None) -> None:
    axis.set(xlabel="epoch", title="ranks after an epoch")
    if found is None:
        axis.text(0.5, 0.5, "too few complete curves", ha="center", transform=axis.transAxes)
        return
    axis.plot(found.epochs, found.spearman, color=BLUE, label="Spearman with the last")
    axis.plot(found.epochs, found.reversed_pairs, color=GREEN, label="pairs reversed at the end")
    axis.plot(found.epochs, found.crossing_pairs, color=ORANGE, label="pairs that cross later")
    axis.set(ylim=(min(0.0, float(np.nanmin(found.spearman, initial=0.0))) - 0.02, 1.02))
    axis.legend(fontsize="small")


def _draw_hyperparameter(axis: Axes, curves: LearningCurves, name: str) -> None:
    column, final = curves.configs[name], curves.final
    texts = bool(text_columns(curves.configs, [name])) or column.dtype == bool
    if texts:
        codes, categories = pd.factorize(column.astype(str), sort=True)
        axis.set_xticks(range(len(categories)), categories)
        at = codes + np.linspace(-0.2, 0.2, len(codes))
    else:
        at = column.to_numpy(dtype=float)
    axis.scatter(at, final, color=BLUE, s=8, alpha=0.6)
    axis.set(xlabel=name, ylabel=f"final {curves.metric}")
    _frame(axis, final)
    if not texts and is_logarithmic(name, at):
        axis.set_xscale("log")


def _frame(axis: Axes, values: FloatArray) -> None:
    """Set the limits of the values that are shown: without spikes; logarithmic if all are positive."""
    if not np.isfinite(values).any():
        return
    low, high = range_of(values)
    if scale_of(low) == "log":
        axis.set(yscale="log", ylim=(low / ROOM, high * ROOM))
        plain_log(axis)
    else:
        room = (ROOM - 1) * max(high - low, abs(high), 1e-9)
        axis.set_ylim(low - room, high + room)
