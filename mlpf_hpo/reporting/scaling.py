"""Figure 2: what more workers bring, by searches of the campaign's recorded curves in the simulator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.plotting import BLUE, GREEN, GREY, ORANGE, canvas, plain_log
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.style import Panel
from mlpf_hpo.search.schedulers import LABELS, accepted, make_scheduler
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.tuning.time_limit import EPOCH_SECONDS

WORKERS = (1, 2, 4, 8, 16, 24)
"""The paper's go from one node to 24."""

COLOURS = {"asha": BLUE, "promotion_asha": ORANGE, "freeze_thaw": GREEN}
"""Schedulers of the figure, with their colours; none has a prior, for these curves would be it."""

ORDERS = 8
"""Orders in which the curves are offered: what is trained in which order decides as much as workers do."""


def figure_2(inputs: ReportInput) -> Panel:
    """Return speed-up and training time against the number of workers."""
    curves, seconds = _searched(inputs.curves)
    counts = [n for n in WORKERS if n <= len(curves)]
    unit, timed = (
        ("s", "with the time that each epoch took")
        if seconds is not None
        else ("epochs", "epochs taking similar times")
    )
    with canvas(2, height=3.7) as (figure, (speed, work)):
        speed.plot(counts, counts, color=GREY, linestyle="--", label="ideal")
        for name, colour in COLOURS.items():
            found = np.array(list(_searches(name, curves, seconds, counts, inputs.params.seed)))
            makespans, trained = (found[:, :, i].mean(axis=0) for i in range(2))
            speed.plot(counts, makespans[0] / makespans, "o-", color=colour, markersize=4, label=LABELS[name])
            work.plot(counts, trained, "o-", color=colour, markersize=4)
            least, most = (reduce(found[:, :, 1], axis=0) for reduce in (np.min, np.max))
            work.fill_between(counts, least, most, color=colour, alpha=0.15, linewidth=0)
        speed.set(xlabel="workers", ylabel="speed-up", xscale="log", yscale="log")
        work.set(xlabel="workers", ylabel=f"training, {unit}", xscale="log")
        for axis in (speed, work):
            plain_log(axis)
            axis.set_xticks(counts, [str(n) for n in counts])
            axis.minorticks_off()
        work.set_ylim(bottom=0)
        speed.legend(fontsize=8)
    return Panel(
        "figure-2",
        "Figure 2: what more workers bring",
        f"Simulated: searches of the campaign's {len(curves)} recorded curves of {curves.n_epochs} epochs, "
        f"{timed}, offered in {ORDERS} orders, without a prior campaign. Left: mean time with one worker "
        "over mean time; the longest training is a floor that no number of workers goes below. Right: time "
        "spent in training, mean and range. Starting, pausing and deciding take no time here: python -m "
        "benchmarks.scaling measures under Ray what they cost.",
        figure,
    )


def _searched(curves: LearningCurves) -> tuple[LearningCurves, FloatArray | None]:
    """Return the curves whose ends are known, and the times of their epochs where these are on record."""
    known = curves.select(~curves.truncated | (curves.status == "diverged"))
    seconds = known.metrics.get(EPOCH_SECONDS)
    if seconds is None:
        return known, None
    timed = seconds > 0
    # Epochs after a loss that is not finite were never trained: any time will do.
    return known, np.where(timed, seconds, 1.0) if timed[np.isfinite(known.values)].all() else None


def _searches(
    name: str, curves: LearningCurves, seconds: FloatArray | None, counts: list[int], seed: int
) -> Iterator[list[tuple[float, float]]]:
    """Yield makespan and training time with each number of workers, order by order."""
    settings = accepted(name, {"max_epochs": curves.n_epochs, "mode": curves.target.mode})
    generator = np.random.default_rng(derive_seed(seed, "orders"))
    for number in range(ORDERS):
        order = generator.permutation(len(curves))
        offered = curves.select(order)
        durations = seconds[order] if seconds is not None else None
        of_order = []
        for workers in counts:
            search = simulate(offered, make_scheduler(name, **settings), workers, number, durations=durations)
            epochs = [trial.epochs for trial in search.trials]
            times = durations if durations is not None else np.ones(offered.values.shape)
            trained = sum(float(row[:n].sum()) for row, n in zip(times, epochs, strict=True))
            of_order.append((search.makespan, trained))
        yield of_order
