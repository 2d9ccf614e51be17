"""Events with truth and reconstructions side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.events.schema import TARGETS

PID, PT, ETA, SIN_PHI, COS_PHI, ENERGY = (
    TARGETS.index(name) for name in ("pid", "pt", "eta", "sin_phi", "cos_phi", "energy")
)

ACCEPTANCE = 5.0
"""Jets and missing momentum are made of particles up to this |eta|, as the generator's are."""


@dataclass(frozen=True)
class Sample:
    """All elements of a set of events.

    Attributes
    ----------
    n_events : int
        Number of events.
    event : array [N], int64
        Event of each element, from 0.
    is_track : array [N], bool
        Whether the element is a track; else it is a tower.
    truth : array [N, 7], float64
        Targets.
    reconstructions : mapping of str to array [N, 7], float64
        "mlpf" and "ycand", columns as in `TARGETS`.
    jets : array [J, 4], float64
        True jets: pt, eta, phi, mass.
    jet_event : array [J], int64
        Event of each true jet.
    met : array [n_events, 2], float64
        (px, py) of the true missing momentum, GeV.
    reference : str
        What jets and missing momentum are of: all particles of the "generator", or the "targets".
    """

    n_events: int
    event: IntArray
    is_track: BoolArray
    truth: FloatArray
    reconstructions: Mapping[str, FloatArray]
    jets: FloatArray
    jet_event: IntArray
    met: FloatArray
    reference: str = "generator"

    def per_event(self, mask: BoolArray) -> IntArray:
        """Return how many of the chosen elements each event has, [n_events]."""
        return np.bincount(self.event[mask], minlength=self.n_events)

    def kinds(self) -> dict[str, BoolArray]:
        """Return which elements are meant by "all", "track" and "tower"."""
        return {"all": np.ones_like(self.is_track), "track": self.is_track, "tower": ~self.is_track}


def unique(rows: FloatArray, event: IntArray) -> BoolArray:
    """Tell which rows [N, 7] are particles, each counted once where it stands at several elements."""
    keys = np.column_stack([event, rows])
    order = np.lexsort(keys.T)
    differs = np.ones(len(rows), dtype=bool)
    # Rows that are equal bit by bit, in the same event, are one particle; the first of them stands for all.
    differs[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    first = np.zeros(len(rows), dtype=bool)
    first[order] = differs
    return np.asarray(first & (rows[:, PID] > 0))


def momenta(rows: FloatArray) -> FloatArray:
    """Return the four-momenta [n, 4] (px, py, pz, E) of particles [n, 7].

    The energy is at least |p|: a network says energy and momentum independently.
    """
    phi = np.arctan2(rows[:, SIN_PHI], rows[:, COS_PHI])
    pt, eta = rows[:, PT], rows[:, ETA]
    energy = np.maximum(rows[:, ENERGY], pt * np.cosh(eta))
    return np.column_stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy])


def visible_momenta(rows: FloatArray, event: IntArray) -> tuple[FloatArray, IntArray]:
    """Return four-momenta [n, 4] and events [n] of the unique particles up to |eta| = 5."""
    seen = unique(rows, event) & (np.abs(rows[:, ETA]) < ACCEPTANCE) & (rows[:, PT] > 0)
    return momenta(rows[seen]), event[seen]
