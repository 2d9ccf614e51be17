"""Momentum residuals where the class is right: pt and energy relative, eta and phi absolute."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlpf_hpo.array_types import BoolArray, FloatArray
from mlpf_hpo.evaluation.intervals import EventBootstrap
from mlpf_hpo.evaluation.sample import COS_PHI, ENERGY, ETA, PID, PT, SIN_PHI, Sample
from mlpf_hpo.evaluation.table import (
    PARTICLE_EDGES,
    Measured,
    Row,
    cells,
    compare,
    measured_spread,
    side_by_side,
)
from mlpf_hpo.events.schema import CLASSES
from mlpf_hpo.mlpf.physics import RESIDUALS


def residuals(truth: FloatArray, said: FloatArray) -> dict[str, FloatArray]:
    """Return the residuals of particles [n, 7], by `RESIDUALS`: (said - true) / true, or said - true."""
    angle = np.arctan2(said[:, SIN_PHI], said[:, COS_PHI]) - np.arctan2(truth[:, SIN_PHI], truth[:, COS_PHI])
    values = (
        said[:, PT] / truth[:, PT] - 1,
        said[:, ENERGY] / truth[:, ENERGY] - 1,
        said[:, ETA] - truth[:, ETA],
        np.remainder(angle + np.pi, 2 * np.pi) - np.pi,
    )
    return dict(zip(RESIDUALS, values, strict=True))


def residual_rows(sample: Sample, bootstrap: EventBootstrap) -> Iterator[Row]:
    """Yield median, width and tails of the residuals, by class and range of the true particle.

    Each reconstruction counts the elements whose class it has right, which are not the same for both.
    """
    for number, name in enumerate(CLASSES[1:], start=1):
        for kind, chosen in sample.kinds().items():
            true = chosen & (sample.truth[:, PID] == number)
            for cell in cells(PARTICLE_EDGES):
                wanted = true & cell.holds_momenta(*sample.truth[:, [PT, ETA]].T)
                spreads = {
                    algorithm: _spreads(sample, bootstrap, wanted & (said[:, PID] == number), said)
                    for algorithm, said in sample.reconstructions.items()
                }
                for quantity, both in side_by_side(spreads):
                    yield compare(quantity, name, cell, both, elements=kind)


def _spreads(
    sample: Sample, bootstrap: EventBootstrap, right: BoolArray, said: FloatArray
) -> dict[str, Measured]:
    event = sample.event[right]
    return {
        f"{name}_{measure}": value
        for name, values in residuals(sample.truth[right], said[right]).items()
        for measure, value in measured_spread(bootstrap, values, event).items()
    }
