"""What a store holds, in numbers that a physicist looks for first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpf_hpo.events.schema import CLASSES, N_CLASSES, TRACK, Event
from mlpf_hpo.events.store import EventStore

KINDS = ("track", "ECAL tower", "HCAL tower")
"""Kinds of elements. A tower is of the calorimeter in which it has more energy."""

ENERGY_EM, ENERGY_HAD = 6, 7
"""Feature columns of a tower."""

MAX_EVENTS = 1000
"""Events that are looked at, spread over the store: enough for shares, and seconds at any size."""


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
        Class -> mean number an event, of classes other than "none"; candidates are empty if there are none.
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
    targets: dict[str, float]
    candidates: dict[str, float]
    jets_mean: float | None
    n_bytes: int


def element_kinds(event: Event) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the index into `KINDS` of each element, [N]."""
    features = event.features
    towers = np.where(features[:, ENERGY_EM] > features[:, ENERGY_HAD], 1, 2)
    return np.where(features[:, 0] == TRACK, 0, towers)


def summarise(store: EventStore, max_events: int = MAX_EVENTS) -> StoreSummary:
    """Return the summary of a store; of more than `max_events` events, of so many spread over it."""
    chosen = np.unique(np.linspace(0, len(store) - 1, max_events).astype(int))
    kinds = np.zeros(len(KINDS))
    targets, candidates = np.zeros(N_CLASSES), np.zeros(N_CLASSES)
    jets = 0
    for i in chosen:
        event = store[int(i)]
        kinds += np.bincount(element_kinds(event), minlength=len(KINDS))
        targets += np.bincount(event.targets[:, 0].astype(int), minlength=N_CLASSES)
        if event.candidates is not None:
            candidates += np.bincount(event.candidates[:, 0].astype(int), minlength=N_CLASSES)
        if event.generator_jets is not None:
            jets += len(event.generator_jets)
    counts, n, elements = store.element_counts, len(chosen), max(kinds.sum(), 1.0)
    return StoreSummary(
        n_looked_at=n,
        elements_mean=float(counts.mean()),
        elements_width=float(counts.std()),
        elements_range=(int(counts.min()), int(counts.max())),
        kinds=dict(zip(KINDS, (kinds / elements).tolist(), strict=True)),
        without_target=float(targets[0] / elements),
        targets=dict(zip(CLASSES[1:], (targets[1:] / n).tolist(), strict=True)),
        candidates=dict(zip(CLASSES[1:], (candidates[1:] / n).tolist(), strict=True))
        if store.manifest["has_candidates"]
        else {},
        jets_mean=jets / n if store.manifest["has_generator_jets"] else None,
        n_bytes=sum(Path(store.path / name).stat().st_size for name in store.manifest["files"]),
    )
