"""Missing transverse momentum (MET): resolution against the generator's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpf_hpo.array_types import BoolArray, FloatArray
from mlpf_hpo.evaluation.intervals import EventBootstrap
from mlpf_hpo.evaluation.sample import Sample, visible_momenta
from mlpf_hpo.evaluation.table import (
    EVERYTHING,
    MET_EDGES,
    Cell,
    Measured,
    Row,
    cells,
    compare,
    measured_spread,
    side_by_side,
)

LEAST = 20.0
"""The response is that of events with at least so much true missing momentum, GeV."""


def missing_momentum(sample: Sample, rows: FloatArray) -> FloatArray:
    """Return minus the sum of the unique particles' (px, py) of each event, [n_events, 2]."""
    momenta, event = visible_momenta(rows, sample.event)
    sums = [np.bincount(event, weights=column, minlength=sample.n_events) for column in momenta.T[:2]]
    return -np.stack(sums, axis=1).astype(np.float64)


def along_and_across(true: FloatArray, said: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the components of `said` - `true` [n, 2] along the true vector and across it, [n] each.

    Where the true vector is zero, along is x.
    """
    length = np.hypot(*true.T)[:, None]
    unit = np.divide(true, length, out=np.tile([1.0, 0.0], (len(true), 1)), where=length > 0)
    error = said - true
    return (error * unit).sum(axis=1), error[:, 1] * unit[:, 0] - error[:, 0] * unit[:, 1]


def met_rows(sample: Sample, bootstrap: EventBootstrap) -> Iterator[Row]:
    """Yield the spread of the error by component, and of the response |said| / |true|.

    `component` pools x and y; `along` is parallel to the true missing momentum, `across` perpendicular.
    Components are also given in ranges of the true missing momentum.
    """
    true = np.hypot(*sample.met.T)
    said = {name: missing_momentum(sample, rows) for name, rows in sample.reconstructions.items()}
    for cell in cells(MET_EDGES):
        inside = np.ones_like(true, dtype=bool) if cell.variable == "all" else cell.holds(true)
        errors = {name: _errors(sample, bootstrap, met, inside) for name, met in said.items()}
        for quantity, both in side_by_side(errors):
            yield compare(quantity, "met", cell, both)
    large = true >= LEAST
    responses = {
        name: measured_spread(bootstrap, np.hypot(*met[large].T) / true[large], np.flatnonzero(large))
        for name, met in said.items()
    }
    over = Cell("met", LEAST, np.inf)
    for measure, both in side_by_side(responses):
        yield compare(f"response_{measure}", "met", over, both)
    means = {name: Measured(bootstrap.mean(np.hypot(*met.T)), sample.n_events) for name, met in said.items()}
    yield compare("mean", "met", EVERYTHING, means, truth=float(true.mean()))


def _errors(
    sample: Sample, bootstrap: EventBootstrap, said: FloatArray, inside: BoolArray
) -> dict[str, Measured]:
    true, said, event = sample.met[inside], said[inside], np.flatnonzero(inside)
    along, across = along_and_across(true, said)
    values = {
        "component": ((said - true).ravel(), np.repeat(event, 2)),
        "along": (along, event),
        "across": (across, event),
    }
    return {
        f"{name}_{measure}": measured
        for name, (value, of) in values.items()
        for measure, measured in measured_spread(bootstrap, value, of).items()
    }
