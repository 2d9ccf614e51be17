"""`mlpf-hpo events`: generate, simulate, describe, verify, draw, import and export event stores."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlpf_hpo import console
from mlpf_hpo.cli import export_events, generate, import_files, simulate
from mlpf_hpo.cli.options import examples, group
from mlpf_hpo.number_format import interval

if TYPE_CHECKING:
    from mlpf_hpo.events.summary import StoreSummary

Store = Annotated[Path, typer.Argument(help="An event store.")]

app: typer.Typer = group(
    "Generate, simulate, describe, verify, draw, import and export event stores.",
    epilog=examples("mlpf-hpo events info data/events/train", "mlpf-hpo events verify data/events/train"),
)
app.command("generate", epilog=generate.EXAMPLES)(generate.generate)
app.command("simulate", epilog=simulate.EXAMPLES)(simulate.simulate)
app.command("import-delphes", epilog=import_files.DELPHES_EXAMPLES)(import_files.import_delphes)
app.command("import-zenodo", epilog=import_files.ZENODO_EXAMPLES)(import_files.import_zenodo)
app.command("export", epilog=export_events.EXAMPLES)(export_events.export)
app.command("export-zenodo", epilog=export_events.ZENODO_EXAMPLES)(export_events.export_zenodo)


@app.command("info", epilog=examples("mlpf-hpo events info data/events/train"))
def info(store: Store) -> None:
    """Describe a store: process, pile-up, elements, classes, and how it was made."""
    from mlpf_hpo.events.schema import format_pileup
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.events.summary import summarise

    opened = EventStore.open(store)
    manifest, content = opened.manifest, summarise(opened)
    console.out.print(
        f"{store}: {len(opened)} {manifest['process']} events at {format_pileup(manifest['pileup'])}, "
        f"{content.n_bytes / 1e6:.1f} MB, digest {opened.digest}",
        markup=False,
    )
    low, high = content.elements_range
    console.out.print(
        f"elements: {content.elements_mean:.1f} ± {content.elements_width:.1f} an event ({low} to {high})"
    )
    shares = ", ".join(f"{name}s {share:.1%}" for name, share in content.kinds.items())
    console.out.print(f"{shares}; without a target {content.without_target:.1%}")
    jets = "not known" if content.jets_mean is None else f"{content.jets_mean:.1f} an event"
    console.out.print(f"generator jets and missing momentum: {jets}")
    console.out.print(
        console.columns(
            (
                "particles an event",
                "targets",
                "their pt, GeV",
                "candidates",
                "their pt, GeV",
                "pt over the target's",
            ),
            [_particles_row(content, name) for name in content.targets],
        )
    )
    console.out.print("medians, with the range that holds 90 %; candidates are those of the rules")
    if content.n_looked_at < len(opened):
        console.out.print(f"shares and particles: of {content.n_looked_at} events spread over the store")
    console.out.print("how it was made:")
    for name, value in manifest["settings"].items():
        console.out.print(f"  {name}: {_short(value)}", markup=False)


@app.command("verify", epilog=examples("mlpf-hpo events verify data/events/validation"))
def verify(store: Store) -> None:
    """Compare every file of a store with its checksum."""
    from mlpf_hpo.events.store import EventStore

    opened = EventStore.open(store)
    opened.verify()
    console.out.print(f"{store}: whole ({len(opened.manifest['files'])} files)")


@app.command("show", epilog=examples("mlpf-hpo events show data/events/train --event 3 --out event.png"))
def show(
    store: Store,
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    event: Annotated[int, typer.Option(help="Position in the store; negative ones count from its end.")] = 0,
) -> None:
    """Draw an event in the plane of pseudorapidity and azimuth: elements, truth, candidates."""
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.files import written_whole
    from mlpf_hpo.plotting import png
    from mlpf_hpo.reporting.event_display import event_display

    opened = EventStore.open(store)
    if not -len(opened) <= event < len(opened):
        raise ConfigurationError(f"--event {event}: {store} holds {len(opened)} events, from 0")
    drawn = png(event_display(opened[event]))
    with written_whole(out) as temporary:
        temporary.write_bytes(drawn)
    console.out.print(f"{out}: event {opened[event].number} of {store}")


def _particles_row(content: StoreSummary, name: str) -> tuple[str, ...]:
    """Return the cells of one class of particles."""
    target, candidate = content.targets[name], content.candidates.get(name)
    row = (name, f"{target.per_event:.1f}", _format_range(target.pt))
    if candidate is None:
        return (*row, "none", "-", "-")
    cells = (
        f"{candidate.per_event:.1f}",
        _format_range(candidate.pt),
        _format_range(content.responses[name]),
    )
    return row + cells


def _format_range(parts: tuple[float, ...]) -> str:
    low, median, high = parts
    return "-" if math.isnan(median) else interval(median, low, high, decimals=2)


def _short(value: Any) -> str:
    """Return a setting in one line."""
    if isinstance(value, list) and len(value) > 3:
        return f"{value[0]}, ... ({len(value)})"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "none"
    return str(value)
