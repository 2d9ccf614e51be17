"""Headline numbers of a validation result: for the terminal, MLflow and the report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from mlpf_hpo.evaluation.intervals import Estimate
from mlpf_hpo.evaluation.table import Row
from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.events.schema import CLASSES, format_pileup
from mlpf_hpo.number_format import fixed, interval

HEADER = ("quantity", "counted", "truth", "MLPF", "ycand", "MLPF - ycand")

PARTICLES = {
    "efficiency": "efficiency",
    "fake_rate": "fake rate",
    "pt_median": "pt bias",
    "pt_width": "pt resolution",
}
OTHERS = {
    ("jets_per_event", "jet"): "jets per event",
    ("efficiency", "jet"): "jets: efficiency",
    ("fake_rate", "jet"): "jets: fake rate",
    ("response_median", "jet"): "jets: median response",
    ("response_resolution", "jet"): "jets: resolution",
    ("component_width", "met"): "missing momentum: resolution, GeV",
    ("per_event", "charged"): "charged particles per event",
    ("per_event", "neutral"): "neutral particles per event",
}


FEW_TRAINING_EVENTS = 10_000
"""Published MLPF trainings begin above; with fewer, the rules, made for this detector, have the advantage."""


class Line(NamedTuple):
    """A headline number: its label, its key in MLflow, and its row of the table."""

    label: str
    key: str
    row: Row


def headlines(result: ValidationResult) -> Iterator[Line]:
    """Yield the headline numbers, over all elements, jets and events."""
    wanted = {
        **{
            (quantity, name): f"{name}: {label}"
            for name in CLASSES[1:]
            for quantity, label in PARTICLES.items()
        },
        **OTHERS,
    }
    for (quantity, of), label in wanted.items():
        for row in result.find(quantity, of):
            yield Line(label, f"{of}_{quantity}".replace(" ", "_"), row)


def table_rows(result: ValidationResult) -> list[tuple[str, ...]]:
    """Return the headline numbers as text, columns as in `HEADER`."""
    return [
        (
            line.label,
            _counted(line.row),
            describe_truth(line.row),
            format_estimate(line.row.mlpf),
            format_estimate(line.row.ycand),
            format_estimate(line.row.difference),
        )
        for line in headlines(result)
    ]


def summary_metrics(result: ValidationResult) -> dict[str, float]:
    """Return the headline numbers that there are, by name; those of `ycand` beside MLPF's."""
    out = {}
    for line in headlines(result):
        for suffix, estimate in (("", line.row.mlpf), ("_ycand", line.row.ycand)):
            if math.isfinite(estimate.value):
                out[f"physics_{line.key}{suffix}"] = estimate.value
    return out


def describe_about(result: ValidationResult) -> str:
    """Describe the network, its training and the events of a validation."""
    about, trained_on = result.about, result.about["trained_on"]
    short = (
        ": with so few, it is expected to lose against the rules"
        if trained_on["n_events"] < FEW_TRAINING_EVENTS
        else ""
    )
    published = (
        " Jets and missing momentum are compared with those of the targets: the generator's are not known."
        if about["reference"] == "targets"
        else ""
    )
    return (
        f"{about['n_events']} {about['process']} events at 14 TeV, {format_pileup(about['pileup'])}. "
        f"MLPF: trial {about['trial']} after {about['epoch']} epochs on {trained_on['n_events']} "
        f"{trained_on['process']} events, {format_pileup(trained_on['pileup'])}{short}. "
        f"Intervals hold 68 %.{published}"
    )


def format_estimate(estimate: Estimate) -> str:
    """Return an estimate with its interval.

    Examples
    --------
    >>> format_estimate(Estimate(0.98312, 0.979, 0.9861))
    '0.983 [0.979, 0.986]'
    >>> format_estimate(Estimate(math.nan, math.nan, math.nan))
    '-'
    """
    if not math.isfinite(estimate.value):
        return "-"
    if not math.isfinite(estimate.low):
        return fixed(estimate.value)
    return interval(estimate.value, estimate.low, estimate.high)


def describe_truth(row: Row) -> str:
    """Return the generator's number; nothing where it has none."""
    return "" if math.isnan(row.truth) else f"{row.truth:.3g}"


def _counted(row: Row) -> str:
    return str(row.n_mlpf) if row.n_mlpf == row.n_ycand else f"{row.n_mlpf} / {row.n_ycand}"
