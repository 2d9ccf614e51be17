"""`mlpf-hpo physics`: a trained trial judged on events, beside the rule-based particle flow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.style import StateFolder, examples

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
    out: Annotated[Path | None, typer.Option(help="Folder for judgement.json, table.csv, figures.")] = None,
    state: StateFolder = None,
) -> None:
    """Judge a trained trial: efficiencies, fakes, momenta, jets and missing momentum beside the rules'.

    Prints the headline numbers with 68 % intervals; table and figures go to the trial's MLflow run.
    """
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.reporting.physics import judge_trained, record_judgement
    from mlpf_hpo.reporting.physics_table import HEADER, about_told, table_rows
    from mlpf_hpo.tuning.lookup import find_trained

    store = EventStore.open(events)
    trained, run = find_trained(trial, state)
    judgement = judge_trained(trained, store, run)
    console.out.print(about_told(judgement), markup=False)
    console.out.print(console.columns(HEADER, table_rows(judgement)), markup=False)
    console.out.print(record_judgement(judgement, run, out), markup=False)
