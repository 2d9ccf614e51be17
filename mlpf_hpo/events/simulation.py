"""Generated events of files, HepMC or Les Houches, and the detector's response to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.errors import DataError
from mlpf_hpo.events.collisions import Collision, load_pool, overlaid, simulated
from mlpf_hpo.events.detector import SETTINGS
from mlpf_hpo.events.importing import check_process_name, files_in
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.sources.hepmc import is_lhe, read_hepmc
from mlpf_hpo.events.sources.pythia import COMMON, PROCESSES, pythia_version, shower
from mlpf_hpo.files import sha256
from mlpf_hpo.seeds import derive_seed

PATTERNS = tuple(
    f"*.{name}{suffix}"
    for name in ("hepmc", "hepmc2", "hepmc3", "lhe")
    for suffix in ("", ".gz", ".bz2", ".xz")
)
"""Names of the files that are read out of a folder; others can be given by name."""


def generated_files(paths: Sequence[Path]) -> list[Path]:
    """Return files, and those in folders in the order of the numbers in their names, see `files_in`."""
    return files_in(paths, PATTERNS, "HepMC files")


@dataclass(frozen=True)
class SimulationReader:
    """Reads generated events and simulates the detector; a `FileReader`.

    Attributes
    ----------
    process : str
        What the events are of; files do not say it.
    pileup : float
        Mean number of collisions to lay over each event.
    seed : int
        The detector's random numbers follow from it, the file's content and the number of the event in it.
    pool_size : int
        Minimum-bias collisions to draw from; 0 without pile-up.
    shower : bool
        Whether Les Houches files, which hold partons, are to be showered by Pythia.
    pool_files : tuple of path
        Those of `make_pool`, for these collisions; they follow from seed and size.
    """

    process: str
    pileup: float
    seed: int
    pool_size: int
    shower: bool
    pool_files: tuple[Path, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        check_process_name(self.process)

    def read(self, file: Path) -> Iterator[Event]:
        """Yield the events of a file, numbered from 0, as the detector sees them.

        Raises
        ------
        ConfigurationError
            If what it takes is not installed: pyhepmc, Pythia, FastJet.
        DataError
            If the file is damaged, holds no events, or partons that are not to be showered.
        """
        pool, seed = load_pool(self.pool_files), derive_seed(self.seed, "detector", sha256(file))

        def collisions() -> Iterator[Collision]:
            for number, hard in enumerate(self._particles(file)):
                yield overlaid(number, hard, np.random.default_rng([seed, number]), pool, self.pileup)

        return simulated(collisions(), self.process, self.pileup)

    def settings(self) -> dict[str, Any]:
        """Return what the events depend on beside the file."""
        names = ("process", "pileup", "seed", "pool_size", "shower")
        return {**{name: getattr(self, name) for name in names}, "detector": SETTINGS}

    def about(self, files: Sequence[Path]) -> dict[str, Any]:
        """Return what the manifest says: the source, the detector, and Pythia where it had a part."""
        about: dict[str, Any] = {"source": "generated events of files", **self.settings()}
        if self.pileup:
            about["pythia_minimum_bias"] = [*COMMON, *PROCESSES["minimum_bias"]]
        if self.pileup or self.shower:
            about["pythia_version"] = pythia_version()
        return about

    def _particles(self, file: Path) -> Iterator[Particles]:
        if not is_lhe(file):
            return read_hepmc(file)
        if not self.shower:
            raise DataError(
                f"{file}: a Les Houches event file: it holds partons, which no detector sees; shower them "
                "with --shower (Pythia 8), or with a program of your own that writes HepMC"
            )
        return shower(file, self.seed)
