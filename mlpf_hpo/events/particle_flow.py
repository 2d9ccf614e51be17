"""Rule-based particle flow: the candidates that a network has to beat.

Unlike those of Delphes, tracks keep their measured momentum also where a calorimeter could improve it, and
each candidate stands at one element: none has to be made unique before jets and MET are summed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.events.calorimeter import Calorimeter
from mlpf_hpo.events.schema import N_TARGETS
from mlpf_hpo.events.targets import CHARGED_HADRON, ELECTRON, MUON
from mlpf_hpo.events.towers import Deposits, Towers
from mlpf_hpo.events.tracker import Tracks

FloatArray = NDArray[np.float64]

MASSES = {CHARGED_HADRON: 0.13957, ELECTRON: 0.000511, MUON: 0.10566}
"""What a track is taken for, GeV."""


def track_candidates(tracks: Tracks) -> FloatArray:
    """Return candidates [n_tracks, 7]: charged particles, muons and electrons known as such."""
    features = tracks.features
    leptons = [features[:, 11] > 0, features[:, 10] > 0]
    pid = np.select(leptons, [ELECTRON, MUON], CHARGED_HADRON)
    mass = np.select(leptons, [MASSES[ELECTRON], MASSES[MUON]], MASSES[CHARGED_HADRON])
    return np.column_stack([pid, features[:, 9], features[:, 1:5], np.hypot(features[:, 5], mass)])


def track_energy(tracks: Tracks, candidates: FloatArray, n_particles: int) -> FloatArray:
    """Return the energy [n_particles] that the track of each particle tells of; 0 without a track."""
    energy = np.zeros(n_particles)
    energy[tracks.particle] = candidates[:, 6]
    return energy


def tower_candidates(
    calorimeter: Calorimeter, deposits: Deposits, towers: Towers, from_tracks: FloatArray, pid: int
) -> FloatArray:
    """Return candidates [n_towers, 7]: energy in excess of what the tracks explain.

    An excess that the calorimeter would read out by itself is a photon (ECAL) or a neutral hadron (HCAL).

    Parameters
    ----------
    calorimeter, deposits, towers
        The calorimeter, what it was given and what it read out.
    from_tracks : array [n_particles]
        Energies of `track_energy`.
    pid : int
        Class of the candidates.
    """
    explained = deposits.sum(from_tracks * deposits.share)[towers.tower]
    eta, energy = towers.features[:, 2], towers.features[:, 5]
    excess = np.maximum(energy - explained, 0.0)
    table = np.zeros((len(eta), N_TARGETS))
    table[:, 0], table[:, 2], table[:, 6] = pid, excess / np.cosh(eta), excess
    table[:, 3:6] = towers.features[:, 2:5]
    table[~calorimeter.is_read_out(excess, calorimeter.centre_eta(deposits.number[towers.tower]))] = 0.0
    return table
