"""`mlpf-hpo events`: generate, describe, verify, draw, import and export event stores."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlpf_hpo import console
from mlpf_hpo.cli import generate
from mlpf_hpo.cli.options import examples, flags_named, group
from mlpf_hpo.number_format import interval

if TYPE_CHECKING:
    from mlpf_hpo.events.summary import StoreSummary

Store = Annotated[Path, typer.Argument(help="An event store.")]

app = group(
    "Generate, describe, verify, draw, import and export event stores.",
    epilog=examples("mlpf-hpo events info data/events/train", "mlpf-hpo events verify data/events/train"),
)
app.command("generate", epilog=generate.EXAMPLES)(generate.generate)


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


@app.command(
    "import-zenodo",
    epilog=examples("mlpf-hpo events import-zenodo downloads/ --pileup 200 --out data/published/train"),
)
def import_zenodo(
    sources: Annotated[
        list[Path], typer.Argument(metavar="DIR_OR_FILES...", help="Files, or folders of them.")
    ],
    out: Annotated[Path, typer.Option(help="Store to write; what was there is replaced.")],
    process: Annotated[str, typer.Option(help="ttbar or qcd; else what the file names say.")] = "",
    pileup: Annotated[
        float | None,
        typer.Option(min=0.0, help="Mean pile-up: 200 for the published files, which do not say it."),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: as many as there are processors.")] = 0,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Leave bad files out.")] = False,
    correct_charge: Annotated[
        bool,
        typer.Option(
            "--correct-charge",
            help="Make the targets' charge the electric one: published files have the sign of the PDG code, "
            "+1 for an electron.",
        ),
    ] = False,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Most that a file may hold, decompressed.")] = 512,
) -> None:
    """Read files of the published data set (Zenodo 4559324) into a store.

    Nothing that a pickle asks for is run: arrays are read, all else is refused. An import that was stopped
    goes on where it was.
    """
    from mlpf_hpo.events.importing import ReadOptions, import_zenodo, process_of, zenodo_files
    from mlpf_hpo.events.sources import SOURCES
    from mlpf_hpo.hardware.host import usable_cpus

    if process:
        SOURCES.check(process)
    files = zenodo_files(sources)
    process = process or process_of(files, keep_going)
    options = ReadOptions(process, pileup, correct_charge, max_megabytes * 2**20)
    with flags_named(generate.FLAGS), console.progress_bar("reading files", len(files)) as progress:
        store = import_zenodo(files, out, options, workers or usable_cpus(), keep_going, progress)
    skipped = store.manifest["settings"]["skipped"]
    for entry in skipped:
        console.err.print(f"left out: {entry['name']}: {entry['reason']}", style="yellow", markup=False)
    console.out.print(
        f"{out}: {len(store)} {options.process} events of {len(files) - len(skipped)} files"
        + (f"; {len(skipped)} left out" if skipped else "")
    )
    if store.manifest["pileup"] is None:
        console.warn([f"{out}: the pile-up is not known; to have it on record import again with --pileup"])


@app.command("export-zenodo", epilog=examples("mlpf-hpo events export-zenodo data/events/train --out files"))
def export_zenodo(
    store: Store, out: Annotated[Path, typer.Option(help="Folder for the files; new, or empty.")]
) -> None:
    """Write a store's events in the published format, 100 a file, for programs that read that."""
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.events.zenodo import write_zenodo

    with console.progress_bar("writing files") as progress:
        files = write_zenodo(EventStore.open(store), out, progress)
    console.out.print(f"{out}: {len(files)} files, {files[0].name} to {files[-1].name}")


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
