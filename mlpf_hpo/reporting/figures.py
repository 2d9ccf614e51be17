"""The paper's figures, redone on this run. Each function returns a `Panel`: the figure and what it says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mlpf_hpo.number_format import fixed
from mlpf_hpo.plotting import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    canvas,
    draw_predicted,
    plain_log,
    range_of,
    scale_of,
)
from mlpf_hpo.predictors.samplers import describe_sampler
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.scaling import figure_2
from mlpf_hpo.reporting.style import Panel
from mlpf_hpo.reporting.throughput import figure_7
from mlpf_hpo.search.search_result import best_trial

COLOURS = {"persistence": GREY, "svr": BLUE, "qsvr": ORANGE, "random_bits": RED, "qsvr_ensemble": GREEN}
OTHERS = ("#7b5ea7", "#8c6d31", "#17889c")
NAMES = {"svr": "SVR", "qsvr": "QSVR", "qsvr_ensemble": "QSVR ensemble"}


def colour_of(predictor: str) -> str:
    """Return a predictor's colour, the same in every figure."""
    return COLOURS.get(predictor) or OTHERS[sum(predictor.encode()) % len(OTHERS)]


def name_of(predictor: str) -> str:
    """Return what a predictor is called in figures and tables."""
    return NAMES.get(predictor, predictor.replace("_", " "))


LOSS_NOTE = (
    "Losses are sums over elements divided by their number (by that of elements with a target for momenta "
    "and charge): they don't depend on padding, and can't be compared with the paper's 440-600."
)


def _loss_note(inputs: ReportInput) -> str:
    return f" {LOSS_NOTE}" if inputs.of_mlpf else ""


