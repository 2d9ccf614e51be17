"""Parametrised detector simulation: particles to tracks, towers, targets and rule-based candidates.

Numbers are those of the CMS card of Delphes with pile-up. The order of elements is tracks, ECAL towers, HCAL
towers; the grids of the two calorimeters differ, so a tower has either electromagnetic or hadronic energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.events.calorimeter import ECAL, HCAL, energy_shares
from mlpf_hpo.events.jets import generator_jets, generator_met, visible
from mlpf_hpo.events.particle_flow import energy_flow, track_particles
from mlpf_hpo.events.particles import Particles, merge
from mlpf_hpo.events.pileup import VERTEX_SPREAD
from mlpf_hpo.events.propagation import FIELD, HALF_LENGTH, RADIUS, propagate, pseudorapidity
from mlpf_hpo.events.schema import TARGETS, Event
from mlpf_hpo.events.streams import Streams
from mlpf_hpo.events.targets import NEUTRAL_HADRON, PHOTON, tower_targets, track_targets
from mlpf_hpo.events.towers import deposit, read_out
from mlpf_hpo.events.tracker import measure_tracks

ENERGY = TARGETS.index("energy")

SETTINGS = {
    "card": "Delphes CMS with pile-up, parametrised",
    "version": 2,
    "field_tesla": FIELD,
    "radius_m": RADIUS,
    "half_length_m": HALF_LENGTH,
    "pileup_vertex_spread_m": VERTEX_SPREAD,
}
"""What a manifest says of the detector; the version goes up whenever equal particles give another event."""


def simulate(
    collisions: Sequence[Particles],
    generators: Sequence[np.random.Generator],
    numbers: Sequence[int],
    process: str,
    pileup: float,
) -> list[Event]:
    """Return the events that the detector sees.

    They are simulated together: where events are small, one at a time would cost several times as much. Each
    depends on its own particles, pile-up included, and generator alone; the other arguments are recorded with
    the events.
    """
    particles, streams = merge(collisions), Streams(generators)
    event = np.repeat(np.arange(len(collisions)), [len(collision) for collision in collisions])
    elements = _elements(particles, event, streams)
    events = np.concatenate([part.event for part in elements])
    order = np.argsort(events, kind="stable")  # by event; within it tracks, ECAL, HCAL
    ends = np.cumsum(np.bincount(events, minlength=len(collisions)))[:-1]
    features, targets, candidates = (
        np.split(np.concatenate([getattr(part, name) for part in elements])[order].astype(np.float32), ends)
        for name in ("features", "targets", "candidates")
    )
    seen = visible(particles)
    truth = particles.momentum[seen], event[seen], len(collisions)
    jets, met = generator_jets(*truth), generator_met(*truth)
    return [
        Event(features[i], targets[i], candidates[i], number, process, pileup, jets[i], met[i])
        for i, number in enumerate(numbers)
    ]


@dataclass(frozen=True)
class _Elements:
    """Tracks, or towers of one calorimeter, of all events: the event of each, and the rows of `Event`."""

    event: IntArray
    features: FloatArray
    targets: FloatArray
    candidates: FloatArray


def _elements(particles: Particles, event: IntArray, streams: Streams) -> list[_Elements]:
    position = propagate(particles.charge, particles.momentum, particles.vertex)
    eta, phi = pseudorapidity(*position.T), np.arctan2(position[:, 1], position[:, 0])
    tracks = measure_tracks(particles, event, eta, phi, streams)
    untracked = np.ones(len(particles), dtype=bool)
    untracked[tracks.particle] = False
    measured = track_particles(tracks.features)[:, ENERGY]
    factor, towers_of = np.ones(len(tracks.particle)), []
    shares = energy_shares(particles.pid)
    for calorimeter, share, pid in ((ECAL, shares[0], PHOTON), (HCAL, shares[1], NEUTRAL_HADRON)):
        deposits = deposit(calorimeter, event, eta, phi, share)
        towers = read_out(calorimeter, deposits, particles, streams)
        asked = untracked[deposits.particle]
        targets = tower_targets(
            particles, deposits.particle[asked], deposits.tower[asked], len(deposits.number)
        )
        neutral, correction = energy_flow(calorimeter, deposits, towers, tracks, measured, pid)
        factor *= correction
        read = towers.tower
        towers_of.append(_Elements(deposits.event[read], towers.features, targets[read], neutral))
    of_tracks = _Elements(
        event[tracks.particle],
        tracks.features,
        track_targets(particles, tracks.particle),
        track_particles(tracks.features, factor),
    )
    return [of_tracks, *towers_of]
