"""Tracks: tracking efficiency and resolution of charged particles (CMS card of Delphes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.schema import TRACK
from mlpf_hpo.events.streams import Streams, log_normal

ACCEPTANCE, MIN_PT, BARREL = 2.5, 0.1, 1.5
"""No tracks beyond |eta| 2.5 or up to 0.1 GeV; barrel and end cap meet at 1.5."""

ANGULAR_RESOLUTION = 0.01
"""Gaussian width of a track's eta and phi."""

KINDS = HADRON, ELECTRON, MUON = range(3)
"""Charged particles that the tracker distinguishes."""

EFFICIENCY = {
    HADRON: ((1.0, 0.70, 0.60), (np.inf, 0.95, 0.85)),
    ELECTRON: ((1.0, 0.73, 0.50), (100.0, 0.95, 0.83), (np.inf, 0.99, 0.90)),
    MUON: ((1.0, 0.75, 0.70), (np.inf, 0.99, 0.98)),
}
"""Per kind: (pt up to and including, efficiency in the barrel, in the end cap)."""

STIFF_MUON = 1000.0
"""Above this pt, the efficiency of muons falls by a factor of e per 2 TeV."""

RESOLUTION_EDGES = (0.5, 1.5)
"""|eta| up to and including which the first and the second entry of `RESOLUTION` hold."""

RESOLUTION = {
    HADRON: ((0.06, 1.3e-3), (0.10, 1.7e-3), (0.25, 3.1e-3)),
    ELECTRON: ((0.03, 1.3e-3), (0.05, 1.7e-3), (0.15, 3.1e-3)),
    MUON: ((0.01, 1.0e-4), (0.015, 1.5e-4), (0.025, 3.5e-4)),
}
"""Per kind and |eta| up to 0.5, 1.5, 2.5: (a, b) of sqrt(a^2 + (b pt)^2), relative."""

WORST_RESOLUTION = 1.0
"""Delphes bounds the relative resolution; it matters above 300 GeV."""


@dataclass(frozen=True)
class Tracks:
    """Measured tracks.

    Attributes
    ----------
    particle : array [n], int64
        The particle that left each track.
    features : array [n, 12], float64
        Columns as in `TRACK_FEATURES`.
    resolution : array [n], float64
        Relative resolution of each track's pt.
    """

    particle: IntArray
    features: FloatArray
    resolution: FloatArray


def measure_tracks(
    particles: Particles,
    event: IntArray,
    outer_eta: FloatArray,
    outer_phi: FloatArray,
    streams: Streams,
) -> Tracks:
    """Return the tracks of events.

    Efficiency and resolution look at `outer_eta`, as in Delphes. The measured eta and phi are those of the
    momentum.

    All arrays are [n_particles]: the event of each, ascending, and where it meets the calorimeters, NaN for
    those that never arrive.
    """
    charged = np.flatnonzero((particles.charge != 0) & (np.abs(outer_eta) <= ACCEPTANCE))
    momentum = particles.momentum[charged]
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    probability = efficiency(particles.pid[charged], pt, outer_eta[charged])
    found = streams.uniform(event[charged]) < probability
    particle, pt, momentum = charged[found], pt[found], momentum[found]
    pid, outer_eta, outer_phi = particles.pid[particle], outer_eta[particle], outer_phi[particle]
    own = event[particle]
    resolution = pt_resolution(pid, pt, outer_eta)
    measured_pt = log_normal(streams.normal(own), pt, pt * resolution)
    eta = np.arcsinh(momentum[:, 2] / pt) + ANGULAR_RESOLUTION * streams.normal(own)
    phi = np.arctan2(momentum[:, 1], momentum[:, 0]) + ANGULAR_RESOLUTION * streams.normal(own)
    columns = (
        np.full(len(particle), TRACK),
        measured_pt,
        eta,
        np.sin(phi),
        np.cos(phi),
        measured_pt * np.cosh(eta),
        outer_eta,
        np.sin(outer_phi),
        np.cos(outer_phi),
        particles.charge[particle],
        np.abs(pid) == 13,
        np.abs(pid) == 11,
    )
    return Tracks(particle, np.stack(columns, axis=1, dtype=np.float64), resolution)


def kinds(pid: IntArray) -> IntArray:
    """Return the index in `KINDS` of each PDG code of a charged particle."""
    absolute = np.abs(pid)
    return np.select([absolute == 11, absolute == 13], [ELECTRON, MUON], HADRON)


def efficiency(pid: IntArray, pt: FloatArray, eta: FloatArray) -> FloatArray:
    """Return the probability of a track, [n]; `eta` is that of the position on the calorimeter's face."""
    out = np.zeros(len(pid))
    barrel, kind = np.abs(eta) <= BARREL, kinds(pid)
    for index, steps in EFFICIENCY.items():
        conditions = [pt <= limit for limit, _, _ in steps]
        values = [np.where(barrel, inner, outer) for _, inner, outer in steps]
        out = np.where(kind == index, np.select(conditions, values), out)
    out *= np.where(kind == MUON, np.exp(np.minimum(0.0, (STIFF_MUON - pt) / 2000.0)), 1.0)
    return np.where((np.abs(eta) <= ACCEPTANCE) & (pt > MIN_PT), out, 0.0)


def pt_resolution(pid: IntArray, pt: FloatArray, eta: FloatArray) -> FloatArray:
    """Return the relative resolution of pt, [n]; `eta` as in `efficiency`."""
    region = np.digitize(np.abs(eta), RESOLUTION_EDGES, right=True)
    a, b = np.array([RESOLUTION[kind] for kind in KINDS])[kinds(pid), region].T
    return np.minimum(np.hypot(a, b * pt), WORST_RESOLUTION)
