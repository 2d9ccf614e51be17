"""Efficiency, fakes, confusion, momenta and multiplicity: known answers, and counting one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpf_hpo.evaluation.classification import classification_rows, confusion
from mlpf_hpo.evaluation.intervals import EventBootstrap, clopper_pearson
from mlpf_hpo.evaluation.multiplicity import multiplicity_rows
from mlpf_hpo.evaluation.residuals import residual_rows, residuals
from mlpf_hpo.evaluation.sample import Sample, momenta, unique, visible_momenta
from mlpf_hpo.evaluation.table import FEWEST, PARTICLE_EDGES, Cell, Row, cells
from mlpf_hpo.events.schema import CLASSES
from tests.evaluation.conftest import NOTHING, rows

CHARGED, NEUTRAL, PHOTON = "charged hadron", "neutral hadron", "photon"


def by_name(found: list[Row]) -> dict[tuple[str, str, str, str, float], Row]:
    return {(r.quantity, r.of, r.elements, r.cell.variable, r.cell.low): r for r in found}


def test_known_efficiencies_and_fakes(make_sample) -> None:
    a, b, c = (CHARGED, 3.0, 0.1, 0.0), (CHARGED, 30.0, 2.2, 1.0), (PHOTON, 4.0, -1.2, 2.0)
    sample = make_sample(
        truth=[[a, b], [c, NOTHING]],
        mlpf=[[a, c], [c, c]],
        is_track=[True, False, False, False],
    )
    found = by_name(list(classification_rows(sample, EventBootstrap(2, 0, 20))))

    def mlpf(*key: object) -> tuple[float, int]:
        return found[key].mlpf.value, found[key].n_mlpf  # type: ignore[index]

    everything = ("all", -np.inf)
    assert mlpf("efficiency", CHARGED, "all", *everything) == (0.5, 2)
    assert mlpf("efficiency", CHARGED, "track", *everything) == (1.0, 1)
    assert mlpf("efficiency", CHARGED, "tower", *everything) == (0.0, 1)
    assert mlpf("efficiency", CHARGED, "all", "pt", 20.0) == (0.0, 1)
    assert mlpf("efficiency", CHARGED, "all", "eta", 0.0) == (1.0, 1)
    assert mlpf("fake_rate", PHOTON, "all", *everything) == (2 / 3, 3)
    assert mlpf("fake_rate", PHOTON, "all", "eta", 1.0) == (2 / 3, 3), "|eta| of what is said"
    assert mlpf("fake_rate", CHARGED, "all", *everything) == (0.0, 1)
    nobody = found["efficiency", "muon", "all", *everything]
    assert (nobody.n_mlpf, math.isnan(nobody.mlpf.value)) == (0, True)
    assert found["accuracy", "element", "all", *everything].mlpf.value == 0.5
    perfect = found["efficiency", CHARGED, "all", *everything]
    assert perfect.ycand == clopper_pearson(2, 2)
    assert perfect.difference.value == perfect.ratio.value - 1 == -0.5


def test_every_range_equals_counting_one_by_one(random_sample: Sample) -> None:
    s = random_sample
    kinds = {"all": lambda _: True, "track": lambda i: s.is_track[i], "tower": lambda i: not s.is_track[i]}

    def inside(cell: Cell, row: np.ndarray) -> bool:
        value = {"pt": row[2], "eta": abs(row[3]), "all": 0.0}[cell.variable]
        return bool(cell.low <= value < cell.high)

    checked = 0
    for found in classification_rows(s, EventBootstrap(s.n_events, 0, 5)):
        if found.quantity == "accuracy":
            continue
        c = CLASSES.index(found.of)
        for name, estimate in (("mlpf", found.mlpf), ("ycand", found.ycand)):
            passed = total = 0
            for i, (true, said) in enumerate(zip(s.truth, s.reconstructions[name], strict=True)):
                of, counts = (true, said[0] == c) if found.quantity == "efficiency" else (said, true[0] != c)
                if of[0] == c and kinds[found.elements](i) and inside(found.cell, of):
                    total += 1
                    passed += bool(counts)
            assert (getattr(found, f"n_{name}"), estimate) == (
                total,
                pytest.approx(clopper_pearson(passed, total), nan_ok=True),
            )
            checked += total > 0
    assert checked > 300


def test_differences_are_of_the_same_events(random_sample: Sample) -> None:
    """The same reconstruction twice: no difference, and no uncertainty about it."""
    s = random_sample
    twice = Sample(
        **{**vars(s), "reconstructions": dict.fromkeys(("mlpf", "ycand"), s.reconstructions["mlpf"])}
    )
    found = [
        *classification_rows(twice, EventBootstrap(30, 0, 30)),
        *residual_rows(twice, EventBootstrap(30, 0, 30)),
    ]
    measured = [row for row in found if np.isfinite(row.mlpf.value)]
    assert len(measured) > 300
    for row in measured:
        assert row.difference.value == 0
        assert all(bound == 0 or math.isnan(bound) for bound in row.difference[1:])


def test_confusion_counts_every_element(random_sample: Sample) -> None:
    s = random_sample
    counts = confusion(s.truth, s.reconstructions["mlpf"])
    for true in range(6):
        for said in range(6):
            pairs = zip(s.truth[:, 0], s.reconstructions["mlpf"][:, 0], strict=True)
            assert counts[true, said] == sum(pair == (true, said) for pair in pairs)


def test_residuals_and_their_turn_in_phi() -> None:
    truth = rows([(CHARGED, 10.0, 0.5, 3.1), (PHOTON, 4.0, -1.0, 0.0)])
    said = rows([(CHARGED, 12.0, 0.6, -3.1), (PHOTON, 2.0, -1.0, 0.2)])
    found = residuals(truth, said)
    assert found["pt"] == pytest.approx([0.2, -0.5])
    assert found["eta"] == pytest.approx([0.1, 0.0])
    assert found["phi"] == pytest.approx([2 * math.pi - 6.2, 0.2])
    assert found["energy"] == pytest.approx([12 * math.cosh(0.6) / (10 * math.cosh(0.5)) - 1, -0.5])


def test_spread_of_the_residuals(random_sample: Sample) -> None:
    s = random_sample
    found = by_name(list(residual_rows(s, EventBootstrap(30, 0, 10))))
    for c, name in enumerate(CLASSES):
        if c == 0:
            continue
        for kind, chosen in (("all", np.ones(len(s.event), bool)), ("tower", ~s.is_track)):
            said = s.reconstructions["mlpf"]
            right = (
                (s.truth[:, 0] == c) & (said[:, 0] == c) & chosen & (s.truth[:, 2] >= 1) & (s.truth[:, 2] < 2)
            )
            values = said[right, 2] / s.truth[right, 2] - 1
            row = found["pt_width", name, kind, "pt", 1.0]
            assert row.n_mlpf == len(values)
            if len(values) < FEWEST:
                assert math.isnan(row.mlpf.value)
                continue
            low, high = np.quantile(values, [0.25, 0.75])
            assert row.mlpf.value == pytest.approx((high - low) / 1.349)
            assert found["pt_median", name, kind, "pt", 1.0].mlpf.value == pytest.approx(np.median(values))


def test_ranges_cover_every_value_once() -> None:
    for variable, ends in PARTICLE_EDGES.items():
        ranges = [cell for cell in cells(PARTICLE_EDGES) if cell.variable == variable]
        for value in (0.0, 0.3, 1.0, 2.5, 4.999, 1e6):
            assert sum(bool(cell.holds(np.array([value]))[0]) for cell in ranges) == 1
        assert len(ranges) == len(ends) - 1


def test_a_particle_at_several_elements_counts_once(make_sample) -> None:
    """The same row twice in one event is one particle; in another event it is another."""
    a, b = (NEUTRAL, 10.0, 0.5, 0.5), (PHOTON, 4.0, 1.0, -1.0)
    sample = make_sample(truth=[[a, a, b, NOTHING], [a, b]], mlpf=[[a, a, a, a], [NOTHING, NOTHING]])
    assert unique(sample.truth, sample.event).tolist() == [True, False, True, False, True, True]
    found = {row.of: row for row in multiplicity_rows(sample, EventBootstrap(2, 0, 10))}
    assert found["particle"].truth == 2.0
    assert found["particle"].mlpf.value == 0.5
    assert found["particle"].ycand.value == 2.0
    assert found[NEUTRAL].truth == found["neutral"].truth / 2 == 1.0
    assert found["charged"].truth == 0.0


def test_momenta_are_physical() -> None:
    table = rows([(PHOTON, 3.0, 0.7, 2.0), (NEUTRAL, 2.0, -1.5, -0.3)])
    table[0, 6] *= 0.5  # an energy below |p|
    table[1, 6] = np.hypot(table[1, 6], 0.5)  # one of mass 0.5
    table[:, 4:6] *= 3.0  # sine and cosine of a network are not on the unit circle
    p = momenta(table)
    assert np.hypot(p[:, 0], p[:, 1]) == pytest.approx([3.0, 2.0])
    assert np.arctan2(p[:, 1], p[:, 0]) == pytest.approx([2.0, -0.3])
    assert np.arcsinh(p[:, 2] / np.hypot(p[:, 0], p[:, 1])) == pytest.approx([0.7, -1.5])
    assert p[:, 3] ** 2 - (p[:, :3] ** 2).sum(axis=1) == pytest.approx([0.0, 0.5**2], abs=1e-12)


def test_what_is_seen_ends_at_eta_5() -> None:
    table = rows([(PHOTON, 3.0, 4.9, 0.0), (PHOTON, 3.0, -5.1, 0.0), (PHOTON, 3.0, 900.0, 0.0), NOTHING])
    seen, event = visible_momenta(table, np.zeros(4, dtype=int))
    assert np.isfinite(seen).all()
    assert (len(seen), event.tolist()) == (1, [0])
