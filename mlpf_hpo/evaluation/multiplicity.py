"""Particle multiplicity of events, each particle counted once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpf_hpo.evaluation.intervals import EventBootstrap
from mlpf_hpo.evaluation.sample import PID, Sample, unique
from mlpf_hpo.evaluation.table import EVERYTHING, Measured, Row, compare
from mlpf_hpo.events.schema import CLASSES

GROUPS = {
    "particle": tuple(range(1, len(CLASSES))),
    "charged": tuple(CLASSES.index(name) for name in ("charged hadron", "electron", "muon")),
    "neutral": tuple(CLASSES.index(name) for name in ("neutral hadron", "photon")),
    **{name: (number,) for number, name in enumerate(CLASSES) if number > 0},
}
"""Which classes are counted together."""


def multiplicity_rows(sample: Sample, bootstrap: EventBootstrap) -> Iterator[Row]:
    """Yield the mean number of particles per event by class, and of charged and neutral ones."""
    tables = {"truth": sample.truth, **sample.reconstructions}
    single = {name: unique(rows, sample.event) for name, rows in tables.items()}
    for group, classes in GROUPS.items():
        counted = {
            name: sample.per_event(single[name] & np.isin(rows[:, PID], classes))
            for name, rows in tables.items()
        }
        truth = float(counted.pop("truth").mean())
        both = {name: Measured(bootstrap.mean(counts), int(counts.sum())) for name, counts in counted.items()}
        yield compare("per_event", group, EVERYTHING, both, truth=truth)
