"""`mlpf-hpo curves`: learning-curve data sets."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli import curves_from
from mlpf_hpo.cli.options import (
    CURVES_HELP,
    Hyperparameters,
    LossPrefix,
    Mode,
    column_names,
    column_option,
    examples,
    group,
    open_curves,
)
from mlpf_hpo.seeds import LARGEST_SEED

EXAMPLES = examples(
    "mlpf-hpo curves import table.csv --hyperparameters lr,dropout --loss-prefix loss_ "
    "--name published --out data/published.parquet",
    "mlpf-hpo curves import table.csv --loss-prefix fitness_ --mode max --name theirs "
    "--out data/theirs.parquet",
    "mlpf-hpo curves describe data/curves.parquet --json description.json --figure description.png",
    "mlpf-hpo curves export data/curves.parquet --csv wide.csv --long long.csv",
    "mlpf-hpo curves diff table.csv earlier.csv",
    "mlpf-hpo curves splits table.csv --out splits.json",
)
app = group("Learning-curve data sets.", epilog=EXAMPLES)

Curves = Annotated[Path, typer.Argument(help=CURVES_HELP)]


@app.command(
    "import",
    epilog=EXAMPLES,
)
def curves_import(
    file: Annotated[Path, typer.Argument(help="The curves; in CSV one row per trial.")],
    name: Annotated[str, typer.Option(help="What the data set is called in captions.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write; its card lies beside it.")],
    hyperparameters: Hyperparameters = "",
    loss_prefix: Annotated[str, typer.Option(help="Columns PREFIX0, PREFIX1, ... are the curve.")] = "loss_",
    mode: Mode = "",
    format_: Annotated[
        str, typer.Option("--format", help="csv, or the name of a reader of an installed package.")
    ] = "csv",
) -> None:
    """Read learning curves of another tool into a data set."""
    from mlpf_hpo.curves.columns import describe_features
    from mlpf_hpo.curves.dataset import write_curves
    from mlpf_hpo.curves.left_out_rows import describe_left_out_rows
    from mlpf_hpo.curves.readers import READERS

    names, read = column_names(hyperparameters), READERS.lookup(format_, "--format")
    curves = read(file, hyperparameters=names, loss_prefix=loss_prefix, name=name, mode=mode or None)
    write_curves(curves, out)
    n_distinct, n_restarted = len(set(curves.groups)), int((curves.restart_epoch >= 0).sum())
    console.out.print(
        f"{out}: {len(curves)} curves of {curves.n_epochs} epochs, {n_distinct} distinct configurations, "
        f"{n_restarted} with a restart",
        markup=False,
    )
    console.out.print(
        describe_features(curves.target.to_dict(), curves.hyperparameters, curves.left_out), markup=False
    )
    if curves.left_out_rows:
        console.out.print(describe_left_out_rows(curves.left_out_rows, len(curves)), markup=False)


app.command("from", epilog=curves_from.EXAMPLES)(curves_from.curves_from)


COLLECT_EXAMPLES = examples(
    "mlpf-hpo curves collect studies/campaign/trials --epochs 50 --name mine --out data/mine.parquet",
    "mlpf-hpo curves collect studies/campaign/trials --epochs 50 --name mine-v0 --configurations 3 "
    "--into data/sets",
)


@app.command(epilog=COLLECT_EXAMPLES)
def collect(
    folder: Annotated[
        Path, typer.Argument(help="Files of finished trials: campaign.archive of params.yaml.")
    ],
    epochs: Annotated[int, typer.Option(min=2, help="Length of the curves; longer ones are cut.")],
    name: Annotated[str, typer.Option(help="What the data set is called in captions.")],
    out: Annotated[Path | None, typer.Option(help="Parquet file to write; its card lies beside it.")] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="Folder for NAME.parquet, card, halves and checksums, as the package ships them."),
    ] = None,
    metric: Annotated[str, typer.Option(help="The target metric.")] = "val/loss",
    mode: Mode = "",
    metrics: Annotated[str, typer.Option(help="Patterns of the metrics to keep, separated by commas.")] = "*",
    configurations: Annotated[
        int | None, typer.Option(min=1, help="Only the first ones of the stream; by default all.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many trainings of each configuration; by default all."),
    ] = None,
    least_epochs: Annotated[int, typer.Option(min=1, help="Leave out trials with fewer epochs.")] = 1,
    remarks: Annotated[
        Path | None,
        typer.Option(help="YAML file for the card: what, how, why, licence, limits, each with a text."),
    ] = None,
) -> None:
    """Make a data set from a campaign's files of finished trials, without MLflow."""
    from mlpf_hpo.curves.data_sets import write_data_set
    from mlpf_hpo.curves.dataset import write_curves
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.metric_modes import resolve_mode
    from mlpf_hpo.settings.yaml_file import read_mapping
    from mlpf_hpo.target_metric import TargetMetric
    from mlpf_hpo.tracking.archived_curves import collect_archived
    from mlpf_hpo.tracking.trial_archive import TrialArchive

    if (out is None) == (into is None):
        raise ConfigurationError("give a file with --out, or a folder of data sets with --into")
    curves = collect_archived(
        TrialArchive(folder),
        TargetMetric(metric, resolve_mode(metric, mode or None)),
        epochs,
        name,
        patterns=column_names(metrics) or ["*"],
        configurations=configurations,
        seeds=seeds,
        least_epochs=least_epochs,
    )
    texts = None if remarks is None else read_mapping(remarks, "file of remarks")
    if out is not None:
        write_curves(curves, out, texts)
    elif into is not None:
        write_data_set(curves, name, into, remarks=texts)
    console.out.print(
        f"{out or into}: {len(curves)} curves of {curves.n_epochs} epochs, {len(set(curves.groups))} "
        f"distinct configurations, {int(curves.complete.sum())} complete",
        markup=False,
    )


