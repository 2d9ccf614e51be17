"""Throughput: figure 7, machine by machine, and what may be concluded from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpf_hpo.plotting import BLUE, INK, canvas, draw_rates, wrapped_label
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.machines import EVENTS, Machine, compare_machines, is_mixed
from mlpf_hpo.reporting.style import Panel


def figure_7(inputs: ReportInput) -> Panel:
    """Return training throughput by machine."""
    machines = compare_machines(inputs.curves)
    stats = benchmark_stats(inputs)
    with canvas(2) as (figure, (left, right)):
        if machines:
            draw_rates(left, {machine.label: machine.rates for machine in machines})
        else:
            left.text(0.5, 0.5, "trials log no throughput", ha="center", transform=left.transAxes)
        left.set(ylabel="events/s", title="campaign: median of each trial")
        copies = inputs.benchmark["run_info"]["copies"]
        right.bar([wrapped_label(stats["label"])], [stats["score"]], color=BLUE, width=0.5)
        spread = [[stats["score"] - stats["min"] * copies], [stats["max"] * copies - stats["score"]]]
        right.errorbar([0], [stats["score"]], yerr=np.clip(spread, 0, None), color=INK, capsize=4)
        right.set(ylabel="events/s, all copies", title="benchmark: one fixed configuration", xlim=(-1, 1))
    return Panel(
        "figure-7",
        "Figure 7: training throughput",
        "Left: events per second of training steps, the median over its epochs for each trial of the "
        "campaign, by machine; trials differ in size. Right: the benchmark's score, "
        f"{copies} copies of the fixed configuration at once; the bar spans the slowest to the fastest copy, "
        f"times copies. {describe_machines(machines)}",
        figure,
    )


def benchmark_stats(inputs: ReportInput) -> dict[str, Any]:
    """Return score, spread and machine of the benchmark."""
    report = inputs.benchmark["report"]
    (key,) = report["wl-scores"]
    label = inputs.benchmark.get("hardware", {}).get("hardware_label", inputs.machine_names)
    return {"key": key, "label": label, "score": report["wl-scores"][key], **report["wl-stats"][key]}


def describe_machines(machines: list[Machine]) -> str:
    """Describe the compared machines, and how far the comparison is fair."""
    if not machines:
        return f"Trials log no {EVENTS}: machines are not compared."
    if len(machines) == 1:
        return (
            f"One machine ({machines[0].label}): nothing to compare it with yet; trials on another appear "
            "beside it."
        )
    lines = [f"{len(machines)} machines."]
    if any(machine.relative for machine in machines):
        lines.append(
            "Each machine trained other configurations, so the medians are no fair comparison. The table's "
            "ratio at equal configuration is, as far as layers, width and bin size explain a trial's speed."
        )
    else:
        lines.append(
            "Too few trials for a comparison at equal configuration: read no ratio from the medians."
        )
    mixed = [machine.label for machine in machines if is_mixed(machine.label)]
    if mixed:
        lines.append(f"Trials of {', '.join(mixed)} changed machines on the way and are not compared.")
    return " ".join(lines)
