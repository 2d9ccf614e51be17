"""All commands of `mlpf-hpo`, in the order of the pipeline, and its entry point."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from mlpf_hpo import __version__, console
from mlpf_hpo.cli import (
    benchmark,
    curves,
    events,
    export,
    hepscore,
    physics,
    predictors,
    reconstruct,
    replay,
    runs,
    status,
    tracking,
    train,
    tune,
    ui,
)
from mlpf_hpo.cli.checkout import run_own_command
from mlpf_hpo.cli.options import examples, group

ORDER = (
    "events",
    "train",
    "curves",
    "predictors",
    "replay",
    "tune",
    "physics",
    "reconstruct",
    "export",
    "benchmark",
    "hepscore",
    "status",
    "runs",
    "ui",
    "tracking",
    "spool",
)


class InOrder(TyperGroup):
    """Lists commands in the order of their definition; Typer would list groups first."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the names of the commands."""
        return sorted(super().list_commands(ctx), key=ORDER.index)


app = group(
    "Hyperparameter search for MLPF in which predicted learning curves decide what to stop.\n\n"
    "The whole pipeline runs with [bold]make repro[/bold] (or [bold]dvc repro[/bold]); these commands do one "
    "thing each.",
    epilog=examples(
        "mlpf-hpo status", "mlpf-hpo runs best --n 5", "mlpf-hpo train --lr 1e-3 --epochs 10 --out runs/one"
    ),
    cls=InOrder,
)
PIPELINE = "The pipeline"
INSPECTION = "Inspection"

app.add_typer(events.app, name="events", rich_help_panel=PIPELINE)
app.command(epilog=train.EXAMPLES, rich_help_panel=PIPELINE)(train.train)
app.add_typer(curves.app, name="curves", rich_help_panel=PIPELINE)
app.add_typer(predictors.app, name="predictors", rich_help_panel=PIPELINE)
app.command(epilog=replay.EXAMPLES, rich_help_panel=PIPELINE)(replay.replay)
app.command(epilog=tune.EXAMPLES, rich_help_panel=PIPELINE)(tune.tune)
app.command(epilog=physics.EXAMPLES, rich_help_panel=PIPELINE)(physics.physics)
app.command(epilog=reconstruct.EXAMPLES, rich_help_panel=PIPELINE)(reconstruct.reconstruct)
app.command(epilog=export.EXAMPLES, rich_help_panel=PIPELINE)(export.export)
app.add_typer(benchmark.app, name="benchmark", rich_help_panel=PIPELINE)
app.command(epilog=hepscore.EXAMPLES, rich_help_panel=PIPELINE)(hepscore.hepscore)
app.command(epilog=status.EXAMPLES, rich_help_panel=INSPECTION)(status.status)
app.add_typer(runs.app, name="runs", rich_help_panel=INSPECTION)
app.command(epilog=ui.EXAMPLES, rich_help_panel=INSPECTION)(ui.ui)
app.add_typer(tracking.app, name="tracking", rich_help_panel=INSPECTION)
app.add_typer(tracking.spool, name="spool", hidden=True, deprecated=True)


def _print_version(asked: bool) -> None:
    if asked:
        console.out.print(f"mlpf-hpo {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version  # printed by its callback


USAGE_ERROR, BENCHMARK_USAGE_ERROR = 2, 64


def main() -> None:
    """Entry point of `mlpf-hpo`.

    A bad option of `benchmark` leaves with 64: its small statuses count failed copies.
    """
    run_own_command()
    try:
        console.run(lambda: app(prog_name="mlpf-hpo"))
    except SystemExit as end:
        if "benchmark" in sys.argv[1:2] and isinstance(end.code, int):
            if end.code == USAGE_ERROR:
                sys.exit(BENCHMARK_USAGE_ERROR)
            if end.code > benchmark.FAILED_COPIES:
                sys.exit(end.code - benchmark.FAILED_COPIES)
        raise
