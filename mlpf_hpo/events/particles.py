"""Generated particles: the input of the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.events.propagation import pseudorapidity


@dataclass(frozen=True)
class Particles:
    """Final-state particles.

    Attributes
    ----------
    pid : array [n], int64
        PDG codes.
    charge : array [n], float64
        Electric charge, units of e.
    momentum : array [n, 4], float64
        px, py, pz, E in GeV.
    vertex : array [n, 3], float64
        Where the particle was made, in m.
    """

    pid: IntArray
    charge: FloatArray
    momentum: FloatArray
    vertex: FloatArray

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.pid)

    @property
    def pt(self) -> FloatArray:
        """Transverse momentum in GeV, [n]."""
        return np.hypot(self.momentum[:, 0], self.momentum[:, 1])

    @property
    def eta(self) -> FloatArray:
        """Pseudorapidity of the momentum, [n]; infinite along the beam."""
        return pseudorapidity(*self.momentum[:, :3].T)

    @property
    def phi(self) -> FloatArray:
        """Azimuth of the momentum in (-pi, pi], [n]."""
        return np.arctan2(self.momentum[:, 1], self.momentum[:, 0])


def merge(parts: Sequence[Particles]) -> Particles:
    """Return the particles of several collisions together."""
    return Particles(
        pid=np.concatenate([p.pid for p in parts]),
        charge=np.concatenate([p.charge for p in parts]),
        momentum=np.concatenate([p.momentum for p in parts]),
        vertex=np.concatenate([p.vertex for p in parts]),
    )
