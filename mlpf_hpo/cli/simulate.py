"""`mlpf-hpo events simulate`: the detector's response to generated events of files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.generate import FLAGS, Pileup, Pool, Pools, Seed
from mlpf_hpo.cli.import_files import KeepGoing, Out, Process, Sources, Workers, read_files
from mlpf_hpo.cli.options import examples, flags_named
from mlpf_hpo.project import POOLS, state_folder

EXAMPLES = examples(
    "mlpf-hpo events simulate events/*.hepmc.gz --process ttbar --out data/own/train",
    "mlpf-hpo events simulate run.lhe --shower --process Z-tautau --pileup 60 --out data/own/train",
    also="Les Houches files hold partons: --shower has Pythia 8 make particles of them.",
)


def simulate(
    sources: Sources,
    out: Out,
    process: Process,
    pileup: Pileup = 0.0,
    shower: Annotated[
        bool,
        typer.Option("--shower", help="Let Pythia shower the partons of Les Houches files."),
    ] = False,
    seed: Seed = 42,
    pool: Pool = 2000,
    workers: Workers = 0,
    pools: Pools = None,
    keep_going: KeepGoing = False,
) -> None:
    """Simulate the detector for the events of HepMC files, version 2 or 3, in whatever units.

    Pile-up is laid over them as by `generate`. An import that was stopped goes on with the file where it was.
    """
    from mlpf_hpo.events.pileup import check_pool_size, make_pool
    from mlpf_hpo.events.simulation import SimulationReader, generated_files
    from mlpf_hpo.events.workers import Workers as Processes
    from mlpf_hpo.hardware.host import usable_cpus

    files = generated_files(sources)
    pool_files: tuple[Path, ...] = ()
    if pileup:
        with flags_named(FLAGS), Processes(workers or usable_cpus()) as crew:
            check_pool_size(pool, pileup)
            with console.progress_bar("pile-up", pool) as progress:
                pool_files = make_pool(crew, pool, seed, pools or state_folder() / POOLS, progress)
    reader = SimulationReader(process, pileup, seed, pool if pileup else 0, shower, pool_files)
    read_files(files, out, reader, workers, keep_going)
