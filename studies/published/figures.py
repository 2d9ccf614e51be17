"""Figures of the published study, redone; contribution of its quantum annealer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.plotting import BLUE, GREEN, GREY, INK, ORANGE, RED, canvas, plain_log
from mlpf_hpo.predictors.criteria import PERSISTENCE
from mlpf_hpo.reporting.style import Panel
from studies.published.data import SEEN, PublishedCurves
from studies.published.methods import QPU
from studies.published.paper import spread

VIOLET = "#7b5ea7"

COLOURS = {
    QPU: ORANGE,
    "random_bits": RED,
    "exact": GREEN,
    "annealing": VIOLET,
    "zoom": "#17889c",
    "svr": BLUE,
    PERSISTENCE: GREY,
}
SHORT = {
    QPU: "quantum\nannealer",
    "random_bits": "random bits\n(null)",
    "exact": "exact\n(ceiling)",
    "annealing": "simulated\nannealing",
    "zoom": "zoom",
    "svr": "SVR",
    PERSISTENCE: "persistence",
}


def figure_3(curves: PublishedCurves) -> Panel:
    """Return the published curves, restarts marked."""
    table = curves.curves
    epochs = np.arange(table.n_epochs)
    with canvas() as (figure, (axis,)):
        for values, restart in zip(table.values, table.restart_epoch, strict=True):
            odd = restart >= 0
            axis.plot(epochs, values, color=RED if odd else BLUE, alpha=0.35, linewidth=0.6)
        axis.axvline(SEEN[-1], color=INK, linestyle=":", label=f"predictors see epochs 0 to {SEEN[-1]}")
        axis.plot([], [], color=BLUE, label="no restart")
        axis.plot([], [], color=RED, label="restarts")
        axis.set(xlabel="epoch", ylabel="training loss", yscale="log")
        plain_log(axis)
        axis.legend()
    restarted = int((table.restart_epoch >= 0).sum())
    return Panel(
        "figure-3",
        "Figure 3: the published learning curves",
        f"Training loss of all {len(table)} rows; {len(set(table.groups))} configurations are distinct, and "
        f"{restarted} rows jump back to their first loss and replay their first epochs: what stands at their "
        "last epoch is not the loss after 100 epochs.",
        figure,
    )


def figure_4(content: Mapping[str, Any]) -> Panel:
    """Return predicted against true quantiles of the SVR on the paper's first split."""
    values = content["examples"]["single"]
    with canvas(2, height=3.7) as (figure, axes):
        for axis, name in zip(axes, ("svr", PERSISTENCE), strict=True):
            predicted_against_true(axis, values, name)
    return Panel(
        "figure-4",
        "Figure 4: predicted against true final loss, SVR",
        f"The paper's protocol, split {content['settings']['paper_seed']}: quantiles of the loss at epoch "
        "98 of the test rows, from 20 training rows. Right: persistence on the same rows, which learns "
        "nothing.",
        figure,
    )


def figure_5(content: Mapping[str, Any]) -> Panel:
    """Return the distributions of R² over splits in the paper's protocol."""
    singles = content["paper"]["single"]
    names = [name for name in SHORT if name in singles]
    with canvas() as (figure, (axis,)):
        scores = [np.array(spread(singles[name])["r2_scores"]) for name in names]
        draw_scores(axis, dict(zip(names, scores, strict=True)))
        axis.set(ylabel="R²(prediction, truth)", ylim=(0.3, 1.0))
    below = sum(int((values < 0.3).sum()) for values in scores)
    return Panel(
        "figure-5",
        "Figure 5: R² over the paper's splits, 20 training rows",
        f"Every dot is a split; bars are means. {max(map(len, scores))} splits of the regressions and of "
        f"persistence, {min(map(len, scores))} of the QSVRs. Random bits and simulated annealing have the "
        "way to combine samples with the highest mean on the test rows, as in the paper. "
        f"{below} score(s) lie below the frame.",
        figure,
    )


def figure_6(content: Mapping[str, Any]) -> Panel:
    """Return predicted against true quantiles of a stored ensemble, beside random bits."""
    values = content["examples"]["ensemble"]
    with canvas(3, width=8.4, height=3.3) as (figure, axes):
        for axis, name in zip(axes, (QPU, "random_bits", "exact"), strict=True):
            predicted_against_true(axis, values, name)
    return Panel(
        "figure-6",
        "Figure 6: predicted against true final loss, ensembles of four",
        "The first stored ensemble of QSVRs that a quantum annealer trained, and what random bits and an "
        "exact solver give on the same training and test rows, combined by the paper's code.",
        figure,
    )


