"""The page of training's speed, from what was measured.

    python -m benchmarks.performance RESULTS.json [--out docs/performance.md]

RESULTS.json is what ``python -m benchmarks.training --json RESULTS.json`` wrote. The figure goes into the
folder `images` beside the page.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import CALM
from benchmarks.goals import GOALS
from benchmarks.levers import LEVERS
from benchmarks.pages import page_command, table
from benchmarks.results import Results, read_results
from benchmarks.roofline_figure import roofline_figure
from benchmarks.shares import operations_of
from benchmarks.training_against import BUSY, SPACE
from mlpf_hpo.config import Params
from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.files import write_bytes, write_text
from mlpf_hpo.plotting import png

FIGURE = Path("images", "roofline.png")

HEAD = """# How fast it trains

Written by `make performance` from the numbers of `python -m benchmarks.training`, all measured on the machine
below, each comparison in turns within one process; [benchmarks/README.md](../benchmarks/README.md) says what
is compared.
"""

QUICK = """
**Measured with `--quick`: few rounds, small events. Not for quoting.**
"""

ROOFLINE = """
## Where the time goes

A training step at the paper's widths under torch.profiler, one thread. Left: the limits are a square matrix
product and a memory triad, measured in the same process; work whose numbers the caches still hold can stand
above the slope. Right: what the same work would take at these limits; kinds whose operations are not counted
are taken as they are. Element-wise work counts one operation per number of its largest input. Products that
the kernels make themselves where that is faster are the library's here, as within kernels nothing tells of
them.

![Roofline of a training step, and the share of each kind of operation]({figure})

"""

AGAINST_HEAD = """
## Against commit {commit}

Steps of both, each in a process of its own checkout and environment, in turns: processor time, one thread;
medians of the pairs, with the quartiles of the ratio. Configurations over the search space are named by
layers of both stacks, width and bin size; they and the defaults train on {events} events of {calm} elements,
the paper's widths on one of {busy:,}. The stage's times are the wall's.

"""

LEVERS_HEAD = """
## What each lever brings

The step with all levers, and without one of them, in turns. Saved: the median of the differences of the
pairs, with the least and the largest. The first is what trains on a CPU by default; the others are of
PyTorch's own path, which is taken without kernels (`MLPF_HPO_KERNELS=off`).

"""

COMPILATION_HEAD = """
## torch.compile

Trainings do not use it. Here the graph layers and the heads are compiled, from nothing, as in every trial of
a search, which has widths of its own; then steps with and without it take turns. In brackets the least and
the largest of the pairs.

