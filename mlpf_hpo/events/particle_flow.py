"""Rule-based particle flow: the candidates that a network is compared with.

The rules are those of the energy flow of Delphes (J. de Favereau et al., JHEP 02 057, arXiv:1307.6346). In
each tower, either the calorimeter measures significantly more than the tracks that point to it: then the
excess is a neutral candidate, and the tracks stay as measured. Or it does not: then nothing is neutral, and
the tracks share the weighted mean of both measurements.

A candidate stands at the element that it is made of, and at no other: none has to be made unique before jets
and MET are summed. Unlike in Delphes, which has each particle's mass, a track that is no lepton counts as a
pion.
"""

from __future__ import annotations

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.events.calorimeter import SIGNIFICANCE, Calorimeter
from mlpf_hpo.events.schema import N_TARGETS
from mlpf_hpo.events.targets import CHARGED_HADRON, ELECTRON, MUON
from mlpf_hpo.events.towers import Deposits, Towers
from mlpf_hpo.events.tracker import Tracks

MASSES = {CHARGED_HADRON: 0.13957, ELECTRON: 0.000511, MUON: 0.10566}
"""What a track is taken for, GeV."""


def track_particles(features: FloatArray, factor: FloatArray | float = 1.0) -> FloatArray:
    """Return particles [n, 7], columns as in `TARGETS`, of tracks' features [n, 12].

    They are charged hadrons, muons and electrons known as such. `factor`, one for all or [n] of
    `energy_flow`, multiplies their momenta.
    """
    is_muon, is_electron = features[:, 10] > 0, features[:, 11] > 0
    pid = np.select([is_electron, is_muon], [ELECTRON, MUON], CHARGED_HADRON)
    mass = np.select([pid == code for code in MASSES], list(MASSES.values()))
    energy = np.hypot(features[:, 5] * factor, mass)
    return np.column_stack([pid, features[:, 9], features[:, 1] * factor, features[:, 2:5], energy])


def energy_flow(
    calorimeter: Calorimeter, deposits: Deposits, towers: Towers, tracks: Tracks, energy: FloatArray, pid: int
) -> tuple[FloatArray, FloatArray]:
    """Return the neutral candidates of a calorimeter, and what it makes of the tracks.

    Parameters
    ----------
    calorimeter, deposits, towers
        The calorimeter, what it was given and what it measured.
    tracks : Tracks
        All of the event; those of particles that leave nothing in this calorimeter stay as they are.
    energy : array [n_tracks]
        Energies of the tracks as measured.
    pid : int
        Class of the neutral candidates.

    Returns
    -------
    neutral : array [n_towers, 7]
        A row per tower that was read out; zeros where nothing is neutral.
    factor : array [n_tracks]
        What to multiply the momenta of the tracks by.
    """
    tower = deposits.tower_of(tracks.particle)
    pointing = np.flatnonzero(tower >= 0)
    tower = tower[pointing]
    n_hit = len(deposits.number)
    explained = np.bincount(tower, weights=energy[pointing], minlength=n_hit)
    track_variance = np.bincount(tower, weights=(tracks.resolution * energy)[pointing] ** 2, minlength=n_hit)
    variance = towers.sigma**2
    excess = np.maximum(towers.energy - explained, 0.0)
    significant = (excess >= calorimeter.threshold) & (
        excess >= SIGNIFICANCE * np.sqrt(track_variance + variance)
    )
    mean = (variance * explained + track_variance * towers.energy) / (variance + track_variance)
    factor = np.ones(len(tracks.particle))
    factor[pointing] = np.where(significant[tower], 1.0, mean[tower] / explained[tower])

    excess = np.where(significant, excess, 0.0)[towers.tower]
    neutral = np.zeros((len(towers.tower), N_TARGETS))
    neutral[:, 0], neutral[:, 6] = pid, excess
    neutral[:, 2] = excess / np.cosh(towers.features[:, 2])
    neutral[:, 3:6] = towers.features[:, 2:5]
    neutral[excess == 0.0] = 0.0
    return neutral, factor
