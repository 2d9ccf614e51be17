"""The page of how a search scales, with its figure, from what `benchmarks.scaling` measured.

python -m benchmarks.scaling_page RESULTS.json [--out docs/scaling.md]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.pages import page_command, read_json, table
from benchmarks.scaling import PAPER_SECONDS, SCHEDULERS
from mlpf_hpo import console
from mlpf_hpo.errors import DataError
from mlpf_hpo.files import write_bytes, write_text
from mlpf_hpo.plotting import BLUE, GREEN, GREY, ORANGE, canvas, plain_log, png
from mlpf_hpo.search.schedulers import LABELS

AGAIN = "measure with: python -m benchmarks.scaling --json FILE"

FIGURE = Path("images", "scaling.png")

COLOURS = {"asha": BLUE, "promotion_asha": ORANGE, "freeze_thaw": GREEN}

HEAD = """# How a search scales with its workers

Written by `python -m benchmarks.scaling_page` from the numbers of `python -m benchmarks.scaling`. Work ratio:
training time over that with one worker, 1 where the scheduler does the same work however many there are. Of
workers x wall time *overhead* is what is neither training nor idle; a worker is *idle* while the scheduler
has no trial for it.
"""

UNDER_RAY = """
## Under Ray, here

Trials sleep for as long as the epochs of {trials:.0f} recorded trainings took (median {epoch:.2f} s), each
worker on a core that Ray is told of, and every epoch is tracked in MLflow on SQLite. Machine: {machine}; load
average while measuring: {loads}. The last column: makespan of the same search in the simulator, with the mean
costs of this one (start, resume, report), over the time under Ray from the first trial to the last report,
minus 1.

"""

MANY = """
## Simulated, up to {most:,} workers

{trials:,.0f} made-up trials in the simulator, with the costs that were found under Ray with two workers; an
epoch takes {laptop:.2f} s (laptop) or {paper:.0f} s (paper: 16 h for 100 epochs on a node). One driver
decides on all epochs: the last column is for how many workers its processor time per epoch suffices.

"""

RELOADING = """
## Where a speed-up may exceed the number of workers

Only where work shrinks when workers are added. These are {few:.0f} trials whose start and every resume take
as long as an epoch: with few workers many trials share each, and are paused and loaded again.

