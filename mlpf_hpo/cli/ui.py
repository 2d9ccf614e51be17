"""`mlpf-hpo ui`: MLflow's interface, and links into it."""

from __future__ import annotations

from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import examples

EXAMPLES = examples("mlpf-hpo ui", "mlpf-hpo ui --port 5001", "make ui PORT=5001")


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open the MLflow interface over this project's runs and print links to its views."""
    from mlpf_hpo.tracking.server import serve_ui

    raise typer.Exit(serve_ui(host, port, on_ready=lambda text: console.out.print(text, markup=False)))
