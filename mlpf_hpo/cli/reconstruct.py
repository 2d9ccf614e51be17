"""`mlpf-hpo reconstruct`: the particles that a trained network makes of events, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import StateFolder, examples

EXAMPLES = examples(
    "mlpf-hpo reconstruct data/busy --out particles.parquet",
    "mlpf-hpo reconstruct data/events/validation --model models/best_trial --out particles.parquet",
    also="Read it back with pandas.read_parquet('particles.parquet').",
)


def reconstruct(
    events: Annotated[Path, typer.Argument(help="An event store.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write; what was there is replaced.")],
    model: Annotated[
        str,
        typer.Option(
            metavar="RUN_OR_CHECKPOINT",
            help="Registered version like mlpf@champion or mlpf/3; or, as for `physics`, a run, a trial key, "
            "a checkpoint.",
        ),
    ] = "mlpf@champion",
    state: StateFolder = None,
) -> None:
    """Reconstruct the particles of events and write them as a table, one particle a line.

    Columns: event, element, class, charge, pt, eta, sin_phi, cos_phi, energy (GeV).
    """
    from mlpf_hpo.evaluation.particle_table import particle_table, write_particles
    from mlpf_hpo.events.granularity import granularity_warnings
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.networks.find_network import find_network
    from mlpf_hpo.networks.trained_network import reconstructed

    store = EventStore.open(events)
    trained, _ = find_network(model, state)
    console.warn(granularity_warnings(trained.trained_on, store.manifest["settings"], str(events)))
    table = particle_table(store, reconstructed(trained, store))
    about = {
        "model": model,
        "trial_key": trained.trial_key,
        "epoch": trained.epoch,
        "trained_on": trained.trained_on,
        "events_digest": store.digest,
    }
    write_particles(out, table, about)
    console.out.print(
        f"{out}: {len(table)} particles of {len(store)} {store.manifest['process']} events, by trial "
        f"{trained.trial_key} after {trained.epoch} epochs",
        markup=False,
    )