"""


def page(results: Mapping[str, Any]) -> str:
    """Return the page.

    Raises
    ------
    DataError
        If a part was not measured.
    """
    for key in ("ray.epoch_seconds", "simulated.trials"):
        if key not in results:
            raise DataError(f"no {key} among the numbers: a part was not measured; {AGAIN}")
    counts = _counts(results, "ray.asha")
    loads = [results[f"ray.{name}.{n}.load"] for name in SCHEDULERS for n in counts]
    many = _counts(results, "simulated.laptop.asha")
    machine = results["machine"]
    return "".join(
        [
            HEAD,
            "**Measured with `--quick`. Not for quoting.**\n" if results["quick"] else "",
            _goals(results),
            UNDER_RAY.format(
                trials=results["ray.trials"],
                epoch=results["ray.epoch_seconds"],
                machine=machine.get("cpu_model", machine.get("cpu", "not on record")),
                loads=f"{min(loads):.1f} to {max(loads):.1f}",
            ),
            _under_ray(results, counts),
            f"\n![Speed-up, and shares of the workers' time]({FIGURE})\n",
            MANY.format(
                most=max(many),
                trials=results["simulated.trials"],
                laptop=results["ray.epoch_seconds"],
                paper=PAPER_SECONDS,
            ),
            _simulated(results, "simulated", many),
            RELOADING.format(few=results["reloading.trials"]),
            _reloading(results),
        ]
    )


def figure_of(results: Mapping[str, Any]) -> Figure:
    """Return the figure: speed-up under Ray and simulated beside the ideal line, and where the time went."""
    counts, many = _counts(results, "ray.asha"), _counts(results, "simulated.paper.asha")
    with canvas(columns=2, width=10.0, height=4.2) as (figure, (speed, shares)):
        speed.plot(many, many, color=GREY, linestyle="--", label="ideal")
        for name in SCHEDULERS:
            colour = COLOURS[name]
            walls = [results[f"ray.{name}.{n}.wall"] for n in counts]
            speed.plot(counts, [walls[0] / wall for wall in walls], "o-", color=colour, label=LABELS[name])
            if f"simulated.paper.{name}.{many[0]}.speedup" in results:
                simulated = [results[f"simulated.paper.{name}.{n}.speedup"] for n in many]
                speed.plot(many, simulated, color=colour, linestyle=":", label=f"{LABELS[name]}, simulated")
            for kind, style in (("overhead", "o-"), ("idle", "s:")):
                of_kind = [100 * results[f"ray.{name}.{n}.{kind}"] for n in counts]
                shares.plot(counts, of_kind, style, color=colour, label=f"{LABELS[name]}: {kind}")
        _logarithmic(speed)
        speed.set_ylabel("speed-up")
        speed.set_yscale("log")
        shares.set_xlabel("workers")
        shares.set_ylabel("% of workers x wall time")
        shares.legend(fontsize=7)
    return figure


def _logarithmic(axes: Axes) -> None:
    axes.set_xscale("log")
    plain_log(axes)
    axes.set_xlabel("workers")
    axes.legend(fontsize=7)


def _counts(results: Mapping[str, Any], key: str) -> list[int]:
    """Return the numbers of workers that there are figures of, in order."""
    rest = [name.removeprefix(f"{key}.").split(".")[0] for name in results if name.startswith(f"{key}.")]
    return sorted({int(part) for part in rest if part.isdigit()})


def _under_ray(results: Mapping[str, Any], counts: list[int]) -> str:
    rows = []
    for name in SCHEDULERS:
        alone = results[f"ray.{name}.{counts[0]}.wall"]
        work = results[f"ray.{name}.{counts[0]}.training"] * counts[0] * alone
        for n in counts:
            found = {
                key: results[f"ray.{name}.{n}.{key}"] for key in ("wall", "training", "overhead", "idle")
            }
            costs = [
                1e3 * results[f"ray.{name}.{n}.{key}"] for key in ("start", "resume", "report", "driver")
            ]
            rows.append(
                [
                    LABELS[name],
                    str(n),
                    f"{found['training'] * n * found['wall'] / work:.2f}",
                    f"{found['overhead']:.1%}",
                    f"{found['idle']:.1%}",
                    f"{alone / found['wall']:.2f}",
                    " / ".join(f"{cost:.0f}" for cost in costs),
                    f"{results[f'ray.{name}.{n}.simulated.error']:+.1%}",
                ]
            )
    head = (
        "| scheduler | workers | work ratio | overhead | idle | speed-up "
        "| start / resume / report / driver per epoch, ms | simulator |"
    )
    return table(head, rows)


def _simulated(results: Mapping[str, Any], part: str, counts: list[int]) -> str:
    rows = []
    for size in ("laptop", "paper"):
        for name in SCHEDULERS:
            key = f"{part}.{size}.{name}"
            if f"{key}.driver_workers" not in results:
                continue
            rows += [
                [
                    size,
                    LABELS[name],
                    f"{n:,}",
                    *_shares(results, f"{key}.{n}"),
                    f"{results[f'{key}.driver_workers']:,.0f}",
                ]
                for n in counts
            ]
    return table("| epochs | scheduler | workers | work ratio | overhead | idle | speed-up | driver |", rows)


def _reloading(results: Mapping[str, Any]) -> str:
    rows = []
    for name in SCHEDULERS:
        for n in _counts(results, f"reloading.{name}"):
            key = f"reloading.{name}.{n}"
            per_worker = results[f"{key}.speedup"] / n
            rows.append(
                [
                    LABELS[name],
                    str(n),
                    f"{results[f'{key}.resumes']:.0f}",
                    *_shares(results, key),
                    f"{per_worker:.2f}",
                ]
            )
    head = "| scheduler | workers | resumes | work ratio | overhead | idle | speed-up | speed-up per worker |"
    return table(head, rows)


def _shares(results: Mapping[str, Any], key: str) -> list[str]:
    return [
        f"{results[f'{key}.work_ratio']:.2f}",
        f"{results[f'{key}.overhead']:.1%}",
        f"{results[f'{key}.idle']:.1%}",
        f"{results[f'{key}.speedup']:.2f}",
    ]


GOALS: dict[str, tuple[str, float | None]] = {
    "overhead.share_laptop": ("overhead with two workers and these epochs, worst scheduler", 0.15),
    "idle.share_laptop": ("idle beside it", None),
    "overhead.share_paper": ("overhead where an epoch takes as long as the paper's", 0.02),
    "idle.share_paper": ("idle beside it", None),
    "makespan_excess_ratio_24": (
        "24 workers, equal regret: makespan beyond one training, `freeze_thaw` with `fill_workers` over "
        "ASHA's",
        0.5,
    ),
    "epochs_ratio_24": ("epochs beside it", 0.5),
    "waiting_makespan_excess_ratio_24": ("the same of `freeze_thaw` by default: workers wait", None),
    "waiting_epochs_ratio_24": ("epochs beside it", None),
}
"""What there is to say in short, and the most that it is to be."""


def _goals(results: Mapping[str, Any]) -> str:
    rows = []
    for key, (what, most) in GOALS.items():
        if key in results:
            goal = ["", ""] if most is None else [f"≤ {most:g}", "yes" if results[key] <= most else "no"]
            rows.append([what, f"`{key}`", goal[0], f"{results[key]:.3g}", goal[1]])
    return f"\n{table('| measured | key | goal | found | met |', rows)}"


def main() -> None:
    """Write the page and its figure."""
    options = page_command(__doc__, "docs/scaling.md")
    results = read_json(options.results, AGAIN)
    text = page(results)
    write_bytes(options.out.parent / FIGURE, png(figure_of(results)))
    write_text(options.out, text)


if __name__ == "__main__":
    console.run(main)
