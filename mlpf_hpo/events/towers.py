"""Towers: what particles leave in a calorimeter, and what is read out of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.events.calorimeter import Calorimeter
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.propagation import pseudorapidity
from mlpf_hpo.events.schema import N_FEATURES, TOWER
from mlpf_hpo.events.tracker import log_normal

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Deposits:
    """What the particles of an event leave in one calorimeter, each deposit linked to its particle.

    Attributes
    ----------
    number : array [n_hit], int64
        Towers of the grid that were hit, ascending.
    particle, tower : arrays [n_links], int64
        A particle, and the hit tower (0 to n_hit - 1) that it has a deposit in.
    share : array [n_particles], float64
        Share of each particle's energy that this calorimeter sees.
    """

    number: NDArray[np.int64]
    particle: NDArray[np.int64]
    tower: NDArray[np.int64]
    share: FloatArray

    def sum(self, values: FloatArray) -> FloatArray:
        """Return the sum per hit tower [n_hit] of a quantity of the linked particles [n_particles]."""
        sums = np.bincount(self.tower, weights=values[self.particle], minlength=len(self.number))
        return np.asarray(sums, dtype=np.float64)


@dataclass(frozen=True)
class Towers:
    """Towers of one calorimeter that were read out.

    Attributes
    ----------
    tower : array [n], int64
        Which of the hit towers.
    features : array [n, 12], float64
        Columns as in `TOWER_FEATURES`.
    """

    tower: NDArray[np.int64]
    features: FloatArray


def deposit(calorimeter: Calorimeter, position: FloatArray, share: FloatArray) -> Deposits:
    """Return which particles leave something in which towers.

    Parameters
    ----------
    calorimeter : Calorimeter
        Its grid decides.
    position : array [n_particles, 3]
        Where particles meet the calorimeters; NaN for those that never arrive.
    share : array [n_particles]
        Share of each particle's energy that this calorimeter sees.
    """
    number = calorimeter.tower(pseudorapidity(*position.T), np.arctan2(position[:, 1], position[:, 0]))
    linked = np.flatnonzero((number >= 0) & (share > 0))
    hit, tower = np.unique(number[linked], return_inverse=True)
    return Deposits(number=hit, particle=linked, tower=tower, share=share)


def read_out(
    calorimeter: Calorimeter, deposits: Deposits, particles: Particles, generator: np.random.Generator
) -> Towers:
    """Return the towers whose measured energy passes threshold and significance.

    The energy is log-normal about the sum of the deposits; the resolution is that at the tower's centre. The
    position is uniform within the tower.
    """
    deposited = deposits.sum(particles.momentum[:, 3] * deposits.share)
    low_eta, high_eta, low_phi, high_phi = calorimeter.bounds(deposits.number).T
    centre = calorimeter.centre_eta(deposits.number)
    energy = log_normal(generator, deposited, calorimeter.sigma(deposited, centre))
    eta = generator.uniform(low_eta, high_eta)
    phi = generator.uniform(low_phi, high_phi)
    seen = np.flatnonzero(calorimeter.is_read_out(energy, centre))
    energy, eta, phi = energy[seen], eta[seen], phi[seen]
    features = np.zeros((len(seen), N_FEATURES))
    features[:, 0] = TOWER
    features[:, 1] = energy / np.cosh(eta)
    features[:, 2], features[:, 3], features[:, 4] = eta, np.sin(phi), np.cos(phi)
    features[:, 5] = features[:, calorimeter.feature] = energy
    return Towers(tower=seen, features=features)
