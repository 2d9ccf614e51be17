"""Pile-up: minimum-bias collisions, made once, overlaid on every event."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.particles import Particles, merge

VERTEX_SPREAD = 0.053
"""Standard deviation of a pile-up vertex along the beam, m."""


@dataclass(frozen=True)
class PileUpPool:
    """Minimum-bias collisions to draw from.

    Attributes
    ----------
    particles : Particles
        Of all collisions, one after the other.
    offsets : array [n + 1], int64
        Where each collision begins and ends.
    """

    particles: Particles
    offsets: NDArray[np.int64]

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


def _turned(
    vectors: NDArray[np.float64], cosine: NDArray[np.float64], sine: NDArray[np.float64]
) -> NDArray[np.float64]:
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
