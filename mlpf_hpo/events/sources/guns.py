"""Single-particle guns: one particle an event, to see what the detector makes of it.

Flat in pt and eta, any phi, from the origin; kinds and charges take turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpf_hpo.events.particles import Particles
from mlpf_hpo.seeds import derive_seed

GUNS = {
    "gun-charged-hadron": (211, -211),
    "gun-neutral-hadron": (130, 2112),
    "gun-photon": (22,),
    "gun-electron": (11, -11),
    "gun-muon": (13, -13),
}
"""PDG codes of each gun: pions, K_L and neutrons, photons, electrons and muons of both charges."""

PT_RANGE, ETA_RANGE = (1.0, 100.0), (-5.0, 5.0)
"""GeV; and the acceptance of the calorimeters."""

MASSES = {211: 0.13957039, 130: 0.497611, 2112: 0.93956542, 22: 0.0, 11: 0.00051099895, 13: 0.1056583755}
"""GeV, Particle Data Group 2022."""

CHARGES = {211: 1.0, -211: -1.0, 11: -1.0, -11: 1.0, 13: -1.0, -13: 1.0}
"""Units of e; other codes are neutral."""


@dataclass(frozen=True)
class GunSource:
    """A gun, by its name in `GUNS`; see `EventSource`."""

    gun: str

    def particles(self, seed: int, numbers: Iterable[int]) -> Iterator[Particles]:
        """Yield one particle for each number, see `shoot`."""
        return shoot(self.gun, seed, numbers)

    def settings(self) -> dict[str, Any]:
        """Return kinds and ranges."""
        return {"gun": {"pt": PT_RANGE, "eta": ETA_RANGE, "pid": GUNS[self.gun]}}


def shoot(gun: str, seed: int, numbers: Iterable[int]) -> Iterator[Particles]:
    """Yield the particle of the events with these numbers; each follows from the seed and its number."""
    codes = GUNS[gun]
    for number in numbers:
        generator = np.random.default_rng([derive_seed(seed, gun), number])
        pid = codes[number % len(codes)]
        pt, eta = generator.uniform(*PT_RANGE), generator.uniform(*ETA_RANGE)
        phi = generator.uniform(-np.pi, np.pi)
        energy = np.hypot(pt * np.cosh(eta), MASSES[abs(pid)])
        yield Particles(
            pid=np.array([pid]),
            charge=np.array([CHARGES.get(pid, 0.0)]),
            momentum=np.array([[pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy]]),
            vertex=np.zeros((1, 3)),
        )
