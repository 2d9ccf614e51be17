"""The parametrised detector: from particles to tracks, towers, targets and rule-based candidates.

Numbers are those of the CMS card of Delphes with pile-up. The order of elements is tracks, ECAL towers, HCAL
towers; the grids of the two calorimeters differ, so a tower has either electromagnetic or hadronic energy.
"""

from __future__ import annotations

import numpy as np

from mlpf_hpo.events.calorimeter import ECAL, HCAL, energy_shares
from mlpf_hpo.events.jets import generator_jets, generator_met
from mlpf_hpo.events.particle_flow import tower_candidates, track_candidates, track_energy
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.pileup import VERTEX_SPREAD
from mlpf_hpo.events.propagation import FIELD, HALF_LENGTH, RADIUS, propagate
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.targets import NEUTRAL_HADRON, PHOTON, tower_targets, track_targets
from mlpf_hpo.events.towers import deposit, read_out
from mlpf_hpo.events.tracker import measure_tracks

SETTINGS = {
    "card": "Delphes CMS with pile-up, parametrised",
    "version": 1,
    "field_tesla": FIELD,
    "radius_m": RADIUS,
    "half_length_m": HALF_LENGTH,
    "pileup_vertex_spread_m": VERTEX_SPREAD,
}
"""What a manifest says of the detector; the version goes up whenever equal particles give another event."""


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
    untracked = np.ones(len(particles), dtype=bool)
    untracked[tracks.particle] = False
    features, targets = [tracks.features], [track_targets(particles, tracks.particle)]
    candidates = [track_candidates(tracks)]
    from_tracks = track_energy(tracks, candidates[0], len(particles))
    shares = energy_shares(particles.pid)
    for calorimeter, share, neutral in ((ECAL, shares[:, 0], PHOTON), (HCAL, shares[:, 1], NEUTRAL_HADRON)):
        deposits = deposit(calorimeter, position, share)
        towers = read_out(calorimeter, deposits, particles, generator)
        asked = untracked[deposits.particle]
        of_hit = tower_targets(
            particles, deposits.particle[asked], deposits.tower[asked], len(deposits.number)
        )
        features.append(towers.features)
        targets.append(of_hit[towers.tower])
        candidates.append(tower_candidates(calorimeter, deposits, towers, from_tracks, neutral))
    return Event(
        features=np.concatenate(features).astype(np.float32),
        targets=np.concatenate(targets).astype(np.float32),
        candidates=np.concatenate(candidates).astype(np.float32),
        number=number,
        process=process,
        pileup=pileup,
        generator_jets=generator_jets(particles),
        generator_met=generator_met(particles),
    )
