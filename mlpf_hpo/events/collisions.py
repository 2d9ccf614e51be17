"""Collisions on their way to events: pile-up laid over them, and the detector, a few of them at a time."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlpf_hpo.events.detector import simulate
from mlpf_hpo.events.particles import Particles, merge
from mlpf_hpo.events.pileup import PileUpPool
from mlpf_hpo.events.schema import Event

TOGETHER = 50_000
"""Particles above which no further event is simulated together with others; changes no event."""


class Collision(NamedTuple):
    """An event before the detector: its number, its particles, and where its random numbers come from."""

    number: int
    particles: Particles
    generator: np.random.Generator


def overlaid(
    number: int, hard: Particles, generator: np.random.Generator, pool: PileUpPool | None, pileup: float
) -> Collision:
    """Return a hard collision with those that the generator draws from a pool, `pileup` on average."""
    particles = hard if pool is None else merge([hard, pool.draw(pileup, generator)])
    return Collision(number, particles, generator)


def simulated(collisions: Iterable[Collision], process: str, pileup: float) -> Iterator[Event]:
    """Yield the event of each collision; a few are simulated at a time if they are small."""
    waiting: list[Collision] = []
    for collision in collisions:
        waiting.append(collision)
        if sum(len(one.particles) for one in waiting) >= TOGETHER:
            yield from _simulated(waiting, process, pileup)
            waiting = []
    if waiting:
        yield from _simulated(waiting, process, pileup)


def load_pool(files: tuple[Path, ...]) -> PileUpPool | None:
    """Return the pool in the files of `make_pool`; None of no files, which is without pile-up."""
    return _load(files) if files else None


def _simulated(collisions: list[Collision], process: str, pileup: float) -> list[Event]:
    numbers, particles, generators = zip(*collisions, strict=True)
    return simulate(particles, generators, numbers, process, pileup)


# Once per process: a pool of thousands of collisions takes longer to read than an event to make.
_load = functools.lru_cache(maxsize=1)(lambda files: PileUpPool.load(*files))
