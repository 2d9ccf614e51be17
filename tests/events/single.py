"""One event's particles as the parts of the detector want them."""

from __future__ import annotations

import numpy as np

from mlpf_hpo.events.calorimeter import ECAL, Calorimeter, energy_shares
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.propagation import propagate, pseudorapidity
from mlpf_hpo.events.streams import Streams
from mlpf_hpo.events.towers import Deposits, deposit
from mlpf_hpo.events.tracker import Tracks, measure_tracks


def streams(seed: int) -> Streams:
    """Return the random numbers of one event."""
    return Streams([np.random.default_rng(seed)])


def impact(particles: Particles) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return event, eta and phi of the particles' positions on the face of the calorimeters."""
    position = propagate(particles.charge, particles.momentum, particles.vertex)
    phi = np.arctan2(position[:, 1], position[:, 0])
    return np.zeros(len(particles), np.int64), pseudorapidity(*position.T), phi


def tracks_of(particles: Particles, seed: int) -> Tracks:
    """Return the tracks."""
    return measure_tracks(particles, *impact(particles), streams(seed))


def deposits_of(particles: Particles, calorimeter: Calorimeter) -> Deposits:
    """Return the deposits in a calorimeter."""
    share = energy_shares(particles.pid)[0 if calorimeter is ECAL else 1]
    return deposit(calorimeter, *impact(particles), share)
