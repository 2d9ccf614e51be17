"""`mlpf-hpo curves from`: learning curves from where a training tool keeps them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import Mode, examples
from mlpf_hpo.extensions import InModule, Registry

if TYPE_CHECKING:
    from mlpf_hpo.curves.readers.recorded import CurveSource
    from mlpf_hpo.curves.schema import LearningCurves

READERS = "mlpf_hpo.curves.readers"

SOURCES: Registry[CurveSource] = Registry(
    "mlpf_hpo.curve_sources",
    "source of curves",
    {
        "mlflow": InModule("mlpf_hpo.tracking.foreign_runs", "read_mlflow"),
        "tune": InModule(f"{READERS}.tune_folder", "read_tune"),
        "optuna": InModule(f"{READERS}.optuna_storage", "read_optuna"),
        "lightning": InModule(f"{READERS}.lightning_csv", "read_lightning"),
        "tensorboard": InModule(f"{READERS}.tensorboard_events", "read_tensorboard"),
        "wandb-csv": InModule(f"{READERS}.exports", "read_wandb_csv"),
        "mlflow-csv": InModule(f"{READERS}.exports", "read_mlflow_csv"),
        "long": InModule(f"{READERS}.long_table", "read_long"),
    },
)
"""Sources of curves by name: the core's, that of tracking, and those of installed packages."""

EXAMPLES = examples(
    "mlpf-hpo curves from mlflow mlflow.db --experiment mlpf/campaign --metric val/loss "
    "--output data/mine.parquet",
    also="A source is one of: " + ", ".join(SOURCES.builtin) + ". docs/curves.md has an example of each.",
)

SUFFIXES = (".parquet", ".csv")


def curves_from(
    source: Annotated[str, typer.Argument(help="What the trainings were recorded with; see below.")],
    where: Annotated[str, typer.Argument(help="Address, file or folder of the records; they are only read.")],
    output: Annotated[Path, typer.Option(help="FILE.parquet, with its card beside it, or FILE.csv.")],
    metric: Annotated[str, typer.Option(help="The metric; by default the only one.")] = "",
    mode: Mode = "",
    param: Annotated[
        list[str] | None,
        typer.Option(
            help="A hyperparameter, given for each; by default all that differ between the trainings."
        ),
    ] = None,
    filter_: Annotated[
        str,
        typer.Option(
            "--filter", help="MLflow's search condition, or a pattern of folders or of Optuna's states."
        ),
    ] = "",
    experiment: Annotated[str, typer.Option(help="Experiment of MLflow, study of Optuna.")] = "",
    runs: Annotated[
        Path | None,
        typer.Option(help="CSV of the runs with their hyperparameters, beside one of curves alone."),
    ] = None,
    full_epochs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Length of a full training: a shorter one was stopped, if the source says nothing."
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="Name of the data set in captions; by default that of the file.")
    ] = "",
) -> None:
    """Read learning curves where a training tool keeps them, and write them as a data set.

    Trainings that were pruned, stopped or failed, or that still run, are marked: predictors and replays take
    their curves as censored, and not their last values as final ones. Of a training that was resumed, what it
    logged again replaces what it had logged.
    """
    from mlpf_hpo.curves.columns import describe_features
    from mlpf_hpo.curves.dataset import write_curves
    from mlpf_hpo.curves.describe import describe_ends
    from mlpf_hpo.curves.export import wide_table
    from mlpf_hpo.curves.left_out_rows import describe_left_out_rows
    from mlpf_hpo.curves.readers.assemble import assemble
    from mlpf_hpo.curves.readers.recorded import Query
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.files import write_text

    if output.suffix not in SUFFIXES:
        raise ConfigurationError(f"--output {output}: name a file that ends in {' or '.join(SUFFIXES)}")
    read = SOURCES.lookup(source, "curves from")
    found = read(where, Query(metric or None, experiment or None, filter_ or None, runs))
    made = assemble(found, where, name or output.stem, mode or None, param, full_epochs)
    curves = made.curves
    if output.suffix == ".parquet":
        write_curves(curves, output)
    else:
        write_text(output, wide_table(curves).to_csv(index=False))
    features = describe_features(curves.target.to_dict(), curves.hyperparameters, curves.left_out, "--param")
    lines = [
        f"{output}: {len(curves)} curves of up to {curves.n_epochs} epochs, {len(set(curves.groups))} "
        "distinct configurations",
        features,
        f"epochs: {made.epochs}",
        describe_ends(curves),
        describe_left_out_rows(curves.left_out_rows, len(curves)),
        _unknown_ends(curves),
    ]
    for line in filter(None, lines):
        console.out.print(line, markup=False)
    # A table does not say which columns are hyperparameters: texts would be left out, and numbers taken.
    more = (
        []
        if output.suffix == ".parquet"
        else ["--mode", curves.mode, "--hyperparameters", ",".join(curves.hyperparameters)]
    )
    words = ["mlpf-hpo", "curves", "describe", str(output), *more]
    console.out.print(f"see what was understood: {shlex.join(words)}", markup=False, soft_wrap=True)


def _unknown_ends(curves: LearningCurves) -> str:
    """Return what to do about trainings that end earlier than others for no known reason."""
    short = int((curves.truncated & (curves.status == "unknown") & ~curves.censored).sum())
    if not short:
        return ""
    last = curves.n_epochs
    return f"{short} end before epoch {last} and nothing says why: --full-epochs {last} marks them as stopped"