def figure_contribution(content: Mapping[str, Any]) -> Panel:
    """Return R² of the annealer's stored solutions between null and ceiling, split by split."""
    with canvas(2, width=8.4, height=3.9) as (figure, axes):
        for axis, kind in zip(axes, ("single", "ensemble"), strict=True):
            methods = content["same_rows"][kind]["new"]
            names = [name for name in SHORT if name in methods]
            scores = np.array([methods[name]["r2_quantile"] for name in names])
            axis.plot(range(len(names)), scores, color=INK, alpha=0.2, linewidth=0.8)
            for position, (name, values) in enumerate(zip(names, scores, strict=True)):
                axis.scatter([position] * len(values), values, s=18, color=COLOURS[name], zorder=3)
                axis.hlines(values.mean(), position - 0.3, position + 0.3, color=COLOURS[name], linewidth=2)
            axis.set_xticks(range(len(names)), [SHORT[name] for name in names], fontsize=7, rotation=35)
            axis.set(title=f"{kind}, {scores.shape[1]} splits", ylabel="R²(truth, prediction), quantiles")
    return Panel(
        "figure-contribution",
        "What the quantum annealer contributed: predictions",
        "The stored solutions, and every other method trained on the same rows. Scored on test rows that are "
        "new: a configuration that no training row has, each once, without a restart. Lines join the scores "
        "of a split, bars are means.",
        figure,
    )


def figure_energies(content: Mapping[str, Any]) -> Panel:
    """Return the lowest energies of every sampler on the stored ensembles' problems."""
    energies = content["energies"]
    names = [name for name in ("random_bits", QPU, "annealing", "zoom") if name in energies]
    optimum = np.array(energies["optimum"])
    with canvas(height=3.3) as (figure, (axis,)):
        for position, name in enumerate(names):
            values = np.array(energies[name]) / np.abs(optimum)
            spots = np.linspace(-0.2, 0.2, len(values))
            axis.scatter(position + spots, values, s=14, color=COLOURS[name], alpha=0.8)
            axis.hlines(values.mean(), position - 0.3, position + 0.3, color=INK, linewidth=1.5)
        axis.axhline(-1.0, color=INK, linestyle=":", linewidth=1, label="minimum off the lattice of the bits")
        axis.set_xticks(range(len(names)), [SHORT[name] for name in names])
        axis.set(ylabel="lowest energy / |minimum|")
        axis.legend(loc="lower left")
    return Panel(
        "figure-energies",
        "What the quantum annealer contributed: energies",
        f"The lowest energy found for each of the {len(optimum)} problems of 120 bits that the stored "
        "ensembles answer, in units of the minimum of the dual objective. The annealer had 1000 reads, and "
        "so had random bits. Zoom is classical, and leaves the lattice of the bits.",
        figure,
    )


def draw_scores(axis: Axes, scores: Mapping[str, FloatArray]) -> None:
    """Draw the scores of each method, one dot a split, and their means."""
    for position, (name, values) in enumerate(scores.items()):
        spots = np.random.default_rng(0).uniform(-0.22, 0.22, len(values))
        axis.scatter(position + spots, values, s=7, alpha=0.55, color=COLOURS[name], linewidth=0)
        axis.hlines(values.mean(), position - 0.3, position + 0.3, color=INK, linewidth=1.5)
    axis.set_xticks(range(len(scores)), [SHORT[name] for name in scores])


def predicted_against_true(axis: Axes, values: Mapping[str, Sequence[float]], name: str) -> None:
    """Draw predictions of a method against the truth, in quantiles: `values` has "true" and its name."""
    true, predicted = np.array(values["true"]), np.array(values[name])
    low, high = min(0.0, predicted.min()), max(1.0, predicted.max())
    axis.plot([low, high], [low, high], color=INK, linewidth=1, linestyle=":")
    axis.scatter(true, predicted, color=COLOURS[name], s=12, alpha=0.8)
    rest = ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum()
    title = SHORT[name].replace("\n", " ")
    axis.set(title=f"{title}: R² {1 - rest:.3f}", xlabel="true quantile", ylabel="predicted quantile")
