"""`mlpf-hpo events export...`: events of a store in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import examples

EXAMPLES = examples(
    "mlpf-hpo events export data/events/train --out events.parquet",
    also="Read it with awkward.from_parquet('events.parquet'), pandas.read_parquet or any other reader.",
)
ZENODO_EXAMPLES = examples("mlpf-hpo events export-zenodo data/events/train --out files")

Store = Annotated[Path, typer.Argument(help="An event store.")]


def export(
    store: Store, out: Annotated[Path, typer.Option(help="Parquet file; what was there is replaced.")]
) -> None:
    """Write a store's events as nested lists for analysis: one row an event.

    Tracks and towers have the target and the candidate of each as fields; generator jets and missing momentum
    follow. Energies and momenta are in GeV.
    """
    from mlpf_hpo.events.parquet import write_parquet
    from mlpf_hpo.events.store import EventStore

    opened = EventStore.open(store)
    with console.progress_bar("writing events", len(opened)) as progress:
        write_parquet(opened, out, progress)
    console.out.print(f"{out}: {len(opened)} {opened.manifest['process']} events", markup=False)


def export_zenodo(
    store: Store, out: Annotated[Path, typer.Option(help="Folder for the files; new, or empty.")]
) -> None:
    """Write a store's events in the published format, 100 a file, for programs that read that."""
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.events.zenodo import write_zenodo

    with console.progress_bar("writing files") as progress:
        files = write_zenodo(EventStore.open(store), out, progress)
    console.out.print(f"{out}: {len(files)} files, {files[0].name} to {files[-1].name}")
