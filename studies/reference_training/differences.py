"""Differences between a network and the rules, and the copied input, on the same events."""

from __future__ import annotations

import math

from mlpf_hpo.evaluation.intervals import Estimate
from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.reporting.physics_table import describe_about, describe_truth, format_estimate, headlines
from mlpf_hpo.reporting.tables import Table

BETTER = {
    "efficiency": 1,
    "fake_rate": -1,
    "pt_width": -1,
    "response_resolution": -1,
    "component_width": -1,
}
"""Quantities of which more (1) or less (-1) is better; of the others, neither is."""

WINS, LOSES, LEVEL = "MLPF is better in", "MLPF is worse in", "no significant difference in"

HEADER = ("quantity", "truth", "MLPF", "ycand", "copied input", "MLPF - ycand", "MLPF - copied input")


def numbers(
    beside_rules: ValidationResult, with_identity_baseline: ValidationResult
) -> dict[str, dict[str, float | None]]:
    """Return the headline numbers of the three reconstructions by name; None where there is none."""
    return {
        line.key: {
            "mlpf": _finite(line.row.mlpf),
            "ycand": _finite(line.row.ycand),
            "copy": _finite(copy.row.ycand),
        }
        for line, copy in zip(headlines(beside_rules), headlines(with_identity_baseline), strict=True)
    }


def verdicts(validation_result: ValidationResult) -> dict[str, list[str]]:
    """Return the names of the headline numbers by verdict: `WINS`, `LOSES`, `LEVEL`.

    A number is won or lost if the 68 % interval of its difference, on the same events, excludes zero.
    """
    found: dict[str, list[str]] = {WINS: [], LOSES: [], LEVEL: []}
    for line in headlines(validation_result):
        sign, difference = BETTER.get(line.row.quantity), line.row.difference
        if sign is None or not math.isfinite(difference.value):
            continue
        if difference.low <= 0 <= difference.high:
            found[LEVEL].append(line.label)
        else:
            found[WINS if sign * difference.value > 0 else LOSES].append(line.label)
    return found


def describe_difference(sample: str, validation_result: ValidationResult, other: str) -> str:
    """Return in a sentence how many headline numbers of a sample are won, lost, and level."""
    won, lost, level = (len(names) for names in verdicts(validation_result).values())
    return (
        f"On {sample}, MLPF is better than {other} in {won} of {won + lost + level} headline numbers, worse "
        f"in {lost}, and without significant difference in {level}."
    )


def table_of_sample(beside_rules: ValidationResult, with_identity_baseline: ValidationResult) -> Table:
    """Return the headline numbers of a sample, columns as in `HEADER`."""
    rows = []
    for line, copy in zip(headlines(beside_rules), headlines(with_identity_baseline), strict=True):
        values = (line.row.mlpf, line.row.ycand, copy.row.ycand)
        differences = (line.row.difference, copy.row.difference)
        rows.append((line.label, describe_truth(line.row), *map(format_estimate, (*values, *differences))))
    caption = (
        f"{describe_about(beside_rules)} Copied input: every track a charged hadron, or the lepton "
        "it is known as, every tower a photon or neutral hadron. Momenta are those where the class is right, "
        "which are other elements for each; differences are on the same events."
    )
    return Table(caption, HEADER, rows)


def _finite(estimate: Estimate) -> float | None:
    return estimate.value if math.isfinite(estimate.value) else None
