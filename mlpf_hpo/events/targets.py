"""What MLPF should find: the generator's particle of each track, the untracked particles of each tower."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.events.propagation import pseudorapidity
from mlpf_hpo.events.pythia import Particles

FloatArray = NDArray[np.float64]

CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON = 1, 2, 3, 4, 5

TRACKER_EDGE, NEUTRAL_HADRON_FLOOR = 2.5, 9.0
"""Beyond |eta| 2.5 no hadron is known to be charged; a neutral hadron below 9 GeV is not asked for."""


def classes(pid: NDArray[np.int64], charge: FloatArray) -> NDArray[np.int64]:
    """Return the particle class of PDG codes."""
    absolute = np.abs(pid)
    return np.select(
        [absolute == 11, absolute == 13, absolute == 22, charge != 0],
        [ELECTRON, MUON, PHOTON, CHARGED_HADRON],
        NEUTRAL_HADRON,
    )


def rows(pid: NDArray[np.int64], charge: FloatArray, momentum: FloatArray) -> FloatArray:
    """Return target rows [n, 7] of classes, charges and four-momenta; zeros where the class is none."""
    px, py, pz, energy = momentum.T
    phi = np.arctan2(py, px)
    table = np.stack(
        [pid, charge, np.hypot(px, py), pseudorapidity(px, py, pz), np.sin(phi), np.cos(phi), energy], axis=1
    )
    table[pid == 0] = 0.0
    return table


def track_targets(particles: Particles, tracked: NDArray[np.int64]) -> FloatArray:
    """Return targets [n_tracks, 7]: the particle that made each track, with its PDG charge."""
    charge = particles.charge[tracked]
    pid = np.abs(particles.pid[tracked])
    found = np.select([pid == 11, pid == 13], [ELECTRON, MUON], CHARGED_HADRON)
    return rows(found, charge, particles.momentum[tracked])


def tower_targets(
    particles: Particles, linked: NDArray[np.int64], tower: NDArray[np.int64], n_towers: int
) -> FloatArray:
    """Return targets [n_towers, 7].

    A tower's target is the sum of the four-momenta of its particles without a track; its class is that with
    the
    largest sum of energies.

    Parameters
    ----------
    particles : Particles
        Of the event.
    linked, tower : arrays [n_links]
        Untracked particles, and the tower (0 to n_towers - 1) that each has a deposit in.
    n_towers : int
        Number of towers.
    """
    momentum = np.zeros((n_towers, 4))
    np.add.at(momentum, tower, particles.momentum[linked])
    kind = classes(particles.pid[linked], particles.charge[linked])
    order = np.array([NEUTRAL_HADRON, CHARGED_HADRON, PHOTON, ELECTRON])
    energies = np.zeros((n_towers, len(order)))
    for column, code in enumerate(order):
        of_kind = kind == code
        np.add.at(energies[:, column], tower[of_kind], particles.momentum[linked[of_kind], 3])
    pid = np.where(energies.sum(axis=1) > 0, order[energies.argmax(axis=1)], 0)
    eta = pseudorapidity(*momentum[:, :3].T)
    pid[(pid == CHARGED_HADRON) & (np.abs(eta) > TRACKER_EDGE)] = NEUTRAL_HADRON
    pid[(pid == NEUTRAL_HADRON) & (momentum[:, 3] < NEUTRAL_HADRON_FLOOR)] = 0
    charge = np.zeros(n_towers)
    np.add.at(charge, tower, particles.charge[linked])
    charged = (pid == CHARGED_HADRON) | (pid == ELECTRON)
    return rows(pid, np.where(charged, np.sign(charge), 0.0), momentum)
