"""The figure of the roofline: where operations stand below the machine's limits, and what time they take."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.results import Results
from benchmarks.shares import Operation, operations_of
from mlpf_hpo.plotting import BLUE, GREY, INK, ORANGE, canvas, plain_log


def roofline_figure(results: Results) -> Figure:
    """Return the figure of the step at the paper's widths; numbers tell which operation a point is."""
    operations = operations_of(results, "paper")
    with canvas(columns=2, width=10.0, height=4.2) as (figure, (roof, bars)):
        _roofline(roof, operations, results)
        _shares(bars, operations)
    return figure


def _roofline(axes: Axes, operations: list[Operation], results: Results) -> None:
    peak, triad = results["roofline.gemm_flops"], results["roofline.triad_bytes_per_second"]
    ridge = peak / triad
    intensities = [ridge, *(o.intensity for o in operations if o.intensity)]
    left, right = min(intensities) / 3, max(intensities) * 3
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot([left, ridge, right], [left * triad / 1e9, peak / 1e9, peak / 1e9], color=GREY, zorder=1)
    label = f"GEMM peak {peak / 1e9:.0f} GFLOP/s, triad {triad / 1e9:.1f} GB/s"
    axes.set_title(label, loc="left")
    for number, operation in enumerate(operations, start=1):
        if operation.rate and operation.intensity:
            x, y = operation.intensity, operation.rate / 1e9
            axes.plot(x, y, "o", color=BLUE, markersize=4 + 16 * operation.share**0.5, alpha=0.8)
            above = 11 if number % 2 else -19
            where = {"xytext": (0, above), "textcoords": "offset points", "ha": "center"}
            axes.annotate(str(number), (x, y), color=INK, **where)
    plain_log(axes)
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("operations per byte")
    axes.set_ylabel("GFLOP/s")


def _shares(axes: Axes, operations: list[Operation]) -> None:
    numbered = [(n, o) for n, o in enumerate(operations, start=1) if o.share > 0][::-1]
    shown = [operation for _, operation in numbered]
    places = range(len(shown))
    axes.barh(places, [100 * o.share for o in shown], color=BLUE, label="measured")
    axes.barh(places, [100 * o.bound for o in shown], height=0.3, color=ORANGE, label="at the limits")
    axes.set_yticks(list(places), [f"{o.title}  {n}" for n, o in numbered])
    axes.set_xlabel("% of the step")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right")
