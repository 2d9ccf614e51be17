"""What the study says, in words and numbers: every comparison by whether its interval excludes zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpf_hpo.number_format import fixed
from mlpf_hpo.predictors.criteria import PERSISTENCE
from studies.published.annealer import ASSUMED
from studies.published.methods import QPU
from studies.published.outcome import CEILING, NULL
from studies.published.reads import SAMPLERS
from studies.published.reads_figure import LABELS
from studies.published.tables import interval

OTHERS = {
    "annealing": "simulated annealing",
    "zoom": "zoom",
    CEILING: "the exact solver",
    NULL: "random bits",
}
"""Methods that the stored singles are compared with, in words."""


def lead(numbers: Mapping[str, Any]) -> str:
    """Return what the study says of the annealer."""
    single, ensemble = (numbers["differences"][f"annealer new {size}"] for size in ("single", "ensemble"))
    null, alone = (pairs[f"{QPU}_minus_{NULL}"]["r2_quantile"] for pairs in (ensemble, single))
    ceiling, single_ceiling = (pairs[f"{QPU}_minus_{CEILING}"]["r2_quantile"] for pairs in (ensemble, single))
    rank = ensemble[f"{QPU}_minus_{PERSISTENCE}"]["spearman"]
    energy = numbers["energies"]
    return (
        f"In its stored ensembles the quantum annealer {verdict(null)} random bits trained on the same rows: "
        f"R² (quantiles, new test rows) minus theirs is {interval(null)} (single QSVRs: it "
        f"{verdict(alone)} them, {interval(alone)}). It {verdict(ceiling)} an exact solver in the same box, "
        f"{interval(ceiling)} (singles: it {verdict(single_ceiling)} it, {interval(single_ceiling)}). As a "
        f"ranking of curves it {verdict(rank)} the last loss seen: Spearman {interval(rank)}. The lowest "
        f"energies that it found average {energy[QPU]:.2f}; random bits find {energy[NULL]:.2f}, simulated "
        f"annealing {energy['annealing']:.2f}, and the minimum off the lattice is {energy['optimum']:.2f}."
    )


def changes(numbers: Mapping[str, Any]) -> str:
    """Return how the verdicts on the singles depend on the rows that the other methods learn from."""
    assumed, true = (_verdicts(numbers, size) for size in (ASSUMED, "single"))
    return (
        "Which rows. The paper's notebook drew the 20 training rows of a single from the first 79 of its "
        "training half. An earlier version of this study let the other methods learn from the first 20, and "
        "tested on configurations that the annealer had learnt from. Compared like that, R² (quantiles) says "
        f"that the annealer {assumed}. With the rows that it did learn from, on test rows that are new to "
        f"it, the annealer {true}."
    )


def about_reads(numbers: Mapping[str, Any]) -> list[str]:
    """Return what `reads_figure.figure_reads` shows, in three sentences."""
    found, gains = numbers["reads"], numbers["differences"]["reads"]
    energy, error = (
        ", ".join(f"{LABELS[name]} {found[name][key]:+.2f}" for name in SAMPLERS)
        for key in ("spearman_energy", "spearman_error")
    )
    chosen = {
        name: interval(gains[f"{name}_all_minus_{name}_lowest"]["r2_quantile"])
        for name in (NULL, "annealing")
    }
    to_minimum = {
        (name, choice): interval(gains[f"minimum_minus_{name}_{choice}"]["r2_quantile"])
        for name in (NULL, "annealing")
        for choice in ("all", "lowest")
    }
    return [
        f"Rank correlation of a read's R² with its energy: {energy}; with its training error: {error}. To "
        "choose by training error among all reads, not among the four of lowest energy, adds "
        f"{chosen[NULL]} to R² of random bits and {chosen['annealing']} to that of simulated annealing.",
        _about_precision(numbers),
        "The best that a better annealer can find is the minimum, which zoom finds on one core: R² there is "
        f"{to_minimum[NULL, 'lowest']} above that of random bits chosen in the paper's way, "
        f"{to_minimum[NULL, 'all']} above random bits chosen among all reads, and "
        f"{to_minimum['annealing', 'all']} above simulated annealing chosen alike.",
    ]


def verdict(difference: Mapping[str, float]) -> str:
    """Return what a difference says, by whether its interval excludes zero.

    Examples
    --------
    >>> verdict({"low": -0.1, "high": 0.2}), verdict({"low": 0.1, "high": 0.2})
    ('is not distinguishable from', 'is better than')
    """
    if difference["low"] > 0:
        return "is better than"
    return "is worse than" if difference["high"] < 0 else "is not distinguishable from"


def _verdicts(numbers: Mapping[str, Any], size: str) -> str:
    """Return the verdicts of a kind of comparison, those that agree together."""
    pairs = numbers["differences"][f"annealer new {size}"]
    by_verdict: dict[str, list[str]] = {}
    for name, label in OTHERS.items():
        difference = pairs[f"{QPU}_minus_{name}"]["r2_quantile"]
        by_verdict.setdefault(verdict(difference), []).append(f"{label} ({interval(difference)})")
    return "; and ".join(f"{words} {', '.join(labels)}" for words, labels in by_verdict.items())


def _about_precision(numbers: Mapping[str, Any]) -> str:
    """Return R² over control errors at the chain strength of least training error, and at the ends."""
    said = []
    for topology, strengths in numbers["precision"].items():
        errors = {
            strength: float(np.mean([found["training_error"] for found in controls.values()]))
            for strength, controls in strengths.items()
        }
        best = min(errors, key=errors.__getitem__)
        shown = dict.fromkeys((best, min(strengths, key=float), max(strengths, key=float)))
        ranges = []
        for strength in shown:
            r2 = [found["all_reads"] for found in strengths[strength].values()]
            ranges.append(f"{fixed(min(r2))} to {fixed(max(r2))} at {strength}")
        said.append(f"{topology.capitalize()}: {', '.join(ranges)}")
    return (
        "From perfect coefficients to the coarsest, R² of a mock annealer spans, at the chain strength of "
        f"least training error and at both ends of those that were tried, {'; '.join(said)}; as many random "
        f"bit strings give {fixed(numbers['null']['all_reads'])}."
    )
