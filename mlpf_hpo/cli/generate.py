"""`mlpf-hpo events generate`: a sample of any process and pile-up, independently of the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import examples, flags_named
from mlpf_hpo.project import POOLS, STATE, state_folder
from mlpf_hpo.seeds import LARGEST_SEED

EXAMPLES = examples(
    "mlpf-hpo events generate --process ttbar --events 500 --pileup 200 --out data/busy",
    "mlpf-hpo events generate --process gun-photon --events 10000 --out data/photons",
)

FLAGS = {"events.pileup": "--pileup", "events.minimum_bias_pool": "--pool", "events.workers": "--workers"}

Pileup = Annotated[
    float, typer.Option(min=0.0, max=200.0, help="Mean number of overlaid minimum-bias collisions.")
]
Seed = Annotated[
    int, typer.Option(min=0, max=LARGEST_SEED, help="Every event follows from it and its number.")
]
Pool = Annotated[int, typer.Option(min=1, help="Minimum-bias collisions to draw from, with pile-up only.")]
Pools = Annotated[
    Path | None,
    typer.Option(
        help="Where minimum-bias collisions are kept for the next time.", show_default=f"{STATE}/{POOLS}"
    ),
]


def generate(
    process: Annotated[
        str,
        typer.Option(
            help="ttbar, qcd, or one particle an event: gun-charged-hadron, gun-neutral-hadron, gun-photon, "
            "gun-electron, gun-muon; or a process of an installed package."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Store to write; a store that was there is replaced.")],
    events: Annotated[int, typer.Option(min=1, help="Number of events; more extend the sample.")] = 100,
    pileup: Pileup = 0.0,
    seed: Seed = 42,
    pool: Pool = 2000,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; changes no event. 0: one per processor.")
    ] = 0,
    pools: Pools = None,
) -> None:
    """Generate events: Pythia 8 or a particle gun, pile-up, the parametrised detector.

    A generation that was stopped goes on where it was, if started again with the same options.
    """
    from mlpf_hpo.events.generation import generate_store
    from mlpf_hpo.hardware.host import usable_cpus

    with flags_named(FLAGS), console.progress_bar(f"events: {out.name}", events) as progress:
        store = generate_store(
            out,
            process,
            events,
            pileup,
            seed,
            pool,
            workers or usable_cpus(),
            progress,
            pools or state_folder() / POOLS,
        )
    counts = store.element_counts
    console.out.print(
        f"{out}: {len(store)} {process} events at PU {pileup:g}, {counts.mean():.1f} elements on average "
        f"({counts.min()}-{counts.max()})",
        markup=False,
    )
    uses = store.manifest["settings"]["pool_mean_uses"]
    if uses:
        console.out.print(f"each of {pool} minimum-bias collisions stands in {uses:.1f} events on average")
