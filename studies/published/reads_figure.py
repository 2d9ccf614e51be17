"""Figure of single reads: energy against R², and R² against the precision of an annealer's control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mlpf_hpo.plotting import BLUE, GREEN, GREY, INK, ORANGE, RED, canvas
from mlpf_hpo.predictors.samplers.qpu import CHAIN_STRENGTHS
from mlpf_hpo.reporting.style import Panel
from studies.published.figures import COLOURS
from studies.published.methods import QPU

LABELS = {
    "random_bits": "random bits",
    "mock_pegasus": "mock Pegasus",
    "mock_zephyr": "mock Zephyr",
    "descent": "steepest descent",
    "annealing": "simulated annealing",
    QPU: "quantum annealer (4 stored)",
    "zoom": "minimum (zoom)",
}
SHADES = {**COLOURS, "mock_pegasus": BLUE, "mock_zephyr": GREY, "descent": GREEN}
STRENGTH_COLOURS = (GREY, BLUE, GREEN, ORANGE, RED, INK)
BOTTOM = -1.0
"""R² below which reads are not drawn."""


def figure_reads(content: Mapping[str, Any], numbers: Mapping[str, Any]) -> Panel:
    """Return energy against R² of single reads, and R² by control precision and chain strength."""
    with canvas(3, width=9.6, height=3.9) as (figure, axes):
        below = _reads(axes[0], content["reads"])
        for axis, (topology, strengths) in zip(axes[1:], numbers["precision"].items(), strict=True):
            _precision(axis, topology, strengths, numbers["null"]["all_reads"])
    settings = content["settings"]
    return Panel(
        "figure-reads",
        "What energy says, and what control errors cost",
        f"Left: reads of {len(content['reads']['zoom']['r2'])} problems of 120 bits, those of the first "
        f"members of the stored ensembles, {below} reads below the frame: energy in units of the minimum off "
        "the lattice of the bits, against R² (quantiles) on new test rows. Middle and right: R² of the read "
        f"of least training error among {settings['mock_reads']} of a mock annealer, means over the same "
        "problems, by the control of its coefficients: perfect, rounded to bits of their range, with "
        "Gaussian errors in units of it. Lines are chain strengths, the default's thick; dotted: as many "
        "random bit strings, chosen alike.",
        figure,
    )


def _reads(axis: Axes, found: Mapping[str, Any]) -> int:
    """Draw reads by sampler; return how many lie below the frame."""
    below = 0
    for name, label in LABELS.items():
        energy, r2 = np.array(found[name]["energy"]), np.array(found[name]["r2"])
        few = name in (QPU, "zoom")
        axis.scatter(
            energy,
            r2,
            s=14 if few else 5,
            alpha=0.9 if few else 0.5,
            color=SHADES[name],
            label=label,
            linewidth=0,
        )
        below += int((r2 < BOTTOM).sum())
    axis.set(xlabel="energy / |minimum|", ylabel="R²(truth, prediction), quantiles", ylim=(BOTTOM, 1.02))
    axis.set_xscale("symlog", linthresh=1.0)
    axis.legend(fontsize=6, loc="lower left")
    return below


def _precision(axis: Axes, topology: str, strengths: Mapping[str, Any], null: float) -> None:
    for (strength, controls), colour in zip(strengths.items(), STRENGTH_COLOURS, strict=False):
        default = float(strength) == CHAIN_STRENGTHS[topology]
        values = [found["all_reads"] for found in controls.values()]
        axis.plot(
            range(len(values)), values, marker="o", markersize=3, color=colour, label=strength,
            linewidth=2.5 if default else 1.0,
        )  # fmt: skip
    axis.axhline(null, color=INK, linestyle=":", linewidth=1)
    axis.set_xticks(range(len(controls)), list(controls), fontsize=7)
    axis.set(title=f"mock {topology.capitalize()}", xlabel="control of the coefficients", ylabel="R²")
    axis.legend(fontsize=6, title="chain strength", title_fontsize=6)
