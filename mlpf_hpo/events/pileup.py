"""Pile-up: minimum-bias collisions, made once, overlaid on every event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.pythia import Particles

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

    def draw(self, mean: float, generator: np.random.Generator) -> list[Particles]:
        """Return Poisson(mean) different collisions, each turned in phi and moved along the beam.

        Raises
        ------
        ConfigurationError
            If more collisions are drawn than there are.
        """
        n = int(generator.poisson(mean))
        if n > len(self):
            raise ConfigurationError(
                f"events.minimum_bias_pool: {len(self)} collisions, an event drew {n}; raise it, at least to "
                f"{int(mean + 10 * mean**0.5)}"
            )
        chosen = generator.choice(len(self), size=n, replace=False)
        angles = generator.uniform(0.0, 2 * np.pi, size=n)
        shifts = generator.normal(0.0, VERTEX_SPREAD, size=n)
        return [self._one(int(i), a, z) for i, a, z in zip(chosen, angles, shifts, strict=True)]

    def _one(self, index: int, angle: float, shift: float) -> Particles:
        rows = slice(self.offsets[index], self.offsets[index + 1])
        p = self.particles
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        momentum, vertex = p.momentum[rows].copy(), p.vertex[rows].copy()
        momentum[:, :2] = momentum[:, :2] @ rotation.T
        vertex[:, :2] = vertex[:, :2] @ rotation.T
        vertex[:, 2] += shift
        return Particles(p.pid[rows], p.charge[rows], momentum, vertex)


def merge(parts: Sequence[Particles]) -> Particles:
    """Return the particles of several collisions together."""
    return Particles(
        pid=np.concatenate([p.pid for p in parts]),
        charge=np.concatenate([p.charge for p in parts]),
        momentum=np.concatenate([p.momentum for p in parts]),
        vertex=np.concatenate([p.vertex for p in parts]),
    )
