"""Page of benchmark results side by side: figure 7, per core, against the peak, per watt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from mlpf_hpo.plotting import BLUE, GREEN, GREY, INK, ORANGE, RED, canvas
from mlpf_hpo.reporting.page import render_page
from mlpf_hpo.reporting.style import Panel
from mlpf_hpo.reporting.tables import Table
from mlpf_hpo.workload.comparison import Result, differences

LINES = (BLUE, ORANGE, GREEN, RED, GREY)


def benchmark_page(results: Sequence[Result], title: str) -> str:
    """Return the page of results, a figure for each workload, as HTML."""
    keys = list(dict.fromkeys(result.key for result in results))
    panels = []
    for number, key in enumerate(keys):
        own = [result for result in results if result.key == key]
        panels.append(_bars(f"figure-7-{number}", key, own))
        if len({result.machine for result in own}) == 1 and len({result.cores for result in own}) > 1:
            panels.append(_scaling(f"scaling-{number}", key, own))
    return render_page(
        "benchmark.html",
        title=title,
        machines=", ".join(dict.fromkeys(result.machine for result in results)),
        notes=differences(results),
        panels=panels,
        table=_table(results),
    )


def _labels(results: Sequence[Result]) -> list[str]:
    """Return what each bar is of: the setting, and the machine where there are several."""
    if len({result.machine for result in results}) == 1:
        return [result.setting for result in results]
    return [f"{result.machine}\n{result.setting}" for result in results]


def _bars(name: str, key: str, results: Sequence[Result]) -> Panel:
    """Return throughput by machine and setting, and what it is per core, per peak and per watt."""
    values: list[tuple[str, Callable[[Result], float | None]]] = [
        ("events/s per core", lambda result: result.per_core),
        ("share of the GEMM peak", lambda result: result.fraction_of_peak),
        ("events/s per watt", lambda result: result.events_per_joule),
    ]
    shown = [(label, of) for label, of in values if any(of(result) is not None for result in results)]
    rows = 1 + len(shown)
    with canvas(1, height=rows * (0.7 + 0.36 * len(results)), rows=rows) as (figure, axes):
        _draw(axes[0], results, "events/s, all copies", lambda result: result.score)
        spread = [[r.score - r.low for r in results], [r.high - r.score for r in results]]
        places = np.arange(len(results))
        scores = [result.score for result in results]
        axes[0].errorbar(scores, places, xerr=spread, fmt="none", color=INK, capsize=3)
        for axis, (label, of) in zip(axes[1:], shown, strict=True):
            _draw(axis, results, label, of)
    one = len({result.machine for result in results}) == 1
    missing = [label for label, of in values if all(of(result) is None for result in results)]
    return Panel(
        name,
        f"{key}: throughput" + (f" of {results[0].machine}" if one else ""),
        ("One machine, loaded in several ways. " if one and len(results) > 1 else "")
        + "Each bar is one run, labelled with copies x threads. The line spans the sum of "
        "each copy's slowest epoch to that of its fastest. Grey: contended, or failed. "
        + (f"Not known here: {', '.join(missing)}." if missing else ""),
        figure,
    )


def _draw(axis: Axes, results: Sequence[Result], label: str, of: Callable[[Result], float | None]) -> None:
    widths = [of(result) or 0.0 for result in results]
    colours = [GREY if result.contended or result.log != "ok" else BLUE for result in results]
    axis.barh(np.arange(len(results)), widths, color=colours, height=0.6)
    axis.set_yticks(np.arange(len(results)), _labels(results))
    axis.invert_yaxis()
    axis.set(xlabel=label)
    axis.grid(False, axis="y")


def _scaling(name: str, key: str, results: Sequence[Result]) -> Panel:
    """Return throughput over the number of cores that are loaded, a line for each number of threads."""
    best = max(results, key=lambda result: result.score)
    with canvas() as (figure, (axis,)):
        for colour, threads in zip(LINES * len(results), sorted({r.threads for r in results}), strict=False):
            own = sorted((r for r in results if r.threads == threads), key=lambda result: result.cores)
            spread = [[r.score - r.low for r in own], [r.high - r.score for r in own]]
            label = f"{threads} thread{'s' if threads > 1 else ''} a copy"
            cores, scores = [r.cores for r in own], [r.score for r in own]
            axis.errorbar(cores, scores, yerr=spread, color=colour, marker="o", capsize=3, label=label)
        single = min(results, key=lambda result: result.cores)
        cores = [single.cores, max(result.cores for result in results)]
        axis.plot(
            cores, [single.per_core * n for n in cores], color=GREY, linestyle="--", label="proportional"
        )
        axis.set(xlabel="cores loaded (copies x threads)", ylabel="events/s, all copies", ylim=(0, None))
        axis.set_xticks(sorted({result.cores for result in results}))
        axis.legend()
    return Panel(
        name,
        f"{key}: settings of {best.machine}",
        f"The best setting of this machine is {best.copies} copies of {best.threads} thread(s): "
        f"{best.score:.1f} events/s. Lines span the slowest to the fastest epoch.",
        figure,
    )


def _table(results: Sequence[Result]) -> Table:
    rows = [
        (
            result.machine,
            result.key,
            result.setting,
            f"{result.score:.1f}",
            f"{result.low:.1f} to {result.high:.1f}",
            f"{result.per_core:.1f}",
            "" if result.fraction_of_peak is None else f"{result.fraction_of_peak:.3f}",
            "" if result.events_per_joule is None else f"{result.events_per_joule:.3f}",
            "" if result.cpu_fraction is None else f"{result.cpu_fraction:.2f}",
            "contended" if result.contended and result.log == "ok" else result.log,
            f"{result.data[:8]} {result.code[:8]}",
        )
        for result in results
    ]
    header = (
        "machine",
        "workload",
        "copies x threads",
        "events/s",
        "slowest to fastest",
        "per core",
        "of GEMM peak",
        "per watt",
        "CPU share",
        "log",
        "events, code",
    )
    return Table("One row for each score of each report.", header, rows)
