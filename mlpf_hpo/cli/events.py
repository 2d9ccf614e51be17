"""`mlpf-hpo events`: event stores, made and looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli import generate
from mlpf_hpo.cli.style import examples, group

app = group(
    "Event stores: made, looked at, checked.",
    epilog=examples("mlpf-hpo events info data/events/train", "mlpf-hpo events verify data/events/train"),
)

app.command("generate", epilog=generate.EXAMPLES)(generate.generate)


@app.command("info", epilog=examples("mlpf-hpo events info data/events/train"))
def events_info(store: Annotated[Path, typer.Argument(help="An event store.")]) -> None:
    """Say what a store holds."""
    from mlpf_hpo.events.store import EventStore

    opened = EventStore.open(store)
    counts = opened.element_counts
    manifest = opened.manifest
    console.out.print(f"{store}: {len(opened)} events, {int(counts.sum())} elements, digest {opened.digest}")
    console.out.print(f"elements per event: mean {counts.mean():.1f}, {counts.min()} to {counts.max()}")
    for name, value in sorted(manifest["settings"].items()):
        console.out.print(f"{name}: {value}", markup=False)


@app.command("verify", epilog=examples("mlpf-hpo events verify data/events/validation"))
def events_verify(store: Annotated[Path, typer.Argument(help="An event store.")]) -> None:
    """Compare every file of a store with its checksum."""
    from mlpf_hpo.events.store import EventStore

    opened = EventStore.open(store)
    opened.verify()
    console.out.print(f"{store}: whole ({len(opened.manifest['files'])} files)")
