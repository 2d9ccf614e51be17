"""Figures of a validation result, the network beside the rule-based particle flow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from mlpf_hpo.evaluation.intervals import Estimate
from mlpf_hpo.evaluation.multiplicity import GROUPS
from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.events.schema import CLASSES
from mlpf_hpo.plotting import INK, canvas
from mlpf_hpo.reporting.physics_panels import (
    NAMES,
    as_fraction,
    compared,
    describe_sample,
    histograms,
    legend,
    matrix,
    points,
)
from mlpf_hpo.reporting.physics_table import describe_about
from mlpf_hpo.reporting.style import Panel, ratio_canvas

KINDS = (
    ("charged hadron", "track", "charged hadrons, tracks"),
    ("charged hadron", "tower", "charged hadrons, towers"),
    ("neutral hadron", "all", "neutral hadrons"),
    ("photon", "all", "photons"),
)
"""Class, elements and title of the panels by class; where the class is charged, towers are another matter."""


FRACTIONS = ("efficiency", "fake_rate")

LABELS = {"efficiency": "efficiency", "fake_rate": "fake rate", "pt_width": r"$\sigma(p_T)/p_T$"}


def _by_class(
    quantity: str, variable: str, name: str, title: str, caption: str
) -> Callable[[ValidationResult], Panel]:
    """Return what draws a quantity against pt or |eta| of the particle, in a panel for each of `KINDS`."""
    of_range = "reconstructed " if quantity == "fake_rate" else "true "

    def draw(result: ValidationResult) -> Panel:
        with ratio_canvas(2, 2) as (figure, pairs):
            for (above, below), (particle, elements, kind) in zip(pairs, KINDS, strict=True):
                rows = result.find(quantity, particle, variable, elements)
                compared(above, below, rows, variable, of_range)
                above.set(title=kind, ylabel=LABELS[quantity])
                if quantity in FRACTIONS:
                    as_fraction(above, rows)
            legend(figure, result)
        return _panel(result, name, title, caption, figure)

    return draw


RIGHT = "Share of the elements of a true class that are given this class, against the true"
WRONG = "Share of the elements given a class that are of another or of none, against the reconstructed"

efficiency = _by_class(
    "efficiency",
    "pt",
    "physics-efficiency",
    "Efficiency by class",
    f"{RIGHT} transverse momentum. Charged hadrons without a track show as towers, which the rules never "
    "take for charged.",
)
efficiency_eta = _by_class(
    "efficiency",
    "eta",
    "physics-efficiency-eta",
    "Efficiency by class and pseudorapidity",
    f"{RIGHT} pseudorapidity.",
)
fake_rate = _by_class(
    "fake_rate", "pt", "physics-fakes", "Fake rate by class", f"{WRONG} transverse momentum."
)
fake_rate_eta = _by_class(
    "fake_rate",
    "eta",
    "physics-fakes-eta",
    "Fake rate by class and pseudorapidity",
    f"{WRONG} pseudorapidity.",
)
resolution = _by_class(
    "pt_width",
    "pt",
    "physics-resolution",
    "Resolution of the transverse momentum",
    "Interquartile range over 1.349 of (reconstructed - true) / true, over the elements whose class is "
    "right, against the true transverse momentum; ranges with fewer than ten elements are left out.",
)


def momentum(result: ValidationResult) -> Panel:
    """Return the distributions of the relative error of pt."""
    with ratio_canvas(2, 2) as (figure, pairs):
        names = ("charged hadron", "neutral hadron", "photon")
        for (above, below), name in zip(pairs, names, strict=False):
            unit = r"$(p_T^{rec} - p_T^{true}) / p_T^{true}$"
            histograms(above, below, result.distributions[f"pt {name}"], unit)
            above.set(title=f"{name}s", ylabel="entries / 0.05")
        histograms(*pairs[3], result.distributions["met"], r"$p_{x,y}^{miss}$ rec. - true [GeV]")
        pairs[3][0].set(title="missing momentum, x and y", ylabel="entries / 2.5 GeV")
        legend(figure, result)
    return _panel(
        result,
        "physics-momentum",
        "Momenta: reconstructed against true",
        "Relative error of the transverse momentum where the class is right, and the error of the missing "
        "transverse momentum by component. The outermost bins hold what lies beyond; bars are "
        "square roots of the counts.",
        figure,
    )


def jets(result: ValidationResult) -> Panel:
    """Return response, resolution, efficiency and fake rate of jets."""
    panels = (
        ("response_median", "median $p_T^{rec}/p_T^{true}$", "response", "true "),
        ("response_resolution", r"$\sigma$ / median", "resolution", "true "),
        ("efficiency", "matched / true jets", "efficiency", "true "),
        ("fake_rate", "unmatched / rec. jets", "fake rate", "reconstructed "),
    )
    with ratio_canvas(2, 2) as (figure, pairs):
        for (above, below), (quantity, label, title, of_range) in zip(pairs, panels, strict=True):
            compared(above, below, result.find(quantity, "jet", "pt"), "pt", f"{of_range}jet ")
            above.set(title=title, ylabel=label)
            if quantity in FRACTIONS:
                as_fraction(above, result.find(quantity, "jet", "pt"))
        pairs[0][0].axhline(1, color=INK, linewidth=0.8, linestyle=":")
        legend(figure, result)
    return _panel(
        result,
        "physics-jets",
        "Jets",
        "Jets (anti-kt, R = 0.4, pt > 5 GeV, |eta| < 5) of the unique particles, matched to generator jets "
        "within dR < 0.1. The least pt holds for both: near it, only jets measured too high are found.",
        figure,
    )


def multiplicity(result: ValidationResult) -> Panel:
    """Return the number of particles and jets per event, and their ratio to the truth."""
    rows = [result.find("per_event", name)[0] for name in GROUPS if name != "particle"]
    rows += result.find("jets_per_event", "jet")
    names = ["charged", "neutral", *(f"{name}s".replace(" ", "\n") for name in (*CLASSES[1:], "jet"))]
    with ratio_canvas(1, 1, height=3.6) as (figure, [(above, below)]):
        x = np.arange(len(rows), dtype=float)
        truth = np.array([row.truth for row in rows])
        truth_lines = above.hlines(truth, x - 0.4, x + 0.4, color=INK, linewidth=1.4, label="truth")
        for shift, name in ((-0.12, "mlpf"), (0.12, "ycand")):
            estimates = [getattr(row, name) for row in rows]
            points(above, x + shift, estimates, name)
            relative = [_over(estimate, true) for estimate, true in zip(estimates, truth, strict=True)]
            points(below, x + shift, relative, name, within=(0, 2))
        above.set(ylabel="mean per event", yscale="log")
        below.set(ylabel="/ truth", xlim=(-0.6, len(rows) - 0.4))
        below.axhline(1, color=INK, linewidth=0.8, linestyle=":")
        below.set_xticks(x, names)
        legend(figure, result, truth_lines)
    return _panel(
        result,
        "physics-multiplicity",
        "Particles and jets per event",
        "Mean number per event; a particle that stands at several elements counts once. Truth: the targets, "
        "and the generator's jets.",
        figure,
    )


def confusion(result: ValidationResult) -> Panel:
    """Return which classes are taken for which."""
    with canvas(2, width=6.6, height=3.7) as (figure, axes):
        for axis, (name, label) in zip(axes, NAMES.items(), strict=True):
            counts = np.array(result.confusion[name]["all"])
            matrix(axis, counts)
            axis.set(title=label, xlabel="reconstructed class")
        axes[0].set_ylabel("true class")
        axes[1].set_yticklabels([])
        figure.suptitle(describe_sample(result), fontsize=10)
    return _panel(
        result,
        "physics-confusion",
        "Which class is taken for which",
        "Per cent of the elements of a true class (rows add up to 100), with their number.",
        figure,
    )


SHOWN: tuple[Callable[[ValidationResult], Panel], ...] = (
    efficiency,
    fake_rate,
    confusion,
    momentum,
    jets,
    multiplicity,
)
"""Figures in the report."""

FIGURES = (*SHOWN, efficiency_eta, fake_rate_eta, resolution)
"""All figures."""


def _panel(result: ValidationResult, name: str, title: str, caption: str, figure: Figure) -> Panel:
    return Panel(name, title, f"{caption} {describe_about(result)}", figure)


def _over(estimate: Estimate, true: float) -> Estimate:
    return Estimate(*(value / true if true else np.nan for value in estimate))