@app.command(epilog=EXAMPLES)
def describe(
    curves: Curves,
    json: Annotated[Path | None, typer.Option(help="File for the numbers.")] = None,
    figure: Annotated[Path | None, typer.Option(help="File for the picture, PNG.")] = None,
    loss_prefix: LossPrefix = "",
    mode: Mode = "",
    hyperparameters: Hyperparameters = "",
) -> None:
    """Print what a table of curves holds: size, defects, spread, noise, how ranks settle, hyperparameters.

    Repeats are rows of one configuration with different seeds; undeclared duplicates are those without. The
    spread that noise is compared with is the distance of the quartiles of the final values, over that of a
    normal distribution with standard deviation 1.
    """
    from mlpf_hpo.curves.describe import describe_curves, format_description
    from mlpf_hpo.curves.description_figure import description_figure
    from mlpf_hpo.files import write_bytes, write_json

    table = open_curves(curves, loss_prefix, mode, hyperparameters)
    found = describe_curves(table)
    console.out.print(format_description(found, column_option(curves)), markup=False)
    if json is not None:
        write_json(json, found)
        console.out.print(f"numbers: {json}", markup=False)
    if figure is not None:
        write_bytes(figure, description_figure(table))
        console.out.print(f"figure: {figure}", markup=False)


@app.command(epilog=EXAMPLES)
def export(
    curves: Curves,
    csv: Annotated[
        Path | None,
        typer.Option(help="CSV file to write: a row per trial, hyperparameters, then loss_0, loss_1, ..."),
    ] = None,
    long: Annotated[
        Path | None, typer.Option(help="CSV file to write: trial, epoch, metric, value; all metrics.")
    ] = None,
    loss_prefix: LossPrefix = "",
    mode: Mode = "",
    hyperparameters: Hyperparameters = "",
) -> None:
    """Write curves as CSV for other tools; the command that reads the wide table again is printed."""
    from mlpf_hpo.curves.export import long_table, wide_table
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.files import write_text

    if csv is None and long is None:
        raise ConfigurationError("nothing to write: give --csv FILE, --long FILE or both")
    table = open_curves(curves, loss_prefix, mode, hyperparameters)
    texts = {
        file: make(table).to_csv(index=False)
        for file, make in ((csv, wide_table), (long, long_table))
        if file is not None
    }
    for file, text in texts.items():
        write_text(file, text)
        console.out.print(f"{file}: {len(table)} curves", markup=False)
    if csv is not None:
        options = {
            "--hyperparameters": ",".join(table.hyperparameters),
            "--mode": table.mode,
            "--name": table.source,
            "--out": "FILE.parquet",
        }
        words = [
            "mlpf-hpo",
            "curves",
            "import",
            str(csv),
            *(word for pair in options.items() for word in pair),
        ]
        console.out.print(f"read it again with: {shlex.join(words)}", markup=False, soft_wrap=True)


@app.command(epilog=EXAMPLES)
def diff(
    before: Annotated[Path, typer.Argument(help=CURVES_HELP)],
    after: Annotated[Path, typer.Argument(help="The same, another version.")],
    json: Annotated[Path | None, typer.Option(help="File for the differences, with every row.")] = None,
    loss_prefix: LossPrefix = "",
    mode: Mode = "",
    hyperparameters: Hyperparameters = "",
) -> None:
    """Compare two versions of a table: rows and metrics that came, went or changed.

    Rows are found by configuration and seed. Tables of different tasks, whose metric, hyperparameters or
    training data differ, are refused.
    """
    from mlpf_hpo.curves.difference import difference, format_difference
    from mlpf_hpo.files import write_json

    tables = [open_curves(file, loss_prefix, mode, hyperparameters) for file in (before, after)]
    found = difference(*tables)
    console.out.print(format_difference(found, tables[0].metric), markup=False)
    if json is not None:
        write_json(json, found)
        console.out.print(f"differences: {json}", markup=False)


@app.command(epilog=EXAMPLES)
def splits(
    curves: Curves,
    out: Annotated[Path, typer.Option(help="JSON file to write; one that is there is not replaced.")],
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Other seeds draw other halves.")] = 0,
    loss_prefix: LossPrefix = "",
    mode: Mode = "",
    hyperparameters: Hyperparameters = "",
) -> None:
    """Split the configurations of a table into a design and a final half, once, for `replay --split`.

    All rows of a configuration are on one side.
    """
    from mlpf_hpo.curves.split_file import write_splits

    halves = write_splits(open_curves(curves, loss_prefix, mode, hyperparameters), out, seed)
    rows = ", ".join(f"{len(half)} {part}" for part, half in halves.items())
    console.out.print(f"{out}: rows: {rows}", markup=False)
