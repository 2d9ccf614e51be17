"""`mlpf-hpo curves`: learning-curve data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import Hyperparameters, Mode, column_names, examples, group

EXAMPLES = examples(
    "mlpf-hpo curves import table.csv --hyperparameters lr,dropout --loss-prefix loss_ "
    "--name published --out data/published.parquet",
    "mlpf-hpo curves import table.csv --loss-prefix fitness_ --mode max --name theirs "
    "--out data/theirs.parquet",
)
app = group("Learning-curve data sets.", epilog=EXAMPLES)


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
    least_epochs: Annotated[int, typer.Option(min=1, help="Leave out trials with fewer epochs.")] = 1,
) -> None:
    """Make a data set from a campaign's files of finished trials, without MLflow."""
    from mlpf_hpo.curves.data_sets import write_data_set
    from mlpf_hpo.curves.dataset import write_curves
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.metric_modes import resolve_mode
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
        least_epochs=least_epochs,
    )
    if out is not None:
        write_curves(curves, out)
    elif into is not None:
        write_data_set(curves, name, into)
    console.out.print(
        f"{out or into}: {len(curves)} curves of {curves.n_epochs} epochs, {len(set(curves.groups))} "
        f"distinct configurations, {int(curves.complete.sum())} complete",
        markup=False,
    )
