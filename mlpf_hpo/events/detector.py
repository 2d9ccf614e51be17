"""The parametrised detector: from particles to tracks, towers, targets and rule-based candidates.

Numbers are those of the CMS card of Delphes with pile-up; the order of elements is tracks, ECAL towers, HCAL
towers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.events.calorimeter import ECAL, HCAL, Calorimeter, energy_shares
from mlpf_hpo.events.jets import generator_jets, generator_met
from mlpf_hpo.events.propagation import propagate, pseudorapidity
from mlpf_hpo.events.pythia import Particles
from mlpf_hpo.events.schema import N_FEATURES, TOWER, TRACK, Event
from mlpf_hpo.events.targets import (
    CHARGED_HADRON,
    ELECTRON,
    MUON,
    NEUTRAL_HADRON,
    PHOTON,
    tower_targets,
    track_targets,
)
from mlpf_hpo.events.tracker import ANGULAR_RESOLUTION, efficiency, log_normal, pt_resolution

FloatArray = NDArray[np.float64]

MASSES = {CHARGED_HADRON: 0.13957, ELECTRON: 0.000511, MUON: 0.10566}
"""GeV; what the rule-based particle flow takes a track for."""


@dataclass(frozen=True)
class Tracks:
    """Measured tracks.

    Attributes
    ----------
    particle : array [n], int64
        The particle that left each track.
    features : array [n, 12]
        Columns as in `TRACK_FEATURES`.
    """

    particle: NDArray[np.int64]
    features: FloatArray


@dataclass(frozen=True)
class Towers:
    """Towers of one calorimeter that were read out.

    Attributes
    ----------
    features : array [n, 12]
        Columns as in `TOWER_FEATURES`.
    linked, tower : arrays [n_links], int64
        Every particle with a deposit in one of these towers, and which.
    """

    features: FloatArray
    linked: NDArray[np.int64]
    tower: NDArray[np.int64]


def simulate(
    particles: Particles, generator: np.random.Generator, number: int, process: str, pileup: float
) -> Event:
    """Return the event that the detector sees.

    Parameters
    ----------
    particles : Particles
        Final state, pile-up included.
    generator : numpy Generator
        Belongs to this event.
    number, process, pileup
        Recorded with the event.
    """
    position = propagate(particles.charge, particles.momentum, particles.vertex)
    tracks = measure_tracks(particles, position, generator)
    shares = energy_shares(particles.pid)
    ecal = measure_towers(ECAL, particles, position, shares[:, 0], generator, energy_column=6)
    hcal = measure_towers(HCAL, particles, position, shares[:, 1], generator, energy_column=7)
    tracked = np.zeros(len(particles), dtype=bool)
    tracked[tracks.particle] = True
    targets = [track_targets(particles, tracks.particle)]
    track_energy = np.zeros(len(particles))
    candidates = [track_candidates(tracks)]
    track_energy[tracks.particle] = candidates[0][:, 6]
    for calorimeter, towers, share, pid in (
        (ECAL, ecal, shares[:, 0], PHOTON),
        (HCAL, hcal, shares[:, 1], NEUTRAL_HADRON),
    ):
        untracked = ~tracked[towers.linked]
        n_towers = len(towers.features)
        targets.append(tower_targets(particles, towers.linked[untracked], towers.tower[untracked], n_towers))
        in_tracks = np.zeros(n_towers)
        np.add.at(in_tracks, towers.tower, (track_energy * share)[towers.linked])
        candidates.append(tower_candidates(calorimeter, towers.features, in_tracks, pid))
    return Event(
        features=np.concatenate([tracks.features, ecal.features, hcal.features]).astype(np.float32),
        targets=np.concatenate(targets).astype(np.float32),
        candidates=np.concatenate(candidates).astype(np.float32),
        number=number,
        process=process,
        pileup=pileup,
        generator_jets=generator_jets(particles),
        generator_met=generator_met(particles),
    )


def measure_tracks(particles: Particles, position: FloatArray, generator: np.random.Generator) -> Tracks:
    """Return the tracks of an event; `position` [n, 3] is where particles meet the calorimeters."""
    px, py, pz, _ = particles.momentum.T
    pt = np.hypot(px, py)
    outer_eta = pseudorapidity(*position.T)
    probability = np.where(particles.charge != 0, efficiency(particles.pid, pt, outer_eta), 0.0)
    found = np.flatnonzero(generator.random(len(particles)) < probability)
    pid, pt, outer_eta = particles.pid[found], pt[found], outer_eta[found]
    measured_pt = log_normal(generator, pt, pt * pt_resolution(pid, pt, outer_eta))
    eta = pseudorapidity(px[found], py[found], pz[found])
    eta += ANGULAR_RESOLUTION * generator.standard_normal(len(found))
    phi = np.arctan2(py[found], px[found])
    phi += ANGULAR_RESOLUTION * generator.standard_normal(len(found))
    outer_phi = np.arctan2(position[found, 1], position[found, 0])
    features = np.stack(
        [
            np.full(len(found), float(TRACK)),
            measured_pt,
            eta,
            np.sin(phi),
            np.cos(phi),
            measured_pt * np.cosh(eta),
            outer_eta,
            np.sin(outer_phi),
            np.cos(outer_phi),
            particles.charge[found],
            np.abs(pid) == 13,
            np.abs(pid) == 11,
        ],
        axis=1,
    )
    return Tracks(particle=found, features=features)


def measure_towers(
    calorimeter: Calorimeter,
    particles: Particles,
    position: FloatArray,
    share: FloatArray,
    generator: np.random.Generator,
    energy_column: int,
) -> Towers:
    """Return the towers of a calorimeter that are read out.

    Parameters
    ----------
    calorimeter : Calorimeter
        Grid, resolution, thresholds.
    particles, position
        The event, and where its particles meet the calorimeters [n, 3].
    share : array [n]
        Share of each particle's energy that this calorimeter sees.
    generator : numpy Generator
        For energies and positions.
    energy_column : int
        Feature column of this calorimeter's energy.
    """
    number = calorimeter.tower(pseudorapidity(*position.T), np.arctan2(position[:, 1], position[:, 0]))
    linked = np.flatnonzero((number >= 0) & (share > 0))
    hit, tower = np.unique(number[linked], return_inverse=True)
    deposited = np.zeros(len(hit))
    np.add.at(deposited, tower, (particles.momentum[:, 3] * share)[linked])
    low_eta, high_eta, low_phi, high_phi = calorimeter.bounds(hit).T
    energy = log_normal(generator, deposited, calorimeter.sigma(deposited, (low_eta + high_eta) / 2))
    eta = generator.uniform(low_eta, high_eta)
    phi = generator.uniform(low_phi, high_phi)
    read_out = calorimeter.is_read_out(energy, (low_eta + high_eta) / 2)
    features = np.zeros((int(read_out.sum()), N_FEATURES))
    features[:, 0] = TOWER
    features[:, 1] = (energy / np.cosh(eta))[read_out]
    features[:, 2] = eta[read_out]
    features[:, 3], features[:, 4] = np.sin(phi[read_out]), np.cos(phi[read_out])
    features[:, 5] = features[:, energy_column] = energy[read_out]
    new_number = np.cumsum(read_out) - 1
    kept = read_out[tower]
    return Towers(features=features, linked=linked[kept], tower=new_number[tower[kept]])


def track_candidates(tracks: Tracks) -> FloatArray:
    """Return the rule-based candidates of tracks [n, 7]: each track is a charged particle."""
    features = tracks.features
    is_muon, is_electron = features[:, 10] > 0, features[:, 11] > 0
    pid = np.select([is_electron, is_muon], [ELECTRON, MUON], CHARGED_HADRON)
    mass = np.select([is_electron, is_muon], [MASSES[ELECTRON], MASSES[MUON]], MASSES[CHARGED_HADRON])
    return np.column_stack([pid, features[:, 9], features[:, 1:5], np.hypot(features[:, 5], mass)])


def tower_candidates(
    calorimeter: Calorimeter, features: FloatArray, in_tracks: FloatArray, pid: int
) -> FloatArray:
    """Return the rule-based candidates of towers [n, 7]: energy in excess of that of the tracks.

    An excess that the calorimeter would read out by itself becomes a photon (ECAL) or neutral hadron (HCAL).
    """
    eta, excess = features[:, 2], np.maximum(features[:, 5] - in_tracks, 0.0)
    table = np.column_stack(
        [np.full(len(eta), pid), np.zeros(len(eta)), excess / np.cosh(eta), features[:, 2:5], excess]
    )
    table[~calorimeter.is_read_out(excess, eta)] = 0.0
    return table
