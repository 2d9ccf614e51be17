"""The paper's tables, redone on this run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.number_format import fixed, interval
from mlpf_hpo.predictors.outliers import describe_outlier
from mlpf_hpo.reporting.figures import name_of
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.machines import compare_machines
from mlpf_hpo.reporting.physics_table import HEADER, describe_about, table_rows
from mlpf_hpo.reporting.throughput import benchmark_stats
from mlpf_hpo.space import TABLE_1, Choice, Integer
from mlpf_hpo.tracking.host_records import describe_host_record, describe_versions


@dataclass(frozen=True)
class Table:
    """A table of text; ``templates/parts.html`` makes HTML of it.

    Attributes
    ----------
    caption : str
        What it shows, and what it was measured on.
    header : sequence of str
        Names of the columns, the first of which names the rows.
    rows : sequence of sequences of str
        Cells; the last one of a row shorter than the header spans what is left.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    @cached_property
    def is_number(self) -> list[bool]:
        """Which columns hold numbers, and stand to the right."""
        whole = [row for row in self.rows if len(row) == len(self.header)]
        return [i > 0 and _are_numbers([row[i] for row in whole]) for i in range(len(self.header))]


def _are_numbers(cells: Sequence[str]) -> bool:
    return bool(cells) and all(re.match(r"[-+]?\d[^a-z]*$|–$", cell) for cell in cells)


def table_1(inputs: ReportInput) -> Table:
    """Return the search space."""
    rows = []
    space = inputs.params.space.search_space()
    for name, domain in space.domains.items():
        if isinstance(domain, Choice):
            rows.append((name, "one of", ", ".join(map(str, domain.values))))
        else:
            scale = "uniform in the logarithm" if domain.scale == "log" else "uniform"
            whole = ", whole numbers" if isinstance(domain, Integer) else ""
            rows.append((name, f"{scale}{whole}", f"{domain.low:g} to {domain.high:g}"))
    default = " (the paper's)" if space == TABLE_1 else ""
    return Table(f"Table 1: the search space{default}.", ("hyperparameter", "scale", "values"), rows)


def table_2(inputs: ReportInput) -> Table:
    """Return R2 of the predictors over random splits, and what this number of curves doesn't allow."""
    table = inputs.predictors["table_2"]
    rows: list[tuple[str, ...]] = [
        (row["label"], *(fixed(row[key]) for key in ("best", "worst", "mean", "std")))
        for row in table["rows"]
    ]
    rows += [(missing["label"], "not possible: " + missing["reason"]) for missing in table["not_possible"]]
    caption = (
        f"Table 2: R²(true, predicted) in quantiles over {table['splits']} splits; {table['points']} "
        f"training curves, {table['known_epochs']} of {inputs.predictors['n_epochs']} epochs seen. "
        "Transformers are fitted on training rows, and all trials of a configuration stand on one side."
    )
    return Table(caption, ("predictor", "best", "worst", "mean", "std"), rows)


def table_scores(inputs: ReportInput) -> Table:
    """Return the honest scores of every candidate."""
    p, search = inputs.predictors, inputs.predictors.get("search")
    metrics = ("spearman", "kendall", "top_recall", "r2_quantile", "r2_loss", "coverage")
    rows, notes = [], describe_outlier(inputs.curves)
    for name, scores in [*p["predictors"].items(), ("selected by inner folds", p["selected"])]:
        label = name_of(name) + (" (chosen)" if name == p["winner"] else "")
        searched = [_score(search["epochs_ratio"].get(name))] if search else []
        rows.append((label, *searched, *(_score(scores[m]) for m in metrics)))
    caption = (
        f"Scores on {p['outer_folds']} outer folds, {p['rows']} curves, with 95 % bootstrap intervals over "
        f"configurations. The one to register is chosen by {p['criterion']} on inner folds, never on these "
        f"numbers: {p['reason']}. Here each candidate goes all the way. Intervals of predictions are "
        f"nominally {p['coverage']:.0%}.{''.join(f' {note[0].upper()}{note[1:]}.' for note in notes)}"
    )
    if search:
        caption += (
            f" Epochs: of {search['searches']} replayed searches (inner folds) that promote by predicted "
            f"values, over those by last values at equal regret. Decided by {search['decided_by']}."
        )
    scored = ("Spearman", "Kendall", "top recall", "R² (quantiles)", "R² (loss)", "coverage")
    return Table(caption, ("predictor", *(["epochs"] if search else []), *scored), rows)


def _score(score: dict[str, float] | None) -> str:
    """Return a score with its interval, a dash where there is none."""
    if score is None:
        return "–"
    text = interval(score["mean"], score["low"], score["high"])
    return text.replace(", ", ",\N{NO-BREAK SPACE}")


def table_machines(inputs: ReportInput) -> Table:
    """Return the machines, how fast trials ran on each, and what they are."""
    hosts = {record["hardware_label"]: record for record in inputs.hosts}
    rows = []
    for machine in compare_machines(inputs.curves):
        record = hosts.get(machine.label)
        rows.append(
            (
                machine.label,
                str(len(machine.rates)),
                str(machine.events),
                f"{machine.elements:.3g}",
                str(machine.relative) if machine.relative else "–",
                describe_host_record(record) if record else "not on record",
                describe_versions(record) if record else "",
            )
        )
    caption = (
        "Machines of the campaign: medians over trials, in brackets 95 % bootstrap intervals. At equal "
        "configuration: speed relative to the machine in the first row, from a fit of throughput to layers, "
        "width and bin size."
    )
    header = ("machine", "trials", "events/s", "elements/s", "at equal configuration", "hardware", "software")
    return Table(caption, header, rows)


def table_physics(result: ValidationResult) -> Table:
    """Return the headline numbers of the best trial's reconstruction."""
    caption = (
        f"{describe_about(result)} Efficiency and fake rate count elements; momenta are those where the "
        "class is right, relative to the true ones. Differences are on the same events. All numbers, by "
        "pt, eta and kind of element, are in results/physics/table.csv."
    )
    return Table(caption, HEADER, table_rows(result))


def table_benchmark(inputs: ReportInput) -> Table:
    """Return the benchmark's score."""
    stats, run = benchmark_stats(inputs), inputs.benchmark["run_info"]
    rows: list[tuple[str, str]] = [
        ("score", f"{stats['score']:.1f} events/s ({stats['key']})"),
        ("copies x threads", f"{run['copies']} x {run['threads_per_copy']}"),
        ("per copy", f"{stats['min']:.1f} to {stats['max']:.1f} events/s"),
        ("log", str(inputs.benchmark["report"]["log"])),
    ]
    measured = inputs.benchmark.get("measurements", {})
    facts = ((name.replace("_", " "), _format_fact(value)) for name, value in measured.items())
    rows += [(name, text) for name, text in facts if text]
    return Table("Training throughput, HEP-Workloads format.", ("quantity", "value"), rows)


def _format_fact(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value) if isinstance(value, int | str) else ""
