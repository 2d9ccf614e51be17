"""Jet clustering, generator jets and generator missing momentum.

Jets are found by FastJet (M. Cacciari, G. P. Salam, G. Soyez, EPJC 72 1896, arXiv:1111.6097) with the anti-kt
algorithm (JHEP 04 063, arXiv:0802.1189).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.propagation import pseudorapidity

RADIUS, MIN_PT, ACCEPTANCE = 0.4, 5.0, 5.0
"""anti-kt radius, least pt in GeV, largest |eta| of a particle."""

NEUTRINOS = (12, 14, 16)

FOUR_MOMENTUM = ("px", "py", "pz", "E")


def visible(particles: Particles) -> BoolArray:
    """Tell which particles a perfect detector up to |eta| = 5 would see."""
    seen = np.abs(particles.momentum[:, 2]) < np.sinh(ACCEPTANCE) * particles.pt
    absolute = np.abs(particles.pid)
    for code in NEUTRINOS:
        seen &= absolute != code
    return seen


def anti_kt(momenta: FloatArray) -> NDArray[np.float32]:
    """Return the anti-kt jets of the particles of one event, as `generator_jets` does."""
    (jets,) = generator_jets(momenta, np.zeros(len(momenta), dtype=np.int64), 1)
    return jets


def generator_jets(momentum: FloatArray, event: IntArray, n_events: int) -> list[NDArray[np.float32]]:
    """Return the anti-kt jets of each event, [J, 4]: pt, eta, phi, mass; hardest first.

    All events go to FastJet in one call: for a small event, a call costs more than the clustering.

    Parameters
    ----------
    momentum : array [n, 4]
        px, py, pz, E in GeV of the visible particles of all events.
    event : array [n], int64
        The event of each, ascending.
    n_events : int
        Number of events.

    Raises
    ------
    ConfigurationError
        If FastJet is not installed.
    """
    fastjet = load_fastjet()
    import awkward  # comes with FastJet

    flat = awkward.zip(dict(zip(FOUR_MOMENTUM, momentum.T, strict=True)), with_name="Momentum4D")
    inputs = awkward.unflatten(flat, np.bincount(event, minlength=n_events))
    cluster = fastjet.ClusterSequence(inputs, fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS))
    jets = cluster.inclusive_jets(MIN_PT)
    px, py, pz, energy = (awkward.to_numpy(awkward.flatten(jets[name])) for name in FOUR_MOMENTUM)
    pt = np.hypot(px, py)
    mass = np.sqrt(np.maximum(energy**2 - pt**2 - pz**2, 0.0))
    rows = np.stack([pt, pseudorapidity(px, py, pz), np.arctan2(py, px), mass], axis=1).astype(np.float32)
    of_events = np.split(rows, np.cumsum(awkward.to_numpy(awkward.num(jets)))[:-1])
    return [table[np.argsort(-table[:, 0], kind="stable")] for table in of_events]


def generator_met(momentum: FloatArray, event: IntArray, n_events: int) -> NDArray[np.float32]:
    """Return the missing transverse momentum (px, py) of each event, [n_events, 2]: minus the visible sum.

    Parameters are those of `generator_jets`.
    """
    sums = [np.bincount(event, weights=momentum[:, i], minlength=n_events) for i in (0, 1)]
    return -np.stack(sums, axis=1, dtype=np.float32)


@functools.cache
def load_fastjet() -> Any:
    """Return the FastJet module, silenced: its references are in this file's head instead.

    Raises
    ------
    ConfigurationError
        If it is not installed.
    """
    try:
        import fastjet
    except ImportError:
        raise ConfigurationError("jets need FastJet: pip install 'mlpf_hpo[generate]'") from None
    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)
    return fastjet
