"""From a seed to a store of events, over several processes; the same bytes for any number of them."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.events.detector import simulate
from mlpf_hpo.events.pileup import PileUpPool, merge
from mlpf_hpo.events.pythia import BLOCK, COMMON, PROCESSES, Particles, generate_particles
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.seeds import derive_seed

SAMPLES = ("ttbar", "qcd")
"""Processes that make samples; minimum bias is for pile-up."""

POOL_BLOCK = 2000
"""Minimum-bias collisions per Pythia instance."""


def generate_store(
    path: Path | str,
    process: str,
    n_events: int,
    pileup: float,
    seed: int,
    pool_size: int,
    workers: int = 1,
    progress: Callable[[float, float], Any] | None = None,
) -> EventStore:
    """Generate a sample and write it to `path`, whole or not at all.

    Parameters
    ----------
    path : path
        Folder of the store.
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
    """
    if process not in SAMPLES:
        raise ConfigurationError(
            f"no process {process!r}; there are {SAMPLES}{did_you_mean(process, SAMPLES)}"
        )
    with tempfile.TemporaryDirectory() as scratch, _executor(workers) as executor:
        pool = _make_pool(executor, pool_size, seed, Path(scratch)) if pileup else None
        blocks = range(0, n_events, BLOCK)
        jobs = {
            executor.submit(
                _make_block, process, start // BLOCK, min(BLOCK, n_events - start), pileup, seed, pool
            ): start
            for start in blocks
        }
        done: dict[int, list[Event]] = {}
        for job in as_completed(jobs):
            done[jobs[job]] = job.result()
            if progress is not None:
                progress(sum(map(len, done.values())), n_events)
    settings = {
        "process": process,
        "events": n_events,
        "pileup": pileup,
        "seed": seed,
        "pool_size": pool_size if pileup else 0,
        "pythia": [*COMMON, *PROCESSES[process]],
        "detector": "CMS card of Delphes, parametrised",
    }
    return write_store(path, (event for start in blocks for event in done[start]), settings)


def _executor(workers: int) -> ProcessPoolExecutor:
    # Fresh processes: a fork would copy the threads' locks of whatever the caller has running.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _make_pool(executor: ProcessPoolExecutor, size: int, seed: int, folder: Path) -> Path:
    starts = range(0, size, POOL_BLOCK)
    jobs = [
        executor.submit(_collisions, min(POOL_BLOCK, size - start), seed, start // POOL_BLOCK)
        for start in starts
    ]
    path = folder / "pool.npz"
    PileUpPool.of([collision for job in jobs for collision in job.result()]).save(path)
    return path


def _collisions(n: int, seed: int, block: int) -> list[Particles]:
    return list(generate_particles("minimum_bias", n, seed, block))


def _make_block(
    process: str, block: int, n_events: int, pileup: float, seed: int, pool_file: Path | None
) -> list[Event]:
    pool = PileUpPool.load(pool_file) if pool_file is not None else None
    events = []
    for i, hard in enumerate(generate_particles(process, n_events, seed, block)):
        number = block * BLOCK + i
        generator = np.random.default_rng(derive_seed(seed, "detector", number))
        overlaid = pool.draw(pileup, generator) if pool is not None else []
        events.append(simulate(merge([hard, *overlaid]), generator, number, process, pileup))
    return events
