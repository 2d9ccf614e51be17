"""Figures of the search: best value against epochs, the epochs of each trial, what is expected of them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mlpf_hpo.plotting import BLUE, GREEN, INK, ORANGE, RED, canvas, plain_log, scale_of
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.style import Panel
from mlpf_hpo.target_metric import TargetMetric

COLOURS = (BLUE, ORANGE, GREEN, RED, "#7b5ea7", "#8c6d31", "#17889c")

MOST_NAMED = 40
"""Of more trials the names do not fit."""


def search_panels(inputs: ReportInput) -> list[Panel]:
    """Return the figures of the search; that of expected values only if a scheduler has any."""
    panels = [figure_search(inputs), figure_epochs(inputs)]
    if any(found["posterior"] for found in inputs.search["schedulers"].values()):
        panels.append(figure_posterior(inputs))
    return panels


def figure_search(inputs: ReportInput) -> Panel:
    """Return the best value that each scheduler had found against the epochs that it had spent."""
    schedulers = inputs.search["schedulers"]
    with canvas() as (figure, (axis,)):
        for colour, found in zip(itertools.cycle(COLOURS), schedulers.values(), strict=False):
            x, y = np.array(found["incumbent"]).T
            axis.step(x, y, where="post", color=colour, label=found["label"])
            axis.plot(x[-1], y[-1], marker="o", color=colour, markersize=5)
        scale = scale_of(*(np.array(found["incumbent"])[:, 1] for found in schedulers.values()))
        axis.set(xlabel="epochs spent by all trials", ylabel=f"best {inputs.target_name}", yscale=scale)
        plain_log(axis)
        axis.legend()
    return Panel(
        "figure-search",
        "The search: schedulers on the same configurations",
        f"{inputs.search['configurations']} configurations that no predictor has seen, the same with the "
        f"same seeds for every scheduler, at most {inputs.search['max_epochs']} epochs each; a dot ends a "
        f"search{_prediction_by(inputs)}{_priors_of(inputs)}. One run per scheduler: such differences "
        f"may be arrival noise. {inputs.described_events}; {inputs.machine_names}.",
        figure,
    )


def figure_epochs(inputs: ReportInput) -> Panel:
    """Return how many epochs each scheduler gave to each trial."""
    schedulers, limit = inputs.search["schedulers"], inputs.search["max_epochs"]
    order = trial_order(inputs)
    with canvas(height=1.2 + 0.32 * len(schedulers)) as (figure, (axis,)):
        for row, (colour, found) in enumerate(
            zip(itertools.cycle(COLOURS), schedulers.values(), strict=False)
        ):
            epochs = {trial["trial_id"]: len(trial["curve"]) for trial in found["trials"]}
            for column, trial_id in enumerate(order):
                n = epochs[trial_id]
                share = 0.15 + 0.6 * n / limit if n else 0.0
                corner = column - 0.5, row - 0.5
                axis.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=share, linewidth=0))
                if len(order) <= MOST_NAMED:
                    text = str(n) if n else "·"
                    axis.text(column, row, text, ha="center", va="center", fontsize=7, color=INK)
        axis.set(xlim=(-0.5, len(order) - 0.5), ylim=(len(schedulers) - 0.5, -0.5))
        axis.set_yticks(range(len(schedulers)), [_short(found["label"]) for found in schedulers.values()])
        axis.set_xlabel("trial, best value of any scheduler first")
        _name_trials(axis, order)
    return Panel(
        "figure-epochs",
        "The epochs that each scheduler gave to each trial",
        f"Of {limit} at most; a point: never started. In the order of the best value that any scheduler saw "
        "of a trial: what a scheduler spends on the right is spent on what was not worth it. Why each ended "
        "is in the table below.",
        figure,
    )


def figure_posterior(inputs: ReportInput) -> Panel:
    """Return what schedulers that hold expectations expected of every trial when they ended."""
    order, final = trial_order(inputs), _known_finals(inputs)
    holders = [found for found in inputs.search["schedulers"].values() if found["posterior"]]
    shown = [value for found in holders for bounds in found["posterior"].values() for value in bounds]
    with canvas(len(holders)) as (figure, axes):
        for axis, found in zip(axes, holders, strict=True):
            epochs = {trial["trial_id"]: len(trial["curve"]) for trial in found["trials"]}
            for column, trial_id in enumerate(order):
                if trial_id not in found["posterior"]:
                    continue
                mean, low, high = found["posterior"][trial_id]
                colour = ORANGE if epochs[trial_id] else BLUE
                axis.plot([column] * 2, [low, high], color=colour, linewidth=2, alpha=0.7)
                axis.plot(column, mean, marker="o", color=colour, markersize=4)
            known = [column for column, trial_id in enumerate(order) if trial_id in final]
            axis.plot(known, [final[order[c]] for c in known], "x", color=INK, label="trained in full by any")
            axis.plot([], [], "o", color=ORANGE, markersize=4, label="expected, begun")
            axis.plot([], [], "o", color=BLUE, markersize=4, label="expected, never started")
            axis.set(ylabel=f"final {inputs.target_name}", yscale=scale_of([*shown, *final.values()]))
            axis.set(xlim=(-0.7, len(order) - 0.3), xlabel="trial", title=found["label"])
            _name_trials(axis, order)
            plain_log(axis)
        axes[0].legend(fontsize=8)
    return Panel(
        "figure-posterior",
        "What was expected of every trial when the search ended",
        "Final values as the scheduler expected them at its end, with one standard deviation to either side, "
        "of all trials whether they began or not, or as its predictor does, of those that it predicted; "
        "crosses are final values that it, or another scheduler, trained to. Trials stand in the order of "
        f"the figure above{_prediction_by(inputs)}{_priors_of(inputs)}.",
        figure,
    )


def trial_order(inputs: ReportInput) -> list[str]:
    """Return all trials, by the best value that any scheduler saw of them; those never started come last."""
    target, best = TargetMetric.of_dict(inputs.search.get("target")), dict[str, float]()
    for found in inputs.search["schedulers"].values():
        for trial in found["trials"]:
            cost = target.cost(target.best(trial["curve"])) if trial["curve"] else np.inf
            best[trial["trial_id"]] = min(cost, best.get(trial["trial_id"], np.inf))
    return sorted(best, key=lambda trial_id: best[trial_id])


def _known_finals(inputs: ReportInput) -> dict[str, float]:
    """Return the final values of the trials that any scheduler trained in full."""
    return {
        trial["trial_id"]: trial["curve"][-1]
        for found in inputs.search["schedulers"].values()
        for trial in found["trials"]
        if trial["status"] == "finished"
    }


def _name_trials(axis: Axes, order: list[str]) -> None:
    axis.grid(False)
    if len(order) > MOST_NAMED:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axis.set_xticks(range(len(order)), [name.lstrip("t0") or "0" for name in order], fontsize=7)


def _short(label: str) -> str:
    """Return a label in two lines at most."""
    return label.replace(" + ", "\n+ ", 1).replace(" with ", "\nwith ", 1) if len(label) > 14 else label


def _prediction_by(inputs: ReportInput) -> str:
    champion = inputs.search["champion"]
    return f"; prediction by {champion['name']} version {champion['version']}" if champion else ""


def _priors_of(inputs: ReportInput) -> str:
    found: Any = inputs.search["schedulers"].values()
    return "".join(f"; prior of {one['label']}: {one['prior']}" for one in found if one["prior"])
