"""Calorimeter towers: energy deposits of particles and their readout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.events.calorimeter import Calorimeter
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.schema import N_FEATURES, TOWER
from mlpf_hpo.events.streams import Streams, log_normal


@dataclass(frozen=True)
class Deposits:
    """What particles leave in one calorimeter, each deposit linked to its particle.

    Attributes
    ----------
    event : array [n_hit], int64
        The event of each hit tower, ascending.
    number : array [n_hit], int64
        Its number in the grid, ascending within the event.
    particle, tower : arrays [n_links], int64
        A particle, and the hit tower (0 to n_hit - 1) that it has a deposit in.
    share : array [n_particles], float64
        Share of each particle's energy that this calorimeter sees.
    """

    event: IntArray
    number: IntArray
    particle: IntArray
    tower: IntArray
    share: FloatArray

    def sum(self, values: FloatArray) -> FloatArray:
        """Return the sum per hit tower [n_hit] of a quantity of the linked particles [n_particles]."""
        sums = np.bincount(self.tower, weights=values[self.particle], minlength=len(self.number))
        return np.asarray(sums, dtype=np.float64)

    def tower_of(self, particle: IntArray) -> IntArray:
        """Return the hit tower of each of these particles, -1 for those without a deposit."""
        tower = np.full(len(self.share), -1)
        tower[self.particle] = self.tower
        return tower[particle]


@dataclass(frozen=True)
class Towers:
    """What one calorimeter measures: an energy in every hit tower, and those of them that are read out.

    Attributes
    ----------
    energy : array [n_hit], float64
        Measured energy of each hit tower, GeV; 0 where it was not read out.
    sigma : array [n_hit], float64
        Resolution at the measured energy, GeV, read out or not.
    tower : array [n], int64
        Which of the hit towers were read out.
    features : array [n, 12], float64
        Columns as in `TOWER_FEATURES`, of those read out.
    """

    energy: FloatArray
    sigma: FloatArray
    tower: IntArray
    features: FloatArray


def deposit(
    calorimeter: Calorimeter,
    event: IntArray,
    eta: FloatArray,
    phi: FloatArray,
    share: FloatArray,
) -> Deposits:
    """Return which particles leave something in which towers.

    All arrays are [n_particles]; `eta` and `phi` are where particles meet the calorimeters, NaN for those
    that never arrive, and `share` is that of each particle's energy which this calorimeter sees.
    """
    linked = np.flatnonzero(share > 0)
    number = calorimeter.tower(eta[linked], phi[linked])
    linked, number = linked[number >= 0], number[number >= 0]
    hit, tower = np.unique(event[linked] * calorimeter.n_numbers + number, return_inverse=True)
    return Deposits(*np.divmod(hit, calorimeter.n_numbers), particle=linked, tower=tower, share=share)


def read_out(calorimeter: Calorimeter, deposits: Deposits, particles: Particles, streams: Streams) -> Towers:
    """Return what the hit towers measure; those that pass threshold and significance are read out.

    The energy is log-normal about the sum of the deposits; the resolution is that at the tower's centre. The
    position is uniform within the tower.
    """
    deposited = deposits.sum(particles.momentum[:, 3] * deposits.share)
    centre = calorimeter.centre_eta(deposits.number)
    normal = streams.normal(deposits.event)
    energy = log_normal(normal, deposited, calorimeter.sigma(deposited, centre))
    sigma = calorimeter.sigma(energy, centre)
    energy[~calorimeter.is_read_out(energy, sigma)] = 0.0
    seen = np.flatnonzero(energy)
    low_eta, high_eta, low_phi, high_phi = calorimeter.bounds(deposits.number[seen]).T
    eta = low_eta + (high_eta - low_eta) * streams.uniform(deposits.event[seen])
    phi = low_phi + (high_phi - low_phi) * streams.uniform(deposits.event[seen])
    features = np.zeros((len(seen), N_FEATURES))
    features[:, 0] = TOWER
    features[:, 1] = energy[seen] / np.cosh(eta)
    features[:, 2], features[:, 3], features[:, 4] = eta, np.sin(phi), np.cos(phi)
    features[:, 5] = features[:, calorimeter.feature] = energy[seen]
    return Towers(energy, sigma, seen, features)
