"""Pile-up: minimum-bias collisions, made once, overlaid on every event.

They are made in blocks that stay on disk for the next time. A block follows from Pythia's version and
settings, the seed and its numbers, and these name it: whether it was at hand or not changes no event. Each
file has its checksum beside it, written last: a file that is damaged, or whose writing was cut short, is made
again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.particles import Particles, merge
from mlpf_hpo.events.sources.pythia import COMMON, PROCESSES, generate_particles, pythia_version, save_tables
from mlpf_hpo.events.workers import Workers
from mlpf_hpo.files import sha256, written_whole
from mlpf_hpo.space import stable_hash

VERTEX_SPREAD = 0.053
"""Standard deviation of a pile-up vertex along the beam, m."""

BLOCK = 500
"""Collisions that one Pythia makes; part of what a seed means, see `pythia`."""


@dataclass(frozen=True)
class PileUpPool:
    """Minimum-bias collisions to draw from: all particles, and `offsets` [n + 1] where each of n begins."""

    particles: Particles
    offsets: IntArray

    def __len__(self) -> int:
        """Return the number of collisions."""
        return len(self.offsets) - 1

    @staticmethod
    def of(collisions: Sequence[Particles]) -> PileUpPool:
        """Return a pool of collisions."""
        return PileUpPool(merge(collisions), np.cumsum([0, *map(len, collisions)]))

    def save(self, path: Path) -> None:
        """Write the pool, for other processes to load."""
        p = self.particles
        with path.open("wb") as stream:  # given a path, NumPy would add a suffix to it
            np.savez(
                stream, pid=p.pid, charge=p.charge, momentum=p.momentum, vertex=p.vertex, offsets=self.offsets
            )

    @staticmethod
    def load(*paths: Path) -> PileUpPool:
        """Read a pool that was written in one or more parts."""
        parts, lengths = [], [np.zeros(1, np.int64)]
        for path in paths:
            with np.load(path, allow_pickle=False) as a:
                parts.append(Particles(a["pid"], a["charge"], a["momentum"], a["vertex"]))
                lengths.append(np.diff(a["offsets"]))
        return PileUpPool(merge(parts), np.cumsum(np.concatenate(lengths)))

    def draw(self, mean: float, generator: np.random.Generator) -> Particles:
        """Return Poisson(mean) different collisions, each turned in phi and moved along the beam.

        Raises
        ------
        ConfigurationError
            If the pool is too small for this mean, see `check_pool_size`.
        """
        n = int(generator.poisson(mean))
        check_pool_size(len(self), mean, drawn=n)
        chosen = generator.choice(len(self), size=n, replace=False)
        angles = generator.uniform(0.0, 2 * np.pi, size=n)
        shifts = generator.normal(0.0, VERTEX_SPREAD, size=n)
        first, lengths = self.offsets[chosen], np.diff(self.offsets)[chosen]
        begins = np.cumsum(lengths) - lengths
        rows = np.arange(lengths.sum()) + np.repeat(first - begins, lengths)
        cosine, sine = np.repeat(np.cos(angles), lengths), np.repeat(np.sin(angles), lengths)
        p = self.particles
        momentum, vertex = _turned(p.momentum[rows], cosine, sine), _turned(p.vertex[rows], cosine, sine)
        vertex[:, 2] += np.repeat(shifts, lengths)
        return Particles(p.pid[rows], p.charge[rows], momentum, vertex)


def _turned(vectors: FloatArray, cosine: FloatArray, sine: FloatArray) -> FloatArray:
    """Turn the first two columns; `vectors` is a copy already, and is changed."""
    x, y = vectors[:, 0].copy(), vectors[:, 1].copy()
    vectors[:, 0] = cosine * x - sine * y
    vectors[:, 1] = sine * x + cosine * y
    return vectors


def check_pool_size(size: int, mean: float, drawn: int = 0) -> None:
    """Refuse a pool from which some event would have to draw a collision twice.

    Raises
    ------
    ConfigurationError
        If `size` is below `drawn`, or below the mean and ten standard deviations.
    """
    needed = max(drawn, math.ceil(mean + 10 * math.sqrt(mean)))
    if size < needed:
        raise ConfigurationError(
            f"events.minimum_bias_pool: {size} collisions are too few for a pile-up of {mean:g}: no event "
            f"may see one twice; at least {needed} are needed"
        )


def make_pool(
    crew: Workers, size: int, seed: int, folder: Path, progress: Callable[[int, int], Any]
) -> tuple[Path, ...]:
    """Return the files of a pool of `size` collisions, for `PileUpPool.load`; those not in `folder` are made.

    Every collision follows from the seed and from its number: a larger pool of the same seed shares whole
    blocks with a smaller one. `progress` is called with (collisions at hand, size) before and after each
    block.
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
