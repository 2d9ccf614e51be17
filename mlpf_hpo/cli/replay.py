"""`mlpf-hpo replay`: schedulers compared on recorded learning curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import CURVES_HELP, Hyperparameters, LossPrefix, Mode, examples, open_curves

EXAMPLES = examples(
    "mlpf-hpo replay --curves data/curves.parquet --seeds 8",
    "mlpf-hpo replay --curves table.csv --prior earlier.csv --json replay.json --figure frontier.png",
    "mlpf-hpo replay --curves table.csv --schedulers asha:reduction_factor=4,top_k:k=3 --configurations 40",
)

DEFAULT = ("asha", "promotion_asha", "hyperband", "freeze_thaw")
DEFAULT_WITH_PRIOR = ("prior_best_k:k=4", "prior_skip:share=0.7:grace_epochs=2:reduction_factor=2")
"""Beside the others where there is a prior: what anybody can do with one."""

LEAST_EPOCHS = 2
"""Of a target epoch that is suggested."""

NAMED_PRIORS = ("none", "same", "permuted")
PARTS = ("final", "design")
"""Of a file of splits: what is searched, and what is the prior."""


def replay(
    curves: Annotated[Path, typer.Option(help=CURVES_HELP)],
    prior: Annotated[
        str,
        typer.Option(
            help="Prior campaign: none; same: configurations of the table that are not searched; permuted: "
            "these, hyperparameters shuffled among the rows; or a file of curves, or a data set by its name."
        ),
    ] = "none",
    schedulers: Annotated[
        str,
        typer.Option(
            help=f"NAME\\[:key=value...], separated by commas; by default {', '.join(DEFAULT)}, and with a "
            "prior prior_best_k and prior_skip.",
        ),
    ] = "",
    configurations: Annotated[
        int | None,
        typer.Option(help="Configurations in one search; by default half of the table's, or all of a split."),
    ] = None,
    prior_configurations: Annotated[
        int | None, typer.Option(help="Configurations in the prior; by default all that are left, or half.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials that run at the same time.")] = 8,
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Searches, each with its own draw.")] = 24,
    split: Annotated[
        Path | None,
        typer.Option(
            help='File {"design": \\[row, ...], "final": \\[row, ...]}, rows from 0: the final ones are '
            "searched, the design ones are the prior. Or a data set by its name."
        ),
    ] = None,
    target_epoch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Epochs of a full training; longer curves are cut there, also those of a prior's file. By "
            "default the last column.",
        ),
    ] = None,
    loss_prefix: LossPrefix = "",
    mode: Mode = "",
    hyperparameters: Hyperparameters = "",
    json: Annotated[Path | None, typer.Option(help="File for the numbers.")] = None,
    figure: Annotated[Path | None, typer.Option(help="File for the figure of the frontier, PNG.")] = None,
) -> None:
    """Compare schedulers on recorded learning curves, without training.

    Each seed draws configurations, their order and the durations of their epochs, the same for every
    scheduler. Regret is that of the best fully trained trial, in units of median minus best final value of
    the searched curves. Beside the schedulers stand families of them, of which the best setting is taken with
    hindsight: the epochs that all trials together take until the mean regret is at most .02, and .01.
    Intervals are those of other configurations, as many as the table has.

    Curves that end before the last epoch, of trials that a pruner stopped for example, are left out and
    counted: how they would have gone on is not known. What is left was let go on, which is easier to search;
    a table of full trainings says more. With --target-epoch those that reached that epoch stay.
    """
    from mlpf_hpo.files import write_bytes, write_json
    from mlpf_hpo.reporting import replay as report

    table = _cut(open_curves(curves, loss_prefix, mode, hyperparameters), target_epoch)
    draw = _draw(table, prior, configurations, prior_configurations, split, loss_prefix, target_epoch)
    specs = _specs(schedulers, draw)
    with console.progress_bar("replay") as progress:
        found = _compare(draw, specs, workers, seeds, progress)
    sizes = draw.plan.sizes
    head = {
        "curves": str(curves),
        "target": table.target.to_dict(),
        "prior": prior,
        "configurations": sizes.searched,
        "prior_configurations": 0 if prior == "none" else sizes.prior,
        "workers": workers,
        "seeds": seeds,
        "max_epochs": table.n_epochs,
        "left_out_rows": dict(draw.plan.curves.left_out_rows),
    }
    if draw.other is not None:
        head["prior_configurations"] = len(set(draw.other.groups))
    console.out.print(
        f"{seeds} searches of {sizes.searched} of {sizes.available} configurations, {table.n_epochs} epochs "
        f"of {table.target}, {workers} workers; prior: {prior}; mean [95 % interval]",
        markup=False,
    )
    for line in _left_out(draw, table):
        console.out.print(line, markup=False)
    console.out.print(console.columns(report.HEADER, report.scheduler_rows(found)), markup=False)
    console.out.print(console.columns(report.FAMILY_HEADER, report.family_rows(found)), markup=False)
    for line in (*report.legend(found), *report.ratio_lines(found)):
        console.out.print(line, markup=False)
    if json is None and figure is None:
        console.out.print("--json FILE keeps the numbers, --figure FILE shows them", markup=False)
    if json is not None:
        write_json(json, head | found)
        console.out.print(f"numbers: {json}", markup=False)
    if figure is not None:
        write_bytes(figure, report.frontier_figure(found, f"{curves.name}, prior: {prior}"))
        console.out.print(f"figure: {figure}", markup=False)


def _cut(table: Any, target_epoch: int | None) -> Any:
    """Return the curves up to the target epoch; without one, enough have to reach the last column."""
    from mlpf_hpo.curves.target_epochs import check_last_column, with_target_epoch

    if target_epoch is not None:
        return with_target_epoch(table, target_epoch)
    check_last_column(table, own=False)
    return table


def _left_out(draw: Any, table: Any) -> list[str]:
    """Return which rows are in no search and in no prior, and what can be done about it, as text."""
    import numpy as np

    from mlpf_hpo.curves.ends import known_lengths
    from mlpf_hpo.curves.left_out_rows import describe_left_out_rows

    known = draw.plan.curves
    lines = [describe_left_out_rows(known.left_out_rows, len(known))]
    if draw.other is not None and draw.other.left_out_rows:
        lines.append(f"prior: {describe_left_out_rows(draw.other.left_out_rows, len(draw.other))}")
    lengths = known_lengths(table.values)
    epoch = max(LEAST_EPOCHS, int(np.median(lengths)))
    if epoch < table.n_epochs and (kept := int((lengths >= epoch).sum())) > len(known):
        lines.append(f"--target-epoch {epoch} searches them up to epoch {epoch}, which {kept} reached")
    return list(filter(None, lines))


def _compare(draw: Any, specs: Any, workers: int, seeds: int, progress: Any) -> dict[str, Any]:
    """Replay schedulers and families of schedulers, and compare them."""
    from mlpf_hpo.hardware.host import usable_cpus
    from mlpf_hpo.reporting.replay import UNTRAINED
    from mlpf_hpo.search.anytime import RegretScale
    from mlpf_hpo.search.comparison import compare, families_for, untrained_best
    from mlpf_hpo.search.replay import replay as replay_all
    from mlpf_hpo.search.yardsticks import all_members

    plan, first = draw.plan, draw(0)
    families = families_for(first)
    members = {**{str(spec): spec for spec in specs.values()}, **all_members(families)}
    RegretScale.of(first.searched)
    for spec in members.values():
        spec.make(first)  # what cannot be is an error before anything starts
    makers = {text: spec.make for text, spec in members.items()}
    replays = replay_all(draw, makers, workers, range(seeds), jobs=usable_cpus(), progress=progress)
    found = compare(specs, families, replays, plan.sizes, plan.curves.n_epochs)
    if draw.kind == "same":
        untrained = untrained_best([draw(seed) for seed in range(seeds)], plan.sizes)
        found["schedulers"][UNTRAINED] = untrained
    return found


def _draw(
    table: Any,
    prior: str,
    configurations: int | None,
    prior_configurations: int | None,
    split: Path | None,
    loss_prefix: str,
    target_epoch: int | None,
) -> Any:
    """Return what draws the searches, with their prior."""
    from mlpf_hpo.curves.readers.csv_table import read_table
    from mlpf_hpo.curves.shipped_files import curves_file, shipped_names
    from mlpf_hpo.curves.split_file import split_rows
    from mlpf_hpo.errors import ConfigurationError, did_you_mean
    from mlpf_hpo.search.draws import DrawPlan, known_to_the_end
    from mlpf_hpo.search.priors import DrawWithPrior

    if prior not in NAMED_PRIORS and curves_file(Path(prior)) is None:
        hint = did_you_mean(prior, (*NAMED_PRIORS, *shipped_names()))
        raise ConfigurationError(
            f"--prior {prior}: no such file{hint}; it is none, same, permuted, a file of curves, or a data "
            "set that is shipped"
        )
    rows = [None, None] if split is None else [split_rows(split, part, table.groups) for part in PARTS]
    known, parts = known_to_the_end(table, *rows)
    plan = DrawPlan(known, configurations, prior_configurations, *parts)
    if prior in NAMED_PRIORS:
        return DrawWithPrior(plan, prior)
    earlier = read_table(Path(prior), loss_prefix or None, table.mode)
    if target_epoch is not None and earlier.n_epochs > target_epoch:
        earlier = _cut(earlier, target_epoch)
    return DrawWithPrior(plan, "other", known_to_the_end(earlier)[0])


def _specs(schedulers: str, draw: Any) -> dict[str, Any]:
    """Return the schedulers by what they were asked for as."""
    from mlpf_hpo.search.scheduler_spec import SchedulerSpec

    default = DEFAULT if draw.kind == "none" else (*DEFAULT, *DEFAULT_WITH_PRIOR)
    texts = [text.strip() for text in schedulers.split(",") if text.strip()] or default
    return {text: SchedulerSpec.parse(text, "--schedulers") for text in texts}
