"""Pool of minimum-bias collisions, made once, in blocks that stay on disk for the next time.

A block follows from Pythia's version and settings, the seed and its numbers, and these name it: whether it
was at hand or not changes no event. Each file has its checksum beside it, written last: a file that is
damaged, or whose writing was cut short, is made again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpf_hpo.events.pileup import PileUpPool
from mlpf_hpo.events.sources.pythia import COMMON, PROCESSES, generate_particles, pythia_version, save_tables
from mlpf_hpo.events.workers import Workers
from mlpf_hpo.files import sha256, written_whole
from mlpf_hpo.space import stable_hash

BLOCK = 500
"""Collisions that one Pythia makes; part of what a seed means, see `pythia`."""


def make_pool(
    crew: Workers, size: int, seed: int, folder: Path, progress: Callable[[int, int], Any]
) -> tuple[Path, ...]:
    """Return the files of a pool, for `PileUpPool.load`; those not at hand are made.

    Parameters
    ----------
    crew : Workers
        Who makes them.
    size : int
        Collisions in the pool. A larger pool of the same seed shares whole blocks with a smaller one.
    seed : int
        Every collision follows from it and from its number.
    folder : path
        Where pools are kept.
    progress : callable
        Called with (collisions at hand, size) before and after each block.
    """
    made_by = stable_hash([pythia_version(), *COMMON, *PROCESSES["minimum_bias"]])
    tables = folder / made_by / "tables"
    blocks = [range(start, min(start + BLOCK, size)) for start in range(0, size, BLOCK)]
    files = {tables.parent / str(seed) / f"{block.start}-{block.stop}.npz": block for block in blocks}
    missing = {file: block for file, block in files.items() if not _is_at_hand(file)}
    done = size - sum(map(len, missing.values()))
    progress(done, size)
    if missing and not _is_at_hand(tables):
        for _ in crew.map(_make_tables, [(tables,)]):
            pass
    made = crew.map(_make_block, ((file, block, seed, tables) for file, block in missing.items()))
    for n in made:
        done += n
        progress(done, size)
    return tuple(files)


def _make_tables(file: Path) -> None:
    _keep(file, lambda temporary: save_tables("minimum_bias", temporary))


def _make_block(file: Path, numbers: range, seed: int, tables: Path) -> int:
    _keep(file, PileUpPool.of(list(generate_particles("minimum_bias", seed, numbers, tables))).save)
    return len(numbers)


def _keep(file: Path, write: Callable[[Path], None]) -> None:
    with written_whole(file) as temporary:
        write(temporary)
    with written_whole(_checksum(file)) as temporary:
        temporary.write_text(sha256(file))


def _is_at_hand(file: Path) -> bool:
    checksum = _checksum(file)
    return file.is_file() and checksum.is_file() and checksum.read_text() == sha256(file)


def _checksum(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")
