"""The paper's tables, redone on this run, as HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.number_format import fixed, interval
from mlpf_hpo.reporting.evaluation import dominated_text
from mlpf_hpo.reporting.figures import name_of
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.machines import compare_machines
from mlpf_hpo.reporting.physics_table import HEADER, describe_about, table_rows
from mlpf_hpo.reporting.throughput import benchmark_stats
from mlpf_hpo.space import TABLE_1, Choice, Integer
from mlpf_hpo.tracking.hosts import describe_host_record, describe_versions


def html_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column names its rows.

    The last cell of a row shorter than the header spans what is left; columns of numbers stand to the right.
    """
    whole = [row for row in rows if len(row) == len(header)]
    numbers = [column > 0 and _are_numbers([row[column] for row in whole]) for column in range(len(header))]
    head = "".join(
        f'<th scope="col"{_shown(right)}>{escape(cell)}</th>'
        for cell, right in zip(header, numbers, strict=True)
    )
    body = "".join(_row(row, numbers) for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption[:60])}"><table>'
        f"<caption><div>{escape(caption)}</div></caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[str], numbers: Sequence[bool]) -> str:
    first, *rest = row
    cells = [
        f"<td{_shown(right)}>{escape(cell)}</td>" for cell, right in zip(rest, numbers[1:], strict=False)
    ]
    left_over = len(numbers) - len(row)
    if left_over:
        cells[-1] = f'<td colspan="{left_over + 1}">{escape(rest[-1])}</td>'
    return f'<tr><th scope="row">{escape(first)}</th>{"".join(cells)}</tr>'


def _are_numbers(cells: Sequence[str]) -> bool:
    return bool(cells) and all(re.match(r"[-+]?\d[^a-z]*$|–$", cell) for cell in cells)


def _shown(right: bool) -> str:
    return ' class="number"' if right else ""


def table_1(inputs: ReportInput) -> str:
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
    return html_table(f"Table 1: the search space{default}.", ("hyperparameter", "scale", "values"), rows)


def table_2(inputs: ReportInput) -> str:
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
    return html_table(caption, ("predictor", "best", "worst", "mean", "std"), rows)


def table_scores(inputs: ReportInput) -> str:
    """Return the honest scores of every candidate."""
    p = inputs.predictors
    metrics = ("spearman", "kendall", "top_recall", "r2_quantile", "r2_loss", "coverage")
    rows, notes = [], dominated_text(inputs.curves)
    for name, scores in [*p["predictors"].items(), ("selected by inner folds", p["selected"])]:
        told = name_of(name) + (" (chosen)" if name == p["winner"] else "")
        cells = [
            interval(*(scores[m][key] for key in ("mean", "low", "high"))).replace(
                ", ", ",\N{NO-BREAK SPACE}"
            )
            for m in metrics
        ]
        rows.append((told, *cells))
    caption = (
        f"Scores on {p['outer_folds']} outer folds, {p['rows']} curves, with 95 % bootstrap intervals over "
        f"configurations. The one to register is chosen by {p['criterion']} on inner folds, never on these "
        f"numbers: {p['reason']}. Here each candidate goes all the way. Intervals of predictions are "
        f"nominally {p['coverage']:.0%}.{''.join(f' {note[0].upper()}{note[1:]}.' for note in notes)}"
    )
    header = ("predictor", "Spearman", "Kendall", "top recall", "R² (quantiles)", "R² (loss)", "coverage")
    return html_table(caption, header, rows)


def table_search(inputs: ReportInput) -> str:
    """Return what each policy spent and found."""
    rows = [
        (
            policy["label"],
            str(policy["epochs"]),
            f"{policy['best_loss']:.4g}",
            policy["best_trial"],
            str(policy["finished"]),
            str(policy["stopped_by_rank"]),
            str(policy["stopped_by_prediction"]),
            str(policy["diverged"]),
            str(policy["failed"]),
            f"{policy['wall_seconds']:.0f}",
        )
        for policy in inputs.search["policies"].values()
    ]
    full = inputs.search["configurations"] * inputs.search["max_epochs"]
    caption = (
        f"The search. All {inputs.search['configurations']} configurations in full take {full} epochs. A "
        "trial whose loss is no longer finite has diverged; one that broke has failed."
    )
    header = (
        "policy",
        "epochs",
        f"best {inputs.target_name.removeprefix('validation ')}",
        "trial",
        "finished",
        "stopped: rank",
        "prediction",
        "diverged",
        "failed",
        "seconds",
    )
    return html_table(caption, header, rows)


def table_machines(inputs: ReportInput) -> str:
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
    return html_table(caption, header, rows)


def table_physics(result: ValidationResult) -> str:
    """Return the headline numbers of the best trial's reconstruction."""
    caption = (
        f"{describe_about(result)} Efficiency and fake rate count elements; momenta are those where the "
        "class is right, relative to the true ones. Differences are on the same events. All numbers, by "
        "pt, eta and kind of element, are in results/physics/table.csv."
    )
    return html_table(caption, HEADER, table_rows(result))


def table_benchmark(inputs: ReportInput) -> str:
    """Return the benchmark's score."""
    stats, run = benchmark_stats(inputs), inputs.benchmark["run_info"]
    rows: list[tuple[str, str]] = [
        ("score", f"{stats['score']:.1f} events/s ({stats['key']})"),
        ("copies x threads", f"{run['copies']} x {run['threads_per_copy']}"),
        ("per copy", f"{stats['min']:.1f} to {stats['max']:.1f} events/s"),
        ("log", str(inputs.benchmark["report"]["log"])),
    ]
    rows += [(str(name), told) for name, value in _facts(inputs.benchmark) if (told := _told(value))]
    return html_table("Training throughput, HEP-Workloads format.", ("quantity", "value"), rows)


def _facts(benchmark: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the scalar measurements beside the score, by name."""
    measured = benchmark.get("measurements", {})
    return [(name.replace("_", " "), value) for name, value in measured.items()]


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value) if isinstance(value, int | str) else ""
