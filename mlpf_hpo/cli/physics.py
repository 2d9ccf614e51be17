"""`mlpf-hpo physics`: physics performance of a trained trial, compared with the rule-based particle flow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import StateFolder, examples

EXAMPLES = examples(
    "mlpf-hpo physics 3f2a --events data/events/validation",
    "mlpf-hpo physics models/best_trial --events data/events/validation --out physics",
    "mlpf-hpo physics mlpf@champion --events data/busy",
)


def physics(
    trial: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_CHECKPOINT",
            help="Run id, trial key or its beginning; a checkpoint or a folder with those of one trial; or a "
            "registered version like mlpf@champion or mlpf/3.",
        ),
    ],
    events: Annotated[Path, typer.Option(help="Event store with rule-based candidates.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for validation_result.json, table.csv, figures.")
    ] = None,
    state: StateFolder = None,
) -> None:
    """Measure the physics performance of a trained trial, and that of the rule-based particle flow.

    Quantities: efficiency, fake rate, momentum resolution, jets and missing momentum.

    Prints the headline numbers with 68 % intervals; table and figures go to the trial's MLflow run.
    """
    from mlpf_hpo.events.granularity import granularity_warnings
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.networks.find_network import find_network
    from mlpf_hpo.reporting.physics import record_validation, validate_network
    from mlpf_hpo.reporting.physics_table import HEADER, describe_about, table_rows

    store = EventStore.open(events)
    trained, run = find_network(trial, state)
    console.warn(granularity_warnings(trained.trained_on, store.manifest["settings"], str(events)))
    validation_result = validate_network(trained, store, run)
    console.out.print(describe_about(validation_result), markup=False)
    console.out.print(console.columns(HEADER, table_rows(validation_result)), markup=False)
    console.out.print(record_validation(validation_result, run, out), markup=False)
