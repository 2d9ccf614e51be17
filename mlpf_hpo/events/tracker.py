"""Tracks: which charged particles leave one, and how well it is measured (CMS card of Delphes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.propagation import pseudorapidity
from mlpf_hpo.events.schema import TRACK

FloatArray = NDArray[np.float64]

ACCEPTANCE, MIN_PT, BARREL = 2.5, 0.1, 1.5
"""No tracks beyond |eta| 2.5 or up to 0.1 GeV; barrel and end cap meet at 1.5."""

ANGULAR_RESOLUTION = 0.01
"""Gaussian width of a track's eta and phi."""

EFFICIENCY = {
    "hadron": ((1.0, 0.70, 0.60), (np.inf, 0.95, 0.85)),
    "electron": ((1.0, 0.73, 0.50), (100.0, 0.95, 0.83), (np.inf, 0.99, 0.90)),
    "muon": ((1.0, 0.75, 0.70), (np.inf, 0.99, 0.98)),
}
"""Per kind: (pt up to and including, efficiency in the barrel, in the end cap).

Above 1 TeV the card lets that of muons fall; no process here makes such muons.
"""

RESOLUTION_EDGES = (0.5, 1.5)
"""|eta| up to and including which the first and the second entry of `RESOLUTION` hold."""

RESOLUTION = {
    "hadron": ((0.06, 1.3e-3), (0.10, 1.7e-3), (0.25, 3.1e-3)),
    "electron": ((0.03, 1.3e-3), (0.05, 1.7e-3), (0.15, 3.1e-3)),
    "muon": ((0.01, 1.0e-4), (0.015, 1.5e-4), (0.025, 3.5e-4)),
}
"""Per kind and |eta| up to 0.5, 1.5, 2.5: (a, b) of sqrt(a^2 + (b pt)^2), relative."""


@dataclass(frozen=True)
class Tracks:
    """Measured tracks.

    Attributes
    ----------
    particle : array [n], int64
        The particle that left each track.
    features : array [n, 12], float64
        Columns as in `TRACK_FEATURES`.
    """

    particle: NDArray[np.int64]
    features: FloatArray


def measure_tracks(particles: Particles, position: FloatArray, generator: np.random.Generator) -> Tracks:
    """Return the tracks of an event.

    Efficiency and resolution look at the eta of `position` [n, 3], where particles meet the calorimeters, as
    Delphes does; the measured eta and phi are those of the momentum.
    """
    outer_eta = pseudorapidity(*position.T)
    probability = np.where(particles.charge != 0, efficiency(particles.pid, particles.pt, outer_eta), 0.0)
    found = np.flatnonzero(generator.random(len(particles)) < probability)
    pid, pt, outer_eta = particles.pid[found], particles.pt[found], outer_eta[found]
    measured_pt = log_normal(generator, pt, pt * pt_resolution(pid, pt, outer_eta))
    eta = particles.eta[found] + ANGULAR_RESOLUTION * generator.standard_normal(len(found))
    phi = particles.phi[found] + ANGULAR_RESOLUTION * generator.standard_normal(len(found))
    outer_phi = np.arctan2(position[found, 1], position[found, 0])
    columns = (
        np.full(len(found), TRACK),
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
    )
    return Tracks(particle=found, features=np.stack(columns, axis=1, dtype=np.float64))


def kinds(pid: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return "electron", "muon" or "hadron" for each PDG code of a charged particle."""
    return np.select([np.abs(pid) == 11, np.abs(pid) == 13], ["electron", "muon"], "hadron")


def efficiency(pid: NDArray[np.int64], pt: FloatArray, eta: FloatArray) -> FloatArray:
    """Return the probability of a track, [n]; `eta` is that of the position on the calorimeter's face."""
    out = np.zeros(len(pid))
    barrel, kind = np.abs(eta) <= BARREL, kinds(pid)
    for name, steps in EFFICIENCY.items():
        conditions = [pt <= limit for limit, _, _ in steps]
        values = [np.where(barrel, inner, outer) for _, inner, outer in steps]
        out = np.where(kind == name, np.select(conditions, values), out)
    return np.where((np.abs(eta) <= ACCEPTANCE) & (pt > MIN_PT), out, 0.0)


def pt_resolution(pid: NDArray[np.int64], pt: FloatArray, eta: FloatArray) -> FloatArray:
    """Return the relative resolution of pt, [n]; `eta` as in `efficiency`."""
    out = np.zeros(len(pid))
    region, kind = np.digitize(np.abs(eta), RESOLUTION_EDGES, right=True), kinds(pid)
    for name, table in RESOLUTION.items():
        a, b = np.array(table)[region].T
        out = np.where(kind == name, np.hypot(a, b * pt), out)
    return out


def log_normal(generator: np.random.Generator, mean: FloatArray, width: FloatArray) -> FloatArray:
    """Draw from log-normal distributions of given means and widths; a mean of 0 stays 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        b = np.sqrt(np.log1p((width / mean) ** 2))
        drawn = np.exp(np.log(mean) - b**2 / 2 + b * generator.standard_normal(len(mean)))
    return np.where(mean > 0, drawn, 0.0)
