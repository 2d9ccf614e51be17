"""A block of a sample: generation and simulation of some events into a small store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.events.collisions import Collision, load_pool, overlaid, simulated
from mlpf_hpo.events.detector import SETTINGS
from mlpf_hpo.events.sources import SOURCES
from mlpf_hpo.events.sources.pythia import COMMON, PROCESSES, PythiaSource, pythia_version
from mlpf_hpo.events.store import write_store
from mlpf_hpo.seeds import derive_seed


@dataclass(frozen=True)
class SampleSpec:
    """The settings that determine an event, together with its number.

    `pileup` is the mean number of overlaid minimum-bias collisions, `pool_size` that of collisions to draw
    from.
    """

    process: str
    pileup: float
    seed: int
    pool_size: int

    def settings(self) -> dict[str, Any]:
        """Return the settings for a manifest, with versions and settings of the generators."""
        source = dict(SOURCES[self.process].settings())
        by_pythia = isinstance(SOURCES[self.process], PythiaSource)
        if self.pileup:
            source["pythia_minimum_bias"] = [*COMMON, *PROCESSES["minimum_bias"]]
        if self.pileup or by_pythia:
            source["pythia_version"] = pythia_version()
        return {**asdict(self), **source, "detector": SETTINGS}


def make_block(path: Path, numbers: range, spec: SampleSpec, pool_files: tuple[Path, ...]) -> None:
    """Write a store of the events with these numbers; with pile-up, `pool_files` are those of `make_pool`."""
    pool = load_pool(pool_files)
    source = SOURCES[spec.process]

    def collisions() -> Iterator[Collision]:
        for number, hard in zip(numbers, source.particles(spec.seed, numbers), strict=True):
            generator = np.random.default_rng([derive_seed(spec.seed, "detector"), number])
            yield overlaid(number, hard, generator, pool, spec.pileup)

    write_store(path, simulated(collisions(), spec.process, spec.pileup), asdict(spec))
