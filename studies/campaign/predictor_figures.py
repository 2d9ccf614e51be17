"""Figures 4, 5 and 6 of the paper on these curves, and scores against the observed share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpf_hpo.plotting import GREY, canvas
from mlpf_hpo.predictors.criteria import PERSISTENCE, SELECTED
from mlpf_hpo.reporting.figures import colour_of, name_of
from mlpf_hpo.reporting.style import Panel
from studies.published.corrected_protocol import SIZES
from studies.published.figures import draw_scores, predicted_against_true

NAMED = (SELECTED, PERSISTENCE, "svr", "qsvr", "random_bits", "stacked")
"""Predictors with a colour in the figure of shares; the others are grey."""


def figure_4(table: Mapping[str, Any]) -> Panel | None:
    """Return predicted against true quantiles of the SVR on the first split, beside persistence."""
    if table["single"] is None:
        return None
    with canvas(2, height=3.7) as (figure, axes):
        for axis, name in zip(axes, ("svr", PERSISTENCE), strict=True):
            predicted_against_true(axis, table["examples"]["single"], name)
    return Panel(
        "figure-4",
        "Figure 4: predicted against true final loss, SVR",
        f"The first split: {_protocol(table, 'single')} Right: persistence on the same curves, which learns "
        "nothing.",
        figure,
    )


def figure_5(table: Mapping[str, Any]) -> Panel | None:
    """Return the distributions of R2 over splits."""
    if table["single"] is None:
        return None
    scores = {name: np.array(one["scores"]["r2_quantile"]) for name, one in table["single"].items()}
    with canvas() as (figure, (axis,)):
        draw_scores(axis, scores)
        low = min(float(values.min()) for values in scores.values())
        axis.set(ylabel="R²(truth, prediction), quantiles", ylim=(max(-1.0, low - 0.05), 1.02))
    below = sum(int((values < -1).sum()) for values in scores.values())
    splits = ", ".join(f"{len(values)} of {name.replace('_', ' ')}" for name, values in scores.items())
    return Panel(
        "figure-5",
        "Figure 5: R² over random splits",
        f"Every dot is a split ({splits}), bars are means: {_protocol(table, 'single')}"
        f"{f' {below} scores lie below the frame.' if below else ''}",
        figure,
    )


def figure_6(table: Mapping[str, Any]) -> Panel | None:
    """Return predicted against true quantiles of an ensemble of QSVRs, beside random bits."""
    if table["ensemble"] is None:
        return None
    with canvas(2, height=3.7) as (figure, axes):
        for axis, name in zip(axes, ("annealing", "random_bits"), strict=True):
            predicted_against_true(axis, table["examples"]["ensemble"], name)
    return Panel(
        "figure-6",
        "Figure 6: predicted against true final loss, ensembles of four",
        f"The first split: {_protocol(table, 'ensemble')} Right: random bits in the place of the sampler.",
        figure,
    )


def figure_shares(found: Mapping[str, Any]) -> Panel:
    """Return the rank correlation of every predictor against the observed share."""
    shares = [100 * one["share"] for one in found["shares"]]
    with canvas(2, width=8.4) as (figure, axes):
        for axis, metric in zip(axes, ("spearman", "coverage_best_tenth"), strict=True):
            for name in found["shares"][0]["scores"]:
                means = [one["scores"][name][metric]["mean"] for one in found["shares"]]
                named = name in NAMED
                axis.plot(
                    shares,
                    means,
                    color=colour_of(name) if named else GREY,
                    alpha=1.0 if named else 0.35,
                    linewidth=1.6 if named else 0.8,
                    marker="o" if named else "",
                    markersize=3,
                    label=name_of(name) if named else None,
                )
            axis.set(xlabel="observed share of the curve, %")
        axes[0].set(ylabel="Spearman", ylim=(max(-0.2, axes[0].get_ylim()[0]), 1.02))
        axes[0].legend(fontsize=7)
        axes[1].axhline(found["coverage"], color=GREY, linestyle=":")
        axes[1].set(ylabel="coverage among the best tenth", ylim=(0, 1.02))
    return Panel(
        "figure-shares",
        "What seeing more of the curve brings",
        f"Means over {found['splits']} splits by configuration of the {found['curves']} curves of the design "
        f"half, {found['train']} to train on. Grey: the other predictors. Right: how often intervals of "
        f"nominal coverage {found['coverage']:.2f} hold for the tenth that ends best.",
        figure,
    )


def _protocol(table: Mapping[str, Any], size: str) -> str:
    return (
        f"{SIZES[size]} training curves, {table['known_epochs']} of {table['n_epochs']} epochs seen, half of "
        f"{table['curves']} configurations to test on, transformers fitted on training curves."
    )