def figure_1(inputs: ReportInput) -> Panel:
    """Return the target metric, and that of the training events, before and after the search."""
    curves, name, target = inputs.curves, inputs.target_name, inputs.curves.target
    finished = np.flatnonzero(np.isfinite(curves.final))
    order = finished[np.argsort(target.cost(1.0) * curves.final[finished], kind="stable")]
    median = int(order[(len(order) - 1) // 2])
    best = best_trial(inputs.search)
    training = curves.metrics.get(target.of_training)
    before = (() if training is None else training[median], curves.values[median])
    after = (best["train_curve"], best["curve"])
    everything = np.concatenate([np.asarray(curve, dtype=float) for curve in (*before, *after)])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    with canvas(2) as (figure, axes):
        for axis, title, (train, validation) in zip(axes, ("before", "after"), (before, after), strict=True):
            epochs = np.arange(1, len(validation) + 1)
            if len(train):
                axis.plot(epochs, train, color=BLUE, label="training")
            axis.plot(epochs, validation, color=ORANGE, label="validation", linestyle="--")
            axis.set(title=title, xlabel="epoch", ylabel=name.removeprefix("validation "))
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.legend()
            axis.set(yscale=scale_of(everything), ylim=(low - 0.05 * abs(low), high + 0.05 * abs(high)))
            plain_log(axis)
    first, last = float(curves.values[median][-1]), float(best["curve"][-1])
    return Panel(
        "figure-1",
        f"Figure 1: {name.removeprefix('validation ')} before and after the search",
        f"Left: the campaign's trial with the median final {name}, as one would get without "
        f"searching ({inputs.campaign['epochs']} epochs). Right: the best trial of the search "
        f"({best['scheduler']}, {best['trial_id']}, {len(best['curve'])} epochs). The final "
        f"{name.removeprefix('validation ')} changes {_changed(first, last)}; one seed each. "
        f"{inputs.described_events}; {inputs.machine_names}.{_loss_note(inputs)}",
        figure,
    )


def _changed(first: float, last: float) -> str:
    """Return by how much a value changed: in per cent where that means anything."""
    return f"by {last / first - 1:+.1%}" if first > 0 else f"from {first:.4g} to {last:.4g}"


def figure_3(inputs: ReportInput) -> Panel:
    """Return the learning-curve data set."""
    curves, name = inputs.curves, inputs.target_name
    epochs = np.arange(1, curves.n_epochs + 1)
    low, high = range_of(curves.values)
    beyond = int(((curves.values < low) | (curves.values > high)).any(axis=1).sum())
    with canvas() as (figure, (axis,)):
        for row, values in enumerate(curves.values):
            odd = not curves.complete[row]
            axis.plot(epochs, values, color=RED if odd else BLUE, alpha=0.9 if odd else 0.45, linewidth=1)
        known = inputs.predictors["known_epochs"]
        axis.axvline(known, color=INK, linestyle=":", label=f"predictors see {known} epochs")
        axis.plot([], [], color=BLUE, label="complete")
        axis.plot([], [], color=RED, label="diverged, failed, cut short or restarted")
        axis.set(xlabel="epoch", ylabel=name, yscale=scale_of(curves.values))
        axis.set_ylim(low - 0.02 * abs(low), high + 0.02 * abs(high))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain_log(axis)
        axis.legend()
    restarted = int((curves.restart_epoch >= 0).sum())
    diverged, failed = map(curves.status.tolist().count, ("diverged", "failed"))
    return Panel(
        "figure-3",
        "Figure 3: the learning curves",
        f"{name[0].upper()}{name[1:]} of all {len(curves)} trials of {curves.source}, random "
        "configurations of the search space; "
        f"{int(curves.complete.sum())} are complete, {diverged} diverged, {failed} failed, "
        f"{restarted} restart{f', {beyond} leave the frame' if beyond else ''}. "
        f"{inputs.described_events}; {inputs.machine_names}.{_loss_note(inputs)}",
        figure,
    )


def figure_4(inputs: ReportInput) -> Panel:
    """Return predicted against true final loss of the SVR, beside persistence."""
    names = [name for name in ("persistence", "svr") if name in inputs.predictors["out_of_fold"]]
    with canvas(len(names), height=3.7) as (figure, axes):
        for axis, name in zip(axes, names, strict=True):
            _predicted_against_true(axis, inputs, name)
    return Panel(
        "figure-4",
        "Figure 4: predicted against true final loss, SVR",
        f"{_out_of_fold_text(inputs)} Bars are {inputs.predictors['coverage']:.0%} conformal intervals; a "
        "bar that leaves the frame is wider than the data. Persistence repeats the last loss seen.",
        figure,
    )


def figure_5(inputs: ReportInput) -> Panel:
    """Return the distribution of R2 over splits."""
    table = inputs.predictors["table_2"]
    with canvas() as (figure, (axis,)):
        for position, row in enumerate(table["rows"]):
            scores = np.array(row["r2_scores"])
            spread = np.linspace(-0.18, 0.18, len(scores)) if len(scores) > 1 else np.zeros(1)
            colour = colour_of(row["predictor"])
            axis.scatter(position + spread, scores, color=colour, s=16, alpha=0.8)
            axis.hlines(row["mean"], position - 0.3, position + 0.3, color=colour, linewidth=2)
        axis.set_xticks(range(len(table["rows"])), [name_of(row["predictor"]) for row in table["rows"]])
        axis.set(ylabel="R² (quantiles)", ylim=(max(-1.0, axis.get_ylim()[0]), 1.02))
    below = sum(score < -1 for row in table["rows"] for score in row["r2_scores"])
    cut = f" {below} score(s) lie below -1." if below else ""
    return Panel(
        "figure-5",
        "Figure 5: R² over random splits",
        f"{table['splits']} splits of {inputs.predictors['rows']} curves: {table['points']} to train on, "
        f"half of the configurations to test on; {table['known_epochs']} of "
        f"{inputs.predictors['n_epochs']} epochs seen. R²(true, predicted) in quantiles of the training "
        "losses. Bars are means. Random bits stand where the annealer's samples would: what they reach, "
        f"the annealer has not contributed.{cut}",
        figure,
    )


def figure_6(inputs: ReportInput) -> Panel:
    """Return the QSVR's predictions, and all scores against the share of the curve seen."""
    shares = inputs.predictors["shares"]
    with canvas(2, height=3.7) as (figure, (left, right)):
        if "qsvr" in inputs.predictors["out_of_fold"]:
            _predicted_against_true(left, inputs, "qsvr")
        else:
            left.text(
                0.5, 0.5, "QSVR is not among\npredictors.candidates", ha="center", transform=left.transAxes
            )
        for name, rows in shares.items():
            x, y = [row["share"] for row in rows], [row["spearman"] for row in rows]
            right.plot(x, y, marker="o", markersize=4, color=colour_of(name), label=name_of(name))
        right.set(xlabel="share of the curve seen", ylabel="Spearman rank correlation")
        right.legend()
    sampler = inputs.params.predictors.qsvr
    held = "all training curves" if sampler.points == "all" else f"at most {sampler.points} curves"
    return Panel(
        "figure-6",
        "Figure 6: QSVR, and what seeing more of the curve brings",
        f"Left: QSVR, trained as a QUBO of {held} by "
        f"{describe_sampler(sampler.sampler, sampler.reads, sampler.sweeps)}. Right: "
        "rank correlation with the final loss against the share of the curve seen; at 0 from the "
        f"hyperparameters alone. {_out_of_fold_text(inputs)}",
        figure,
    )


FIGURES: tuple[Callable[[ReportInput], Panel], ...] = (
    figure_1,
    figure_2,
    figure_3,
    figure_4,
    figure_5,
    figure_6,
    figure_7,
)


def _predicted_against_true(axis: Axes, inputs: ReportInput, name: str) -> None:
    scores, out = inputs.predictors["predictors"][name], inputs.predictors["out_of_fold"][name]
    draw_predicted(axis, out, colour_of(name), inputs.target_name.removeprefix("validation "))
    r2, rank = scores["r2_quantile"]["mean"], scores["spearman"]["mean"]
    axis.set_title(f"{name_of(name)}: R² {fixed(r2)} (quantiles), Spearman {fixed(rank)}")


def _out_of_fold_text(inputs: ReportInput) -> str:
    p = inputs.predictors
    return (
        f"Each of {p['rows']} curves predicted by models that had none of its configuration to learn from "
        f"({p['outer_folds']} folds), after {p['known_epochs']} of {p['n_epochs']} epochs."
    )
