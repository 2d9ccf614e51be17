"""Figures kept with a parent run: the curves of all its trials, and their throughput by machine.

The UI draws a hundred runs at a time, and scales its axis to the infinity with which a trial diverged.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.plotting import BLUE, GREEN, GREY, ORANGE, RED, canvas, draw_rates, plain_log, range_of
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import stable_hash
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import links

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

FloatArray: TypeAlias = FloatArray

CURVES, MACHINES = "figures/curves.png", "figures/machines.png"
"""Artifacts of a parent run."""

DRAWN = "figures_of"
"""Tag of a parent run: a digest of what its figures show."""

THROUGHPUT = "throughput/events_per_second"

COLOURS = {"finished": BLUE, "stopped": GREY, "failed": ORANGE, "diverged": RED}
"""By status, in the order of drawing; trials that are under way, or were killed, are green."""

ROOM = 3.0
"""A diverged trial is drawn within the range of the others times this; those that leave it are counted."""


def log_figures(
    client: MlflowClient, parent_run_id: str, name: str, trials: Sequence[TrialSummary], target: TargetMetric
) -> None:
    """Store the figures of a campaign or search with its parent run, unless they show these trials already.

    Parameters
    ----------
    name : str
        Title of the figures.
    trials : sequence of TrialSummary
        All trials, with the metrics `target` and `THROUGHPUT`.
    """
    digest = _digest(trials, target)
    if client.get_run(parent_run_id).data.tags.get(DRAWN) == digest:
        return
    figures = {CURVES: curves_figure(name, trials, target)}
    if rates := rates_by_machine(trials):
        figures[MACHINES] = machines_figure(name, rates)
    for path, figure in figures.items():
        client.log_figure(parent_run_id, figure, path, save_kwargs={"dpi": 150, "facecolor": "white"})
    client.set_tag(parent_run_id, DRAWN, digest)


def figures_of(trials: Sequence[TrialSummary]) -> list[str]:
    """Return which figures there are of these trials: that of the machines only if they logged throughput."""
    return [CURVES, MACHINES] if rates_by_machine(trials) else [CURVES]


def figure_links(
    experiment_id: str, parent_run_id: str, figures: Sequence[str] = (CURVES, MACHINES)
) -> list[tuple[str, str]]:
    """Return the links to the figures of a parent run, and what they are called."""
    labels = {CURVES: "all curves (figure)", MACHINES: "all machines (figure)"}
    return [(labels[path], links.artifact_link(experiment_id, parent_run_id, path)) for path in figures]


def curves_figure(name: str, trials: Sequence[TrialSummary], target: TargetMetric) -> Figure:
    """Draw the curves of all trials by status; a cross marks the last finite value of one that diverged."""
    order = [*COLOURS]
    drawn = sorted(trials, key=lambda trial: order.index(trial.status) if trial.status in order else -1)
    curves = [(trial.status, _finite(trial, target)) for trial in drawn]
    low, high = _frame(curves)
    with canvas(width=9.5, height=6) as (figure, (axis,)):
        for status, values in curves:
            _draw(axis, status, values, (low, high))
        for status, n in Counter(status for status, _ in curves).items():
            axis.plot([], [], color=COLOURS.get(status, GREEN), label=f"{n} {status}")
        axis.set(
            xlabel="epoch", ylabel=target.metric, ylim=(low, high), title=_title(name, curves, low, high)
        )
        if low > 0:
            axis.set_yscale("log")
            plain_log(axis)
        axis.legend()
    return figure


def machines_figure(name: str, rates: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the throughput of every trial by the machine that trained it."""
    with canvas(width=max(7.2, 1.6 * len(rates)), height=5) as (figure, (axis,)):
        draw_rates(axis, {f"{label}: {len(rates[label])} trials": rates[label] for label in sorted(rates)})
        axis.set(ylabel="events/s, median over each trial's epochs", title=f"{name}: throughput by machine")
    return figure


def rates_by_machine(trials: Sequence[TrialSummary]) -> dict[str, list[float]]:
    """Return each trial's throughput, the median over its epochs, by the label of its machine."""
    rates: dict[str, list[float]] = {}
    for trial in trials:
        logged = [value for value in trial.metrics.get(THROUGHPUT, ()) if 0 < value < math.inf]
        if logged:
            rates.setdefault(trial.hardware_label, []).append(float(np.median(logged)))
    return rates


def _finite(trial: TrialSummary, target: TargetMetric) -> FloatArray:
    """Return a trial's curve with NaN for what is not finite."""
    values = np.array(trial.metrics.get(target.metric, ()), dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _draw(axis: Axes, status: str, values: FloatArray, frame: tuple[float, float]) -> None:
    colour = COLOURS.get(status, GREEN)
    width, alpha = (1.2, 1.0) if status == "diverged" else (0.8, 0.5)
    axis.plot(np.arange(1, len(values) + 1), values, color=colour, linewidth=width, alpha=alpha)
    seen = np.flatnonzero(np.isfinite(values))
    if status == "diverged" and len(seen):
        end = np.clip(values[seen[-1]], *frame)
        axis.plot(seen[-1] + 1, end, marker="x", color=colour, markersize=5, clip_on=False)


def _frame(curves: Sequence[tuple[str, FloatArray]]) -> tuple[float, float]:
    """Return the range of the axis: that of the trials that did not diverge, and room for those that did."""
    every = np.concatenate([values for _, values in curves] or [np.empty(0)])
    kept = np.concatenate([values for status, values in curves if status != "diverged"] or [np.empty(0)])
    kept = kept if np.isfinite(kept).any() else every
    if not np.isfinite(kept).any():
        return 0.0, 1.0
    (low, high), lowest, highest = range_of(kept), np.nanmin(every), np.nanmax(every)
    diverged = any(status == "diverged" for status, _ in curves)
    if lowest > 0:
        room = ROOM if diverged else 1.03
        return float(max(low / room, lowest / 1.03)), float(min(high * room, highest * 1.03))
    room = (ROOM if diverged else 0.03) * (high - low) or 1.0
    return float(max(low - room, lowest)), float(min(high + room, highest))


def _title(name: str, curves: Sequence[tuple[str, FloatArray]], low: float, high: float) -> str:
    """Return a title with the number of trials, and of those outside the frame."""
    without = sum(not np.isfinite(values).any() for _, values in curves)
    beyond = sum(bool(((values < low) | (values > high)).any()) for _, values in curves)
    parts = [f"{name}: {len(curves)} trials"]
    parts += [f"{without} without a finite value"] if without else []
    parts += [f"{beyond} leave the frame"] if beyond else []
    return ", ".join(parts)


def _digest(trials: Sequence[TrialSummary], target: TargetMetric) -> str:
    values = [
        [trial.run_id, trial.status, trial.hardware_label]
        + [repr(value) for metric in (target.metric, THROUGHPUT) for value in trial.metrics.get(metric, ())]
        for trial in trials
    ]
    return stable_hash([str(target), *sorted(values)], length=16)