"""

LEVER_TITLES = {
    "kernels": "written out by hand, with kernels in C",
    "ragged": "ragged batches instead of events filled up to 6,400",
    "layer_product": "one product for W_theta, W_h, W_t and the embedding's first map",
    "head_products": "one product for the heads' first layers, the momentum's four heads as a batch",
    "aligned_widths": "widths of products aligned to 64 bytes",
    "mask_words": "dropout masks from raw random words",
    "elu_by_exp": "elu by exp instead of expm1, its output kept alone",
    "gate_gradient": "the gate's own gradient",
    "blocks": "heads differentiated block by block, which is for memory's sake",
    "kept_memory": "freed memory kept by the process",
}
"""What the levers of `benchmarks.levers` are."""


def page(results: Results) -> str:
    """Return the page.

    Raises
    ------
    DataError
        If a number that it shows was not measured.
    """
    results.require(goal.key for goal in GOALS)
    return "".join(
        [
            HEAD,
            QUICK if results.quick else "",
            machine(results),
            goals(results),
            ROOFLINE.format(figure=FIGURE),
            operations(results),
            against(results),
            LEVERS_HEAD,
            levers(results),
            COMPILATION_HEAD,
            compilation(results),
        ]
    )


def machine(results: Results) -> str:
    """Return what everything was measured on."""
    told = results.machine
    gpus = ", ".join(gpu["name"] for gpu in told["gpus"]) or "none"
    rows = {
        "machine": told["hardware_label"],
        "processor": f"{told['cpu_model']}, {told['usable_cpus']} usable",
        "memory": f"{told['memory_bytes'] / 2**30:.0f} GiB",
        "GPU": gpus,
        "system": told["system"],
        "versions": ", ".join(f"{name} {version}" for name, version in told["versions"].items()),
    }
    if "load_average" in told:
        rows["at work or waiting"] = f"{told['load_average']:.1f} processes, these among them"
    return "\n## Machine and versions\n\n" + table("| | |", [list(row) for row in rows.items()])


def goals(results: Results) -> str:
    """Return what was measured beside its goal."""
    rows = []
    for goal in GOALS:
        met = goal.met(results)
        word = {True: "yes", False: "no", None: ""}[met]
        why = goal.why(results) if met is False else ""
        rows.append([goal.title, f"`{goal.key}`", goal.wanted, f"{results[goal.key]:.3g}", word, why])
    head = "| measured | key | goal | found | met | what holds the rest |"
    return "\n## Goals\n\n" + table(head, rows)


def operations(results: Results) -> str:
    """Return the operations of both profiled steps."""
    of_default = {o.title: o.share for o in operations_of(results, "default")}
    rows = [
        [
            o.title,
            f"{o.share:.1%}",
            f"{o.bound:.1%}",
            "" if o.rate is None else f"{o.rate / 1e9:.1f}",
            "" if o.intensity is None else f"{o.intensity:.2g}",
            f"{of_default[o.title]:.1%}",
        ]
        for o in operations_of(results, "paper")
    ]
    head = (
        "| operations | share of the step | at the limits | GFLOP/s | FLOP per byte | share at the defaults |"
    )
    return table(head, rows)


def against(results: Results) -> str:
    """Return what today's steps are beside another commit's, or nothing if none was measured."""
    if results.commit is None or "against.space.speedup" not in results.numbers:
        return ""
    events = Params().training.batch_events
    head = AGAINST_HEAD.format(commit=results.commit, events=events, calm=CALM, busy=BUSY)
    titles = {
        "default": "a training step at the defaults",
        **{f"space.{i}": "{} + {}, {}, bins of {}".format(*of) for i, of in enumerate(SPACE) if i},
        "paper": "a training step at the paper's widths",
        "inference.default": "inference at the defaults",
        "inference.paper": "inference at the paper's widths",
    }
    rows = [_against_row(results, key, title, "ms") for key, title in titles.items()]
    mean = f"{results['against.space.speedup']:.2f}"
    rows.insert(len(SPACE), ["geometric mean of these", "", "", mean])
    if "against.campaign.speedup" in results.numbers:
        pairs = f"pairs of runs: {results['against.campaign.pairs']:.0f}"
        rows.append(_against_row(results, "campaign", f"the stage `campaign` ({pairs})", "seconds"))
    return head + table("| | before | now | times as fast |", rows) + _final_losses(results)


def _final_losses(results: Results) -> str:
    """Return a sentence on what the same configurations came to, if it was measured."""
    if "against.campaign.final_loss_ratio" not in results.numbers:
        return ""
    n, mean, low, high = (
        results[f"against.campaign.{name}"]
        for name in ("configurations", *(f"final_loss_ratio{end}" for end in ("", "_low", "_high")))
    )
    return (
        f"\nThe {n:.0f} configurations of the campaign, trained by both, end at losses whose ratio, now "
        f"over before, is {mean:.3f} (geometric mean; 95% interval {low:.3f} to {high:.3f}).\n"
    )


def _against_row(results: Results, key: str, title: str, unit: str) -> list[str]:
    before, after, speedup, low, high = (
        results[f"against.{key}.{what}"]
        for what in (f"before_{unit}", f"after_{unit}", "speedup", "low", "high")
    )
    short = {"ms": "ms", "seconds": "s"}[unit]
    return [
        title,
        f"{before:.1f} {short}",
        f"{after:.1f} {short}",
        f"{speedup:.2f} ({low:.2f} to {high:.2f})",
    ]


def levers(results: Results) -> str:
    """Return before and after of each lever that was measured; `possible` says which cannot be."""
    rows = []
    for name in ("kernels", "ragged", *LEVERS):
        if f"levers.{name}.saved_ms" not in results.numbers:
            rows.append([LEVER_TITLES[name], "not possible on this machine", "", "", ""])
            continue
        without, with_, saved, least, most = (
            results[f"levers.{name}.{what}"]
            for what in ("without_ms", "with_ms", "saved_ms", "saved_ms_least", "saved_ms_most")
        )
        spread = f"{saved:.0f} ({least:.0f} to {most:.0f})"
        rows.append([LEVER_TITLES[name], f"{without:.0f}", f"{with_:.0f}", spread, f"{saved / without:.1%}"])
    return table("| lever | without, ms | with, ms | saved, ms | saved |", rows)


def compilation(results: Results) -> str:
    """Return what torch.compile would bring, or that it was not measured."""
    if "compilation.paper.seconds" not in results.numbers:
        return "It needs a C++ compiler, which was not there.\n"
    rows = []
    for case, title in (("paper", "the paper's widths"), ("default", "the defaults")):
        seconds, without, with_, speedup, least, most = (
            results[f"compilation.{case}.{what}"]
            for what in ("seconds", "without_ms", "with_ms", "speedup", "speedup_least", "speedup_most")
        )
        saved = 1e-3 * (without - with_)
        paid = f"{seconds / saved:,.0f} steps" if saved > 0 else "never"
        spread = f"{speedup:.2f} ({least:.2f} to {most:.2f})"
        rows.append([title, f"{seconds:.0f}", f"{without:.0f}", f"{with_:.0f}", spread, paid])
    return table("| step at | compiling, s | without, ms | with, ms | times as fast | paid after |", rows)


def main() -> None:
    """Write the page and its figure."""
    options = page_command(__doc__, out="docs/performance.md")
    try:
        results = read_results(options.results)
        text, picture = page(results), png(roofline_figure(results))
        write_bytes(options.out.parent / FIGURE, picture)
        write_text(options.out, text)
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
