"""Identity baseline: the input taken as particles, element by element, without any reconstruction.

The null of a validation result: a network that learnt no more than to copy its input says this. The rules
already do more: they take the energy of tracks out of the towers that these point to.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.evaluation.sample import Sample
from mlpf_hpo.events.particle_flow import track_particles
from mlpf_hpo.events.schema import CLASSES, N_TARGETS, TOWER_FEATURES
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.events.summary import KINDS, element_kinds

TAKEN_FOR = {"ECAL tower": "photon", "HCAL tower": "neutral hadron"}

ENERGY = TOWER_FEATURES.index("energy")
"""Of a tower."""


def copy_input(features: FloatArray) -> FloatArray:
    """Return elements [N, 12] as particles [N, 7], columns as in `TARGETS`.

    A track is a charged hadron, or the muon or electron that it is known as, with its momentum. A tower is a
    photon or a neutral hadron, by where it has more energy, with what it measured.
    """
    rows = np.zeros((len(features), N_TARGETS))
    kinds = element_kinds(features)
    is_track = kinds == KINDS.index("track")
    rows[is_track] = track_particles(features[is_track].astype(float))
    for tower, particle in TAKEN_FOR.items():
        chosen = kinds == KINDS.index(tower)
        towers = features[chosen].astype(float)
        rows[chosen, 0] = CLASSES.index(particle)
        rows[chosen, 2:6], rows[chosen, 6] = towers[:, 1:5], towers[:, ENERGY]
    return rows


def with_identity_baseline(sample: Sample, store: EventStore) -> Sample:
    """Return a sample of a store's events in which the copied input stands where the rules did, as `ycand`.

    Judged, it has the network beside the copy, with differences on the same events.
    """
    features = np.concatenate([store[i].features for i in range(len(store))])
    said = {**sample.reconstructions, "ycand": copy_input(features)}
    return dataclasses.replace(sample, reconstructions=said)
