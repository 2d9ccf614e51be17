"""Jets of reconstructed particles, matched to generator jets: response, efficiency, fake rate.

The least pt of a jet, 5 GeV, holds for both sides: near it, only jets that are measured too high are matched,
and the response of the first ranges says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.evaluation.intervals import EventBootstrap
from mlpf_hpo.evaluation.sample import ACCEPTANCE, Sample, visible_momenta
from mlpf_hpo.evaluation.table import (
    EVERYTHING,
    JET_EDGES,
    Cell,
    Measured,
    Row,
    cells,
    compare,
    measured_fraction,
    measured_spread,
    side_by_side,
)
from mlpf_hpo.events.jets import anti_kt

MATCH = 0.1
"""Largest distance in (eta, phi) of a reconstructed jet from its generator jet."""


@dataclass(frozen=True)
class Jets:
    """Jets of all events up to |eta| = 5, and which of them belong together.

    Attributes
    ----------
    true, said : arrays [G, 4], [R, 4], float64
        Generator's and reconstructed jets: pt, eta, phi, mass.
    true_event, said_event : arrays [G], [R], int64
        Event of each.
    matched_true, matched_said : arrays [M], int64
        Pairs: rows of `true`, and of `said`.
    """

    true: FloatArray
    true_event: IntArray
    said: FloatArray
    said_event: IntArray
    matched_true: IntArray
    matched_said: IntArray

    @property
    def response(self) -> FloatArray:
        """Reconstructed over true pt of the pairs, [M]."""
        return np.asarray(self.said[self.matched_said, 0] / self.true[self.matched_true, 0])


def reconstructed_jets(sample: Sample, rows: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the jets [R, 4] of the unique particles among `rows` [N, 7], and their events [R].

    Raises
    ------
    ConfigurationError
        If FastJet is not installed.
    """
    momenta, event = visible_momenta(rows, sample.event)
    edges = np.searchsorted(event, np.arange(sample.n_events + 1))
    found = [anti_kt(momenta[a:b]) for a, b in pairwise(edges)]
    jets = np.concatenate(found).astype(np.float64)
    return jets, np.repeat(np.arange(sample.n_events), [len(jets) for jets in found])


def match(true: FloatArray, said: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the rows [M] of `true`, and of `said`, of the pairs of jets [n, 4] of one event.

    The closest pair comes first, no jet twice, none further than 0.1 apart.
    """
    eta = true[:, None, 1] - said[None, :, 1]
    phi = np.remainder(true[:, None, 2] - said[None, :, 2] + np.pi, 2 * np.pi) - np.pi
    distance = np.hypot(eta, phi)
    candidates = np.argwhere(distance < MATCH)
    pairs: dict[int, int] = {}
    for i, j in candidates[np.argsort(distance[tuple(candidates.T)], kind="stable")].tolist():
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return np.array(list(pairs), dtype=np.int64), np.array(list(pairs.values()), dtype=np.int64)


def find_jets(sample: Sample, rows: FloatArray) -> Jets:
    """Cluster the particles [N, 7] of a reconstruction and match its jets to the generator's."""
    said, said_event = reconstructed_jets(sample, rows)
    inner, said_inner = np.abs(sample.jets[:, 1]) < ACCEPTANCE, np.abs(said[:, 1]) < ACCEPTANCE
    true, true_event = sample.jets[inner], sample.jet_event[inner]
    said, said_event = said[said_inner], said_event[said_inner]
    matched: list[tuple[IntArray, IntArray]] = []
    for number in range(sample.n_events):
        of_true, of_said = np.flatnonzero(true_event == number), np.flatnonzero(said_event == number)
        i, j = match(true[of_true], said[of_said])
        matched.append((of_true[i], of_said[j]))
    pairs = [np.concatenate(column) for column in zip(*matched, strict=True)]
    return Jets(true, true_event, said, said_event, *pairs)


def jet_rows(sample: Sample, bootstrap: EventBootstrap, jets: dict[str, Jets]) -> Iterator[Row]:
    """Yield counts, efficiency, fake rate and response, in ranges of pt and |eta|.

    Ranges are those of the generator jet, and of the reconstructed jet for the fake rate.
    `response_resolution` is the width of the response over its median.
    """
    counts = {
        name: Measured(bootstrap.mean(_count(sample, found.said_event)), len(found.said))
        for name, found in jets.items()
    }
    true = _count(sample, jets["mlpf"].true_event)
    yield compare("jets_per_event", "jet", EVERYTHING, counts, truth=float(true.mean()))
    for cell in cells(JET_EDGES):
        measured = {name: _measured(sample, bootstrap, found, cell) for name, found in jets.items()}
        for quantity, both in side_by_side(measured):
            yield compare(quantity, "jet", cell, both)


def _count(sample: Sample, event: IntArray) -> IntArray:
    return np.bincount(event, minlength=sample.n_events)


def _measured(sample: Sample, bootstrap: EventBootstrap, jets: Jets, cell: Cell) -> dict[str, Measured]:
    """Return efficiency, fake rate and response of one reconstruction's jets in one range."""

    def fraction(passed: IntArray, total: IntArray) -> Measured:
        return measured_fraction(bootstrap, _count(sample, passed), _count(sample, total))

    wanted, claimed = (cell.holds_momenta(*rows.T[:2]) for rows in (jets.true, jets.said))
    wrong = claimed.copy()
    wrong[jets.matched_said] = False
    pairs = wanted[jets.matched_true]
    event = jets.true_event[jets.matched_true[pairs]]
    response = measured_spread(bootstrap, jets.response[pairs], event)
    width = response.pop("width")
    response["resolution"] = Measured(width.values / response["median"].values, width.n)
    return {
        "efficiency": fraction(event, jets.true_event[wanted]),
        "fake_rate": fraction(jets.said_event[wrong], jets.said_event[claimed]),
        **{f"response_{name}": measured for name, measured in response.items()},
    }
