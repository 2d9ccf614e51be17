"""From a seed to a store of events, over several processes; the same bytes for any number of them."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.events.detector import SETTINGS, simulate
from mlpf_hpo.events.jets import load_fastjet
from mlpf_hpo.events.particles import Particles, merge
from mlpf_hpo.events.pileup import PileUpPool, check_pool_size
from mlpf_hpo.events.pythia import COMMON, PROCESSES, generate_particles, pythia_version, save_tables
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.events.workers import Workers
from mlpf_hpo.seeds import derive_seed

SAMPLES = ("ttbar", "qcd")
"""Processes that make samples; minimum bias is for pile-up."""

BLOCK, POOL_BLOCK = 50, 500
"""Events, and minimum-bias collisions, that one Pythia makes. Part of what a seed means: see `pythia`."""


def generate_store(
    path: Path | str,
    process: str,
    n_events: int,
    pileup: float,
    seed: int,
    pool_size: int,
    workers: int,
    progress: Callable[[int, int], Any] | None = None,
) -> EventStore:
    """Generate a sample and write it to `path`, whole or not at all.

    Parameters
    ----------
    path : path
        Folder of the store; what was there is replaced.
    process : str
        "ttbar" or "qcd".
    n_events : int
        Number of events; more extend the sample.
    pileup : float
        Mean number of overlaid minimum-bias collisions.
    seed : int
        Every event follows from it and from its number.
    pool_size : int
        Minimum-bias collisions made to draw from, with pile-up only.
    workers : int
        Processes; changes no event.
    progress : callable, optional
        Called with (events done, events in all).

    Raises
    ------
    ConfigurationError
        If a parameter cannot be used, or Pythia or FastJet is not installed.
    DataError
        If the store cannot be written.
    """
    _check(process, n_events, pileup, pool_size)
    load_fastjet()
    settings = {
        "process": process,
        "events": n_events,
        "pileup": pileup,
        "seed": seed,
        "pool_size": pool_size if pileup else 0,
        "pythia_version": pythia_version(),
        "pythia": [*COMMON, *PROCESSES[process]],
        "detector": SETTINGS,
    }

    def events(pool: Path | None) -> Iterator[Event]:
        starts = range(0, n_events, BLOCK)
        blocks = ((start, min(start + BLOCK, n_events)) for start in starts)
        done = 0
        for block in crew.map(_make_block, ((process, *block, pileup, seed, pool) for block in blocks)):
            yield from block
            done += len(block)
            if progress is not None:
                progress(done, n_events)

    with tempfile.TemporaryDirectory() as scratch, Workers(workers) as crew:
        pool = _make_pool(crew, pool_size, seed, Path(scratch)) if pileup else None
        return write_store(path, events(pool), settings)


def _check(process: str, n_events: int, pileup: float, pool_size: int) -> None:
    if process not in SAMPLES:
        raise ConfigurationError(
            f"no process {process!r}; there are {' and '.join(SAMPLES)}{did_you_mean(process, SAMPLES)}"
        )
    if n_events < 1:
        raise ConfigurationError(f"{n_events} {process} events: a sample has at least one")
    if not 0 <= pileup < np.inf:
        raise ConfigurationError(f"events.pileup: a mean of {pileup} collisions; 0 or more are possible")
    if pileup:
        check_pool_size(pool_size, pileup)


def _make_pool(crew: Workers, size: int, seed: int, folder: Path) -> Path:
    tables, file = folder / "minimum_bias.tables", folder / "pool.npz"
    for _ in crew.map(save_tables, [("minimum_bias", tables)]):
        pass
    blocks = [(start, min(start + POOL_BLOCK, size), seed, tables) for start in range(0, size, POOL_BLOCK)]
    made = crew.map(_collisions, blocks)
    PileUpPool.of([collision for block in made for collision in block]).save(file)
    return file


def _collisions(start: int, stop: int, seed: int, tables: Path) -> list[Particles]:
    return list(generate_particles("minimum_bias", seed, range(start, stop), tables))


def _make_block(
    process: str, start: int, stop: int, pileup: float, seed: int, pool_file: Path | None
) -> list[Event]:
    pool = None if pool_file is None else _load_pool(pool_file)
    events = []
    numbers = range(start, stop)
    for number, hard in zip(numbers, generate_particles(process, seed, numbers), strict=True):
        generator = np.random.default_rng([derive_seed(seed, "detector"), number])
        particles = hard if pool is None else merge([hard, pool.draw(pileup, generator)])
        events.append(simulate(particles, generator, number, process, pileup))
    return events


# Once per process: a pool of thousands of collisions takes longer to read than an event to make.
_load_pool = functools.lru_cache(maxsize=1)(PileUpPool.load)
