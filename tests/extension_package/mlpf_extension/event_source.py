"""A source of events: two photons back to back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mlpf_hpo.events.particles import Particles

ENERGY = 20.0
"""GeV, of each."""


class PhotonPairs:
    """Photons in the transverse plane."""

    def particles(self, seed: int, numbers: Iterable[int]) -> Iterator[Particles]:
        """Yield two photons for each number."""
        for number in numbers:
            phi = np.random.default_rng([seed, number]).uniform(-np.pi, np.pi)
            x, y = ENERGY * np.cos(phi), ENERGY * np.sin(phi)
            yield Particles(
                pid=np.array([22, 22]),
                charge=np.zeros(2),
                momentum=np.array([[x, y, 0.0, ENERGY], [-x, -y, 0.0, ENERGY]]),
                vertex=np.zeros((2, 3)),
            )

    def settings(self) -> dict[str, Any]:
        """Return what a manifest says."""
        return {"photon_pairs": {"energy": ENERGY}}


SOURCE = PhotonPairs()
