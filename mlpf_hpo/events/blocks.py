"""A block of a sample: generation and simulation of some events into a small store."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.events.detector import SETTINGS, simulate
from mlpf_hpo.events.particles import Particles, merge
from mlpf_hpo.events.pileup import PileUpPool
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.sources import SOURCES
from mlpf_hpo.events.sources.pythia import COMMON, PROCESSES, PythiaSource, pythia_version
from mlpf_hpo.events.store import write_store
from mlpf_hpo.seeds import derive_seed

TOGETHER = 50_000
"""Particles above which no further event is simulated together with others; changes no event."""


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
    pool = _load_pool(pool_files) if pool_files else None
    generators = [np.random.default_rng([derive_seed(spec.seed, "detector"), number]) for number in numbers]
    source = SOURCES[spec.process]
    collisions = (
        hard if pool is None else merge([hard, pool.draw(spec.pileup, generator)])
        for hard, generator in zip(source.particles(spec.seed, numbers), generators, strict=True)
    )
    write_store(path, _simulated(collisions, generators, numbers, spec), asdict(spec))


def _simulated(
    collisions: Iterable[Particles], generators: list[np.random.Generator], numbers: range, spec: SampleSpec
) -> Iterator[Event]:
    """Yield the events, a few at a time if they are small."""
    waiting: list[Particles] = []
    done = 0
    for collision in collisions:
        waiting.append(collision)
        stop = done + len(waiting)
        if sum(map(len, waiting)) < TOGETHER and stop < len(numbers):
            continue
        own = slice(done, stop)
        yield from simulate(waiting, generators[own], numbers[own], spec.process, spec.pileup)
        waiting, done = [], stop


# Once per process: a pool of thousands of collisions takes longer to read than an event to make.
_load_pool = functools.lru_cache(maxsize=1)(lambda files: PileUpPool.load(*files))
