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
        np.savez(path, pid=p.pid, charge=p.charge, momentum=p.momentum, vertex=p.vertex, offsets=self.offsets)

    @staticmethod
    def load(path: Path) -> PileUpPool:
        """Read a pool."""
        with np.load(path, allow_pickle=False) as a:
            return PileUpPool(Particles(a["pid"], a["charge"], a["momentum"], a["vertex"]), a["offsets"])

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
        angle = np.repeat(angles, lengths)
        p = self.particles
        vertex = _turned(p.vertex[rows], angle)
        vertex[:, 2] += np.repeat(shifts, lengths)
        return Particles(p.pid[rows], p.charge[rows], _turned(p.momentum[rows], angle), vertex)


def _turned(vectors: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn the first two columns; `vectors` is a copy already, and is changed."""
    x, y = vectors[:, 0].copy(), vectors[:, 1].copy()
    vectors[:, 0] = np.cos(angle) * x - np.sin(angle) * y
    vectors[:, 1] = np.sin(angle) * x + np.cos(angle) * y
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
