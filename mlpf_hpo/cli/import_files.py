"""`mlpf-hpo events import-...`: files of other programs become event stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.generate import FLAGS
from mlpf_hpo.cli.options import examples, flags_named

if TYPE_CHECKING:
    from mlpf_hpo.events.importing import FileReader
    from mlpf_hpo.events.store import EventStore

ZENODO_EXAMPLES = examples("mlpf-hpo events import-zenodo downloads/ --pileup 200 --out data/published/train")
DELPHES_EXAMPLES = examples(
    "mlpf-hpo events import-delphes delphes/*.root --process ttbar --out data/delphes/train",
    also="The card's TreeWriter keeps Track, Tower and Particle; with pile-up PileUpMix too.",
)

Sources = Annotated[list[Path], typer.Argument(metavar="DIR_OR_FILES...", help="Files, or folders of them.")]
Out = Annotated[Path, typer.Option(help="Store to write; a store that was there is replaced.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: as many as there are processors.")]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Leave bad files out.")]
Process = Annotated[str, typer.Option(help="What the events are of, a word like ttbar; files don't say it.")]


def import_zenodo(
    sources: Sources,
    out: Out,
    process: Annotated[str, typer.Option(help="ttbar or qcd; else what the file names say.")] = "",
    pileup: Annotated[
        float | None,
        typer.Option(min=0.0, help="Mean pile-up: 200 for the published files, which do not say it."),
    ] = None,
    workers: Workers = 0,
    keep_going: KeepGoing = False,
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
    from mlpf_hpo.events.sources import SOURCES
    from mlpf_hpo.events.sources.zenodo import ZenodoReader, process_of, zenodo_files

    if process:
        SOURCES.check(process)
    files = zenodo_files(sources)
    process = process or process_of(files, keep_going)
    reader = ZenodoReader(process, pileup, correct_charge, max_megabytes * 2**20)
    store = read_files(files, out, reader, workers, keep_going)
    if store.manifest["pileup"] is None:
        console.warn([f"{out}: the pile-up is not known; to have it on record import again with --pileup"])


def import_delphes(
    sources: Sources,
    out: Out,
    process: Process,
    pileup: Annotated[
        float | None, typer.Option(min=0.0, help="Mean pile-up, to have it on record; files don't say it.")
    ] = None,
    workers: Workers = 0,
    keep_going: KeepGoing = False,
) -> None:
    """Read ROOT files of Delphes into a store: elements, targets, candidates, generator jets.

    Any card serves that keeps tracks, towers with their particles, and the generated particles. An import
    that was stopped goes on with the file where it was.
    """
    from mlpf_hpo.events.sources.delphes import DelphesReader, delphes_files

    store = read_files(delphes_files(sources), out, DelphesReader(process, pileup), workers, keep_going)
    if not store.manifest["has_candidates"]:
        console.warn(
            [
                f"{out}: the files hold no candidates (EFlowTrack, EFlowPhoton, EFlowNeutralHadron): there "
                "will be no rule-based particle flow to compare networks with"
            ]
        )


def read_files(
    files: Sequence[Path], out: Path, reader: FileReader, workers: int, keep_going: bool
) -> EventStore:
    """Import files into a store, with a progress bar; print what became of them."""
    from mlpf_hpo.events.importing import import_files
    from mlpf_hpo.hardware.host import usable_cpus

    with flags_named(FLAGS), console.progress_bar("reading files", len(files)) as progress:
        store = import_files(files, out, reader, workers or usable_cpus(), keep_going, progress)
    skipped = store.manifest["settings"]["skipped"]
    for entry in skipped:
        console.err.print(f"left out: {entry['name']}: {entry['reason']}", style="yellow", markup=False)
    console.out.print(
        f"{out}: {len(store)} {store.manifest['process']} events of {len(files) - len(skipped)} files"
        + (f"; {len(skipped)} left out" if skipped else ""),
        markup=False,
    )
    return store
