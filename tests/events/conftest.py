"""Made-up particles and events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.schema import Event

MASSES = {
    11: 0.000511,
    13: 0.10566,
    22: 0.0,
    211: 0.13957,
    130: 0.49761,
    310: 0.49761,
    2112: 0.93957,
    12: 0.0,
}

MakeParticles = Callable[..., Particles]
MakeEvent = Callable[..., Event]


@pytest.fixture(scope="session")
def make_particles() -> MakeParticles:
    """Return a maker of particles from PDG codes, pt, eta and phi; they start at the origin."""

    def make(
        pid: Sequence[int],
        pt: Sequence[float] | float,
        eta: Sequence[float] | float,
        phi: Sequence[float] | float = 0.0,
        vertex: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> Particles:
        codes = np.asarray(pid, dtype=np.int64)
        n = len(codes)
        pt, eta, phi = (np.broadcast_to(np.asarray(v, dtype=float), n) for v in (pt, eta, phi))
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        mass = np.array([MASSES[abs(int(code))] for code in codes])
        energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
        sign = np.sign(codes)
        absolute = np.abs(codes)
        charge = np.select([np.isin(absolute, (11, 13)), absolute == 211], [-sign, sign], 0).astype(float)
        start = np.broadcast_to(np.asarray(vertex, dtype=float), (n, 3)).copy()
        return Particles(codes, charge, np.stack([px, py, pz, energy], axis=1), start)

    return make


@pytest.fixture(scope="session")
def make_event() -> MakeEvent:
    """Return a maker of events with so many elements and random content."""

    def make(
        n: int, number: int = 0, jets: int = 2, candidates: bool = True, process: str = "ttbar"
    ) -> Event:
        generator = np.random.default_rng([n, number, jets])

        def random(*shape: int) -> np.ndarray:
            return generator.normal(size=shape).astype(np.float32)

        return Event(
            features=random(n, 12),
            targets=random(n, 7),
            candidates=random(n, 7) if candidates else None,
            number=number,
            process=process,
            pileup=0.0,
            generator_jets=random(jets, 4),
            generator_met=random(2),
        )

    return make


@pytest.fixture(scope="session")
def make_physical_event(make_event) -> MakeEvent:
    """Return a maker of events whose types and classes are possible ones."""

    def make(n: int, number: int = 0, **options) -> Event:
        event = make_event(n, number, **options)
        generator = np.random.default_rng(number)
        event.features[:, 0] = generator.integers(1, 3, n)
        for rows in (event.targets, event.candidates):
            rows[:, 0] = generator.integers(0, 6, n)
        return event

    return make
