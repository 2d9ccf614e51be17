"""Calorimeters (CMS card of Delphes): tower grid and energy resolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.events.schema import TOWER_FEATURES

SIGNIFICANCE = 2.0
"""A tower below this many standard deviations is not read out."""

FORWARD = (3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525)


@dataclass(frozen=True)
class Region:
    """A range of |eta|, with ascending edges [k + 1], of towers of one width in phi, in degrees."""

    edges: NDArray[np.floating]
    phi_step: float


@dataclass(frozen=True)
class Calorimeter:
    """One calorimeter.

    Attributes
    ----------
    regions : tuple of Region
        From the centre outwards, each beginning where the one before ends.
    sigma : callable
        Energy resolution in GeV from (energy, eta).
    threshold : float
        Least energy that is read out, GeV.
    feature : int
        Feature column of this calorimeter's energy.
    """

    regions: tuple[Region, ...]
    sigma: Callable[[FloatArray, FloatArray], FloatArray]
    threshold: float
    feature: int

    @cached_property
    def edges(self) -> FloatArray:
        """Edges in |eta| of all rings."""
        return np.unique(np.concatenate([region.edges for region in self.regions]))

    @cached_property
    def phi_steps(self) -> FloatArray:
        """Width in phi of each ring, rad."""
        steps = [np.full(len(region.edges) - 1, region.phi_step) for region in self.regions]
        return np.deg2rad(np.concatenate(steps))

    @property
    def n_numbers(self) -> int:
        """All tower numbers are below this."""
        return 2 * COLUMNS * (len(self.edges) - 1)

    def tower(self, eta: FloatArray, phi: FloatArray) -> IntArray:
        """Return the number of the tower at (eta, phi), -1 outside the acceptance."""
        ring = np.searchsorted(self.edges, np.abs(eta), side="right") - 1
        seen = (ring >= 0) & (ring < len(self.edges) - 1) & np.isfinite(phi)
        step = self.phi_steps[np.where(seen, ring, 0)]
        column = np.floor(np.mod(np.where(seen, phi, 0.0), 2 * np.pi) / step).astype(np.int64)
        column = np.minimum(column, np.rint(2 * np.pi / step).astype(np.int64) - 1)
        side = (eta < 0).astype(np.int64)
        return np.where(seen, (ring * 2 + side) * COLUMNS + column, -1)

    def bounds(self, tower: IntArray) -> FloatArray:
        """Return eta and phi edges of towers, [n, 4]: eta low, eta high, phi low, phi high."""
        ring, side, column = tower // COLUMNS // 2, tower // COLUMNS % 2, tower % COLUMNS
        inner, outer = self.edges[ring], self.edges[ring + 1]
        step = self.phi_steps[ring]
        low, high = np.where(side == 1, -outer, inner), np.where(side == 1, -inner, outer)
        return np.stack([low, high, column * step, (column + 1) * step], axis=1)

    def centre_eta(self, tower: IntArray) -> FloatArray:
        """Return the eta of the centres of towers, [n]."""
        return self.bounds(tower)[:, :2].mean(axis=1)

    def is_read_out(self, energy: FloatArray, sigma: FloatArray) -> BoolArray:
        """Tell which measured energies, with resolutions `sigma` there, pass threshold and significance."""
        return (energy >= self.threshold) & (energy >= SIGNIFICANCE * sigma)


COLUMNS = 1024
"""More than any ring has towers in phi: makes tower numbers unique."""


def ecal_sigma(energy: FloatArray, eta: FloatArray) -> FloatArray:
    """Return the resolution of the electromagnetic calorimeter, GeV."""
    absolute = np.abs(eta)
    central = np.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
    return np.select(
        [absolute <= 1.5, absolute <= 2.5],
        [(1 + 0.64 * absolute**2) * central, (2.16 + 5.6 * (absolute - 2) ** 2) * central],
        np.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy),
    )


def hcal_sigma(energy: FloatArray, eta: FloatArray) -> FloatArray:
    """Return the resolution of the hadronic calorimeter, GeV."""
    central = np.sqrt((0.05 * energy) ** 2 + 1.5**2 * energy)
    return np.where(np.abs(eta) <= 3.0, central, np.sqrt((0.13 * energy) ** 2 + 2.7**2 * energy))


ECAL = Calorimeter(
    regions=(
        Region(np.arange(171) * 0.0174, 1.0),
        Region(np.array([170 * 0.0174, *FORWARD, 4.7, 5.0]), 10.0),
    ),
    sigma=ecal_sigma,
    threshold=0.5,
    feature=TOWER_FEATURES.index("energy_em"),
)
HCAL = Calorimeter(
    regions=(
        Region(np.arange(20) * 0.087, 5.0),
        Region(
            np.array([19 * 0.087, 1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95, *FORWARD]),
            10.0,
        ),
        Region(np.array([4.525, 4.7, 5.0]), 20.0),
    ),
    sigma=hcal_sigma,
    threshold=1.0,
    feature=TOWER_FEATURES.index("energy_had"),
)

SHARES = {
    **dict.fromkeys((11, 22, 111), (1.0, 0.0)),
    **dict.fromkeys((12, 13, 14, 16), (0.0, 0.0)),
    **dict.fromkeys((310, 3122), (0.3, 0.7)),
}
"""Shares of ECAL and HCAL by absolute PDG code; (0, 1) for all others."""


def energy_shares(pid: IntArray) -> FloatArray:
    """Return the shares of a particle's energy that ECAL and HCAL see, [2, n]."""
    absolute = np.abs(pid)
    electromagnetic, hadronic = np.zeros(len(pid)), np.ones(len(pid))
    for code, (of_ecal, of_hcal) in SHARES.items():
        chosen = absolute == code
        electromagnetic[chosen], hadronic[chosen] = of_ecal, of_hcal
    return np.stack([electromagnetic, hadronic])
