"""`mlpf-hpo tracking`: results in journals that MLflow lacks: list, send, rebuild runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import examples, group
from mlpf_hpo.project import STATE

EXAMPLES = examples(
    "mlpf-hpo tracking status",
    "mlpf-hpo tracking send",
    "MLFLOW_TRACKING_URI=http://tracking:5000 mlpf-hpo tracking send",
    "mlpf-hpo tracking rebuild",
    "mlpf-hpo tracking rebuild --to sqlite:////backup/mlflow.db",
)
app = group("Results in journals that MLflow lacks: list, send, rebuild runs.", epilog=EXAMPLES)
spool = group("Deprecated: `tracking` has these commands.", epilog=EXAMPLES)

Journals = Annotated[
    Path | None,
    typer.Option("--journals", "--folder", help="Folder of journals.", show_default=f"{STATE}/journals"),
]


@app.command(epilog=EXAMPLES)
def status(folder: Journals = None) -> None:
    """List what waits to be sent to MLflow, and what MLflow has refused."""
    from mlpf_hpo.tracking import catch_up

    lines = list(catch_up.describe_unsent(folder or catch_up.journal_folder()))
    console.out.print("\n".join(lines) or "nothing waits to be sent", markup=False)


@app.command(epilog=EXAMPLES)
def send(folder: Journals = None) -> None:
    """Send what waits, each entry to where it belongs; the next campaign or search does it by itself.

    No file holds a user or password: give them with the address in MLFLOW_TRACKING_URI.
    """
    from mlpf_hpo.tracking import catch_up

    lines = [""]
    for lines[0] in catch_up.send_all(folder or catch_up.journal_folder()):
        console.out.print(lines[0], markup=False)
    if not lines[0]:
        console.out.print("nothing waits to be sent")


@app.command(epilog=EXAMPLES)
def rebuild(
    folder: Journals = None,
    to: Annotated[
        str | None, typer.Option(help="Address of the store; by default that of MLFLOW_TRACKING_URI.")
    ] = None,
) -> None:
    """Make the runs of campaigns, searches and reference trainings again, after mlflow.db was lost.

    What a store holds already stays. Runs get new ids; the stages find them by campaign and trial. What the
    other stages log is theirs to make again: dvc repro --force predictors champion.
    """
    from mlpf_hpo.tracking import catch_up, ui_links
    from mlpf_hpo.tracking.client import connect

    for line in catch_up.rebuild(folder or catch_up.journal_folder(), to):
        console.out.print(line, markup=False)
    console.out.print(ui_links.links_text(connect(to)), markup=False)


for old, command, new in (("show", status, "status"), ("replay", send, "send")):
    note = f"Use `mlpf-hpo tracking {new}` instead of `mlpf-hpo spool {old}`."
    spool.command(name=old, epilog=note, deprecated=True)(command)
