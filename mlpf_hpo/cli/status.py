"""`mlpf-hpo status`: state of stages, runs and champion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import examples

EXAMPLES = examples(
    "mlpf-hpo status",
    "mlpf-hpo status --json | jq .stages",
    also="It only reads: it can be asked while the pipeline runs.",
)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List stale stages, runs in MLflow with their state, the champion, and links.

    Exit status: 1 if MLflow does not answer.
    """
    from mlpf_hpo.reporting.status import gather

    found = gather(Path())
    if as_json:
        typer.echo(json.dumps(found.record(), indent=1))
    else:
        console.out.print(found.text(), markup=False)
    raise typer.Exit(0 if found.reached else 1)
