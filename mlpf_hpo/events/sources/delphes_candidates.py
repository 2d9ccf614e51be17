"""Candidates of the energy flow of Delphes, each at the element that it is made of."""

from __future__ import annotations

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.errors import DataError
from mlpf_hpo.events.particle_flow import MASSES
from mlpf_hpo.events.schema import N_TARGETS
from mlpf_hpo.events.sources.delphes_objects import Neutral, Objects, Towers
from mlpf_hpo.events.targets import CHARGED_HADRON, ELECTRON, MUON, NEUTRAL_HADRON, PHOTON


def track_candidates(objects: Objects) -> FloatArray:
    """Return the candidate of each track, [n_tracks, 7]: that with the same particle; zeros if there is none.

    Electrons and muons are known by the particle's code, as in Delphes. A track that the energy flow has
    scaled to nothing has no candidate: such a one has a transverse momentum of 0 and an eta of 999.9.
    """
    of_particle = np.full(len(objects.particles), -1)
    of_particle[objects.tracks.particle] = np.arange(len(objects.tracks.event))
    rows = np.zeros((len(objects.tracks.event), N_TARGETS))
    for found in objects.charged:
        track = of_particle[found.particle]
        real = found.pt > 0
        if np.any(track[real] < 0):
            raise DataError(f"{found.collection}: candidates of particles that no Track has")
        track, code = track[real], np.abs(objects.particles.pid[found.particle[real]])
        pid = np.select([code == 11, code == 13], [ELECTRON, MUON], CHARGED_HADRON)
        mass = np.select([pid == one for one in MASSES], list(MASSES.values()))
        pt, eta, phi = found.pt[real], found.eta[real], found.phi[real]
        energy = np.hypot(pt * np.cosh(eta), mass)
        rows[track] = np.column_stack([pid, found.charge[real], pt, eta, np.sin(phi), np.cos(phi), energy])
    return rows


def tower_candidates(objects: Objects) -> FloatArray:
    """Return the candidate of each tower, [n_towers, 7]: that at exactly its place; zeros if there is none.

    Where a tower of both calorimeters has a photon and a neutral hadron, it is that of the larger energy.

    Raises
    ------
    DataError
        If candidates are at no tower: they were made of others than those that the file holds.
    """
    rows = np.zeros((len(objects.towers.event), N_TARGETS))
    kinds = (PHOTON, objects.towers.em), (NEUTRAL_HADRON, objects.towers.had)
    for found, (pid, energy) in zip(objects.neutral, kinds, strict=True):
        tower = _towers_of(objects.towers, found, energy)
        if np.any(tower < 0):
            raise DataError(
                f"{found.collection}: {np.sum(tower < 0)} of {len(tower)} candidates are at no Tower: the "
                "card keeps other towers than it makes candidates of"
            )
        stronger = found.energy > rows[tower, 6]
        tower = tower[stronger]
        of = np.column_stack(
            [found.et, found.eta, np.sin(found.phi), np.cos(found.phi), found.energy],
        )[stronger]
        rows[tower] = np.column_stack([np.full(len(tower), pid), np.zeros(len(tower)), of])
    return rows


def _towers_of(towers: Towers, found: Neutral, energy: FloatArray) -> IntArray:
    """Return the tower of each candidate, -1 for none; of several at a place that with the most `energy`."""
    both = [
        np.concatenate([getattr(one, name) for one in (towers, found)]) for name in ("event", "eta", "phi")
    ]
    # Numbers that are equal where event, eta and phi are.
    place = np.zeros(len(both[0]), dtype=np.int64)
    for values in both:
        distinct, number = np.unique(values, return_inverse=True)
        place = np.unique(place * len(distinct) + number, return_inverse=True)[1]
    of_towers, of_found = place[: len(towers.event)], place[len(towers.event) :]
    order = np.lexsort([energy, of_towers])
    last = np.searchsorted(of_towers, of_found, side="right", sorter=order) - 1
    tower = order[np.maximum(last, 0)]
    return np.where((last >= 0) & (of_towers[tower] == of_found), tower, -1)
