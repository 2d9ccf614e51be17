"""Generation of an event store from a seed, in several processes; their number does not change the bytes.

Events are made in blocks. Each block is a small store in a work folder beside the one to be made, so that a
generation that was interrupted, or killed, goes on from the blocks that are whole.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.blocks import SampleSpec, make_block
from mlpf_hpo.events.jets import load_fastjet
from mlpf_hpo.events.pileup import check_pool_size, make_pool
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.sources import SOURCES
from mlpf_hpo.events.store import EventStore, whole_store, write_store
from mlpf_hpo.events.work_folder import work_folder
from mlpf_hpo.events.workers import Workers
from mlpf_hpo.space import stable_hash

BLOCK = 50
"""Events that one Pythia makes. Part of what a seed means: see `pythia`."""

Progress = Callable[[int, int, str], Any]
"""Called with (events done, events in all, a note such as the rate)."""


def generate_store(
    path: Path | str,
    process: str,
    n_events: int,
    pileup: float,
    seed: int,
    pool_size: int,
    workers: int,
    progress: Progress | None = None,
    pools: Path | None = None,
) -> EventStore:
    """Generate a sample and write it to `path`, whole or not at all.

    Interrupted, it leaves the blocks that are done in a work folder beside `path`. The next call with the
    same settings takes them up, one with other settings discards them.

    Parameters
    ----------
    path : path
        Folder of the store; a store that was there is replaced.
    process : str
        A name in `sources.SOURCES`.
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
        See `Progress`.
    pools : path, optional
        Folder in which minimum-bias collisions are kept for the next time; changes no event.

    Raises
    ------
    ConfigurationError
        If a parameter cannot be used, or Pythia or FastJet is not installed.
    BusyError
        If another process is making this store.
    DataError
        If the store cannot be written.
    """
    _check(process, n_events, pileup, pool_size)
    load_fastjet()
    path, report = Path(path), progress or (lambda *_: None)
    spec = SampleSpec(process, pileup, seed, pool_size if pileup else 0)
    settings = spec.settings()
    with Workers(workers) as crew, work_folder(path, "work") as folder:
        work = _begin_work(folder, settings)
        pool: tuple[Path, ...] = ()
        if pileup:

            def collided(done: int, size: int) -> None:
                report(0, n_events, f"pile-up: {done} of {size} collisions")

            pool = make_pool(crew, pool_size, seed, pools or work / "pools", collided)
        starts = range(0, n_events, BLOCK)
        blocks = [range(start, min(start + BLOCK, n_events)) for start in starts]
        _make_blocks(crew, work, blocks, spec, pool, report)
        uses = n_events * pileup / pool_size if pileup else 0.0
        return write_store(
            path, _events(work, blocks), {**settings, "events": n_events, "pool_mean_uses": uses}
        )


def _check(process: str, n_events: int, pileup: float, pool_size: int) -> None:
    SOURCES.check(process)
    if n_events < 1:
        raise ConfigurationError(f"{n_events} {process} events: a sample has at least one")
    if not 0 <= pileup < np.inf:
        raise ConfigurationError(f"events.pileup: a mean of {pileup} collisions; 0 or more are possible")
    if pileup:
        check_pool_size(pool_size, pileup)


def _begin_work(folder: Path, settings: dict[str, Any]) -> Path:
    """Make the folder of these settings' blocks; those of others go."""
    work = folder / stable_hash([settings, BLOCK])
    for other in folder.iterdir():
        if other.is_dir() and other != work:
            shutil.rmtree(other)
    work.mkdir(exist_ok=True)
    return work


def _make_blocks(
    crew: Workers,
    work: Path,
    blocks: list[range],
    spec: SampleSpec,
    pool: tuple[Path, ...],
    report: Progress,
) -> None:
    missing = [block for block in blocks if whole_store(_block_path(work, block)) is None]
    total = sum(map(len, blocks))
    done = already = total - sum(map(len, missing))
    report(done, total, "")
    begin = time.monotonic()
    jobs = ((_block_path(work, block), block, spec, pool) for block in missing)
    for block, _ in zip(missing, crew.map(make_block, jobs), strict=True):
        done += len(block)
        report(done, total, f"{(done - already) / (time.monotonic() - begin):.3g} events/s")


def _block_path(work: Path, block: range) -> Path:
    return work / f"{block.start}-{block.stop}"


def _events(work: Path, blocks: list[range]) -> Iterator[Event]:
    for block in blocks:
        store = EventStore.open(_block_path(work, block))
        yield from (store[i] for i in range(len(store)))
