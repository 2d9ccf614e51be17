"""Summary of an event store: multiplicities, momenta, responses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.events.schema import CLASSES, TARGETS, TOWER_FEATURES, TRACK
from mlpf_hpo.events.store import EventStore

FloatArray = NDArray[np.floating]

KINDS = ("track", "ECAL tower", "HCAL tower")
"""Kinds of elements. A tower is of the calorimeter in which it has more energy."""

ENERGY_EM, ENERGY_HAD = (TOWER_FEATURES.index(name) for name in ("energy_em", "energy_had"))

PID_AND_PT = [TARGETS.index("pid"), TARGETS.index("pt")]
"""Columns of targets and candidates."""

MAX_EVENTS = 1000
"""Events that are looked at, spread over the store: enough for shares, and seconds at any size."""

PARTS = (0.05, 0.5, 0.95)
"""Quantiles that stand for a distribution."""


@dataclass(frozen=True)
class Particles:
    """Particles of one class: mean number per event, and the `PARTS` of pt in GeV, NaN if there are none."""

    per_event: float
    pt: tuple[float, ...]


@dataclass(frozen=True)
class StoreSummary:
    """Counts over the events that were looked at.

    Attributes
    ----------
    n_looked_at : int
        Events.
    elements_mean, elements_width : float
        Mean and standard deviation of the number of elements of all events.
    elements_range : tuple of int
        Fewest and most.
    kinds : dict
        Share of each of `KINDS` among the elements.
    without_target : float
        Share of elements without a target.
    targets, candidates : dict
        Class -> particles, of classes other than "none"; candidates are empty if there are none.
    responses : dict
        Class -> `PARTS` of the candidate's pt over the target's, where both have the class.
    jets_mean : float or None
        Mean number of generator jets, if these are known.
    n_bytes : int
        Size on disk.
    """

    n_looked_at: int
    elements_mean: float
    elements_width: float
    elements_range: tuple[int, int]
    kinds: dict[str, float]
    without_target: float
    targets: dict[str, Particles]
    candidates: dict[str, Particles]
    responses: dict[str, tuple[float, ...]]
    jets_mean: float | None
    n_bytes: int


def element_kinds(features: FloatArray) -> NDArray[np.intp]:
    """Return the index into `KINDS` of each element, [N], by its features [N, 12]."""
    towers = np.where(features[:, ENERGY_EM] > features[:, ENERGY_HAD], 1, 2)
    return np.where(features[:, 0] == TRACK, 0, towers)


def summarise(store: EventStore, max_events: int = MAX_EVENTS) -> StoreSummary:
    """Return the summary of a store; of more than `max_events` events, of so many spread over it."""
    chosen = np.unique(np.linspace(0, len(store) - 1, max_events).astype(int))
    kinds = np.zeros(len(KINDS))
    targets, candidates = [], []
    jets = 0
    for i in chosen:
        event = store[int(i)]
        kinds += np.bincount(element_kinds(event.features), minlength=len(KINDS))
        targets.append(event.targets[:, PID_AND_PT])
        if event.candidates is not None:
            candidates.append(event.candidates[:, PID_AND_PT])
        if event.generator_jets is not None:
            jets += len(event.generator_jets)
    truth, said = np.concatenate(targets), np.concatenate(candidates) if candidates else None
    counts, n, elements = store.element_counts, len(chosen), max(kinds.sum(), 1.0)
    return StoreSummary(
        n_looked_at=n,
        elements_mean=float(counts.mean()),
        elements_width=float(counts.std()),
        elements_range=(int(counts.min()), int(counts.max())),
        kinds=dict(zip(KINDS, (kinds / elements).tolist(), strict=True)),
        without_target=float(np.sum(truth[:, 0] == 0) / elements),
        targets=_by_class(truth, n),
        candidates={} if said is None else _by_class(said, n),
        responses={} if said is None else _responses(truth, said),
        jets_mean=jets / n if store.manifest["has_generator_jets"] else None,
        n_bytes=sum(Path(store.path / name).stat().st_size for name in store.manifest["files"]),
    )


def _by_class(particles: FloatArray, n_events: int) -> dict[str, Particles]:
    """Return the particles [n, 2], class and pt, of each class."""
    out = {}
    for code, name in enumerate(CLASSES[1:], start=1):
        pt = particles[particles[:, 0] == code, 1]
        out[name] = Particles(len(pt) / n_events, _parts(pt))
    return out


def _responses(truth: FloatArray, said: FloatArray) -> dict[str, tuple[float, ...]]:
    out = {}
    for code, name in enumerate(CLASSES[1:], start=1):
        both = (truth[:, 0] == code) & (said[:, 0] == code) & (truth[:, 1] > 0)
        out[name] = _parts(said[both, 1] / truth[both, 1])
    return out


def _parts(values: FloatArray) -> tuple[float, ...]:
    return tuple(np.quantile(values, PARTS).tolist()) if len(values) else (math.nan,) * len(PARTS)
