"""Jets, and the generator's missing momentum: what a reconstruction is compared with.

Jets are found by FastJet (M. Cacciari, G. P. Salam, G. Soyez, EPJC 72 1896, arXiv:1111.6097) with the anti-kt
algorithm (JHEP 04 063, arXiv:0802.1189).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.particles import Particles

RADIUS, MIN_PT, ACCEPTANCE = 0.4, 5.0, 5.0
"""anti-kt radius, least pt in GeV, largest |eta| of a particle."""

NEUTRINOS = (12, 14, 16)


def visible(particles: Particles) -> NDArray[np.bool_]:
    """Tell which particles a perfect detector up to |eta| = 5 would see."""
    return ~np.isin(np.abs(particles.pid), NEUTRINOS) & (np.abs(particles.eta) < ACCEPTANCE)


def generator_jets(particles: Particles) -> NDArray[np.float32]:
    """Return the jets of the visible particles, as `anti_kt` does."""
    return anti_kt(particles.momentum[visible(particles)])


def anti_kt(momenta: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return anti-kt jets of particles, [J, 4]: pt, eta, phi, mass; hardest first.

    Parameters
    ----------
    momenta : array [n, 4]
        px, py, pz, E of the particles, GeV.

    Raises
    ------
    ConfigurationError
        If FastJet is not installed.
    """
    fastjet = load_fastjet()
    inputs = [fastjet.PseudoJet(*row) for row in momenta.tolist()]
    cluster = fastjet.ClusterSequence(inputs, fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS))
    jets = fastjet.sorted_by_pt(cluster.inclusive_jets(MIN_PT))
    rows = [(jet.pt(), jet.eta(), jet.phi_std(), jet.m()) for jet in jets]
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def generator_met(particles: Particles) -> NDArray[np.float32]:
    """Return the missing transverse momentum (px, py): minus the sum of the visible particles."""
    total = particles.momentum[visible(particles), :2].sum(axis=0)
    return (-total).astype(np.float32)


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
