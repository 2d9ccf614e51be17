"""Targets of MLPF: the generated particle of each track, the untracked particles of each tower.

The charge is that of the PDG. The public dataset (Zenodo 4559324) has the sign of the PDG *code* instead,
which for leptons is the opposite: there an electron has +1, a positron -1.
"""

from __future__ import annotations

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.propagation import pseudorapidity
from mlpf_hpo.events.schema import N_CLASSES

NONE, CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON = range(N_CLASSES)
"""Particle classes as in `CLASSES`."""

TOWER_CLASSES = (NEUTRAL_HADRON, CHARGED_HADRON, PHOTON, ELECTRON)
"""What a tower may be: a muon leaves nothing in a calorimeter. Of equal sums of energy the first counts."""

TRACKER_EDGE, NEUTRAL_HADRON_FLOOR = 2.5, 9.0
"""Beyond |eta| 2.5 no hadron is known to be charged; a neutral hadron below 9 GeV is not asked for."""


def classes(pid: IntArray, charge: FloatArray) -> IntArray:
    """Return the particle class of PDG codes."""
    absolute = np.abs(pid)
    return np.select(
        [absolute == 11, absolute == 13, absolute == 22, charge != 0],
        [ELECTRON, MUON, PHOTON, CHARGED_HADRON],
        NEUTRAL_HADRON,
    )


def rows(pid: IntArray, charge: FloatArray, momentum: FloatArray) -> FloatArray:
    """Return target rows [n, 7] of classes, charges and four-momenta; zeros where the class is none."""
    px, py, pz, energy = momentum.T
    phi = np.arctan2(py, px)
    table = np.stack(
        [pid, charge, np.hypot(px, py), pseudorapidity(px, py, pz), np.sin(phi), np.cos(phi), energy], axis=1
    )
    table[pid == NONE] = 0.0
    return table


def track_targets(particles: Particles, tracked: IntArray) -> FloatArray:
    """Return targets [n_tracks, 7]: the particle that made each track, with its PDG charge."""
    charge = particles.charge[tracked]
    return rows(classes(particles.pid[tracked], charge), charge, particles.momentum[tracked])


def tower_targets(particles: Particles, linked: IntArray, tower: IntArray, n_towers: int) -> FloatArray:
    """Return targets [n_towers, 7].

    A tower's target is the sum of the four-momenta of its particles without a track. Its class is that with
    the largest sum of energies; its charge is that of the most energetic particle of this class.

    Parameters
    ----------
    particles : Particles
        Of the event.
    linked, tower : arrays [n_links], int64
        Untracked particles, and the tower (0 to n_towers - 1) that each has a deposit in.
    n_towers : int
        Number of towers.
    """
    energy = particles.momentum[linked, 3]
    kind = classes(particles.pid[linked], particles.charge[linked])
    sums = [_sums(np.where(kind == code, energy, 0.0), tower, n_towers) for code in TOWER_CLASSES]
    heaviest = np.array(TOWER_CLASSES)[np.argmax(sums, axis=0)]
    pid = np.where(np.max(sums, axis=0) > 0, heaviest, NONE)
    leading = np.flatnonzero(kind == pid[tower])
    leading = leading[np.argsort(energy[leading], kind="stable")]
    charge = np.zeros(n_towers)
    charge[tower[leading]] = particles.charge[linked[leading]]  # the last one assigned to a tower stays
    momentum = np.stack([_sums(column, tower, n_towers) for column in particles.momentum[linked].T], axis=1)
    eta = pseudorapidity(*momentum[:, :3].T)
    pid[(pid == CHARGED_HADRON) & (np.abs(eta) > TRACKER_EDGE)] = NEUTRAL_HADRON
    pid[(pid == NEUTRAL_HADRON) & (momentum[:, 3] < NEUTRAL_HADRON_FLOOR)] = NONE
    charge[(pid != CHARGED_HADRON) & (pid != ELECTRON)] = 0.0
    return rows(pid, charge, momentum)


def _sums(values: FloatArray, tower: IntArray, n_towers: int) -> FloatArray:
    return np.asarray(np.bincount(tower, weights=values, minlength=n_towers), dtype=np.float64)
