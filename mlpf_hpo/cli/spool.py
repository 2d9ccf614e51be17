"""`mlpf-hpo spool`: what was written while MLflow was out of reach."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.style import examples, group
from mlpf_hpo.project import STATE

EXAMPLES = examples(
    "mlpf-hpo spool show",
    "mlpf-hpo spool replay",
    "MLFLOW_TRACKING_URI=http://tracking:5000 mlpf-hpo spool replay",
)
app = group("What was written while MLflow was out of reach.", epilog=EXAMPLES)

SpoolFolder = Annotated[Path | None, typer.Option(help="Folder of spools.", show_default=f"{STATE}/spool")]


@app.command(epilog=EXAMPLES)
def show(folder: SpoolFolder = None) -> None:
    """Say what waits to be sent to MLflow, and what MLflow has refused."""
    from mlpf_hpo.tracking import replay

    lines = list(replay.show(folder or replay.spool_folder()))
    console.out.print("\n".join(lines) or "nothing waits to be sent", markup=False)


@app.command(name="replay", epilog=EXAMPLES)
def send(folder: SpoolFolder = None) -> None:
    """Send what waits, each file to where it belongs; the next campaign or search does it by itself.

    No file holds a user or password: give them with the address in MLFLOW_TRACKING_URI.
    """
    from mlpf_hpo.tracking import replay

    sent = False
    for line in replay.replay_all(folder or replay.spool_folder()):
        sent = True
        console.out.print(line, markup=False)
    if not sent:
        console.out.print("nothing waits to be sent")
