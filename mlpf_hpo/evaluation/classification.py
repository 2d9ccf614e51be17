"""Classification of elements: efficiency, fake rate, confusion matrix.

``efficiency(c) = #(true = c and said = c) / #(true = c)`` and
``fake_rate(c) = #(said = c and true != c) / #(said = c)``, over elements. Ranges are those of the true
particle for the efficiency, of the reconstructed one for the fake rate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.evaluation.intervals import EventBootstrap
from mlpf_hpo.evaluation.sample import ETA, PID, PT, Sample
from mlpf_hpo.evaluation.table import (
    EVERYTHING,
    PARTICLE_EDGES,
    Cell,
    Row,
    cells,
    compare,
    measured_fraction,
)
from mlpf_hpo.events.schema import CLASSES, N_CLASSES


def classification_rows(sample: Sample, bootstrap: EventBootstrap) -> Iterator[Row]:
    """Yield efficiency and fake rate of every class, at all elements, at tracks and at towers."""

    def fraction(
        quantity: str, of: str, cell: Cell, kind: str, counted: dict[str, tuple[BoolArray, BoolArray]]
    ) -> Row:
        both = {
            name: measured_fraction(bootstrap, sample.per_event(passed), sample.per_event(total))
            for name, (passed, total) in counted.items()
        }
        return compare(quantity, of, cell, both, elements=kind)

    said = sample.reconstructions
    for number, name in enumerate(CLASSES[1:], start=1):
        true = sample.truth[:, PID] == number
        claims = {algorithm: rows[:, PID] == number for algorithm, rows in said.items()}
        for kind, chosen in sample.kinds().items():
            for cell in cells(PARTICLE_EDGES):
                wanted = true & chosen & cell.holds_momenta(*sample.truth[:, [PT, ETA]].T)
                found = {a: (wanted & claim, wanted) for a, claim in claims.items()}
                yield fraction("efficiency", name, cell, kind, found)
                claimed = {
                    a: claim & chosen & cell.holds_momenta(*said[a][:, [PT, ETA]].T)
                    for a, claim in claims.items()
                }
                wrong = {a: (claim & ~true, claim) for a, claim in claimed.items()}
                yield fraction("fake_rate", name, cell, kind, wrong)
    everywhere = np.ones(len(sample.event), dtype=bool)
    right = {a: (rows[:, PID] == sample.truth[:, PID], everywhere) for a, rows in said.items()}
    yield fraction("accuracy", "element", EVERYTHING, "all", right)


def confusion(truth: FloatArray, said: FloatArray) -> IntArray:
    """Return counts [6, 6] of elements [n, 7] by true class (row) and class said (column)."""
    pairs = truth[:, PID].astype(np.int64) * N_CLASSES + said[:, PID].astype(np.int64)
    return np.bincount(pairs, minlength=N_CLASSES**2).reshape(N_CLASSES, N_CLASSES)
