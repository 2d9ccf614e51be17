"""Jets and missing momentum: hand-made events with known answers, matching against trying every pair."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mlpf_hpo.evaluation.intervals import EventBootstrap
from mlpf_hpo.evaluation.jets import MATCH, find_jets, jet_rows, match
from mlpf_hpo.evaluation.met import along_and_across, met_rows, missing_momentum
from mlpf_hpo.evaluation.table import Row

pytest.importorskip("fastjet")

PHOTON = "photon"


def jet_table(sample, replicas: int = 20) -> dict[tuple[str, str, float], Row]:
    jets = {name: find_jets(sample, table) for name, table in sample.reconstructions.items()}
    found = jet_rows(sample, EventBootstrap(sample.n_events, 0, replicas), jets)
    return {(row.quantity, row.cell.variable, row.cell.low): row for row in found}


def test_a_candidate_at_several_elements_is_clustered_once(make_sample) -> None:
    a, b = (PHOTON, 20.0, 0.5, 1.0), (PHOTON, 10.0, 0.5, 1.2)
    sample = make_sample([[a, b, a, a]], jets=[[(30.0, 0.5, 1.067)]])
    jets = find_jets(sample, sample.truth)
    assert len(jets.said) == 1
    assert jets.response == pytest.approx(
        [math.hypot(20 + 10 * math.cos(0.2), 10 * math.sin(0.2)) / 30], rel=1e-5
    )


def test_known_jets(make_sample) -> None:
    """Two true jets, one found at 0.9 of its pt; one made up; two too soft or too far forward to count."""
    true, lost, fake = (PHOTON, 40.0, 0.3, 0.2), (PHOTON, 12.0, -2.0, 2.0), (PHOTON, 8.0, 3.5, -2.0)
    found, soft, forward = (PHOTON, 36.0, 0.33, 0.24), (PHOTON, 4.9, -2.0, 2.0), (PHOTON, 60.0, 5.2, 0.0)
    sample = make_sample(
        truth=[[true, lost, NOTHING, NOTHING]],
        mlpf=[[found, soft, fake, forward]],
        jets=[[(40.0, 0.3, 0.2), (12.0, -2.0, 2.0)]],
    )
    table = jet_table(sample)
    everything = ("all", -np.inf)

    def mlpf(*key: object) -> tuple[float, int]:
        return table[key].mlpf.value, table[key].n_mlpf  # type: ignore[index]

    assert mlpf("efficiency", *everything) == (0.5, 2)
    assert mlpf("fake_rate", *everything) == (0.5, 2)
    assert mlpf("efficiency", "pt", 30.0) == (1.0, 1)
    assert mlpf("efficiency", "pt", 10.0) == (0.0, 1)
    assert mlpf("fake_rate", "eta", 3.0) == (1.0, 1)
    assert mlpf("jets_per_event", *everything) == (2.0, 2)
    assert table["jets_per_event", "all", -np.inf].truth == 2.0
    assert table["efficiency", "all", -np.inf].ycand.value == 1.0
    assert find_jets(sample, sample.reconstructions["mlpf"]).response == pytest.approx([0.9], rel=1e-5)
    assert math.isnan(mlpf("response_median", *everything)[0]), "one jet has no spread"


NOTHING = ("none", 0.0, 0.0, 0.0)


def test_response_of_many_jets(make_sample) -> None:
    """One jet per event, measured with a known spread: its median and width come back."""
    generator = np.random.default_rng(0)
    factor = np.exp(generator.normal(-0.1, 0.15, 400))
    truth = [[(PHOTON, 50.0, 0.2, 1.0)]] * 400
    said = [[(PHOTON, 50.0 * float(f), 0.2, 1.0)] for f in factor]
    table = jet_table(make_sample(truth, mlpf=said, jets=[[(50.0, 0.2, 1.0)]] * 400), replicas=100)
    median, resolution = table["response_median", "pt", 50.0], table["response_resolution", "pt", 50.0]
    low, middle, high = np.quantile(factor, [0.25, 0.5, 0.75])
    assert median.mlpf.value == pytest.approx(middle, rel=1e-5)
    assert resolution.mlpf.value == pytest.approx((high - low) / 1.349 / middle, rel=1e-4)
    assert median.mlpf.low < math.exp(-0.1) < median.mlpf.high + 0.02
    assert median.ycand.value == pytest.approx(1.0, rel=1e-5)
    assert median.difference.value == pytest.approx(middle - 1, rel=1e-4)


def best_matching(true: np.ndarray, said: np.ndarray) -> set[tuple[int, int]]:
    """Take the closest pair within reach again and again, looking at all of them each time."""
    left_true, left_said, pairs = set(range(len(true))), set(range(len(said))), set()
    while True:
        reach = []
        for i, j in itertools.product(left_true, left_said):
            turn = abs(true[i, 2] - said[j, 2]) % (2 * math.pi)
            reach.append((math.hypot(true[i, 1] - said[j, 1], min(turn, 2 * math.pi - turn)), i, j))
        if not reach or min(reach)[0] >= MATCH:
            return pairs
        _, i, j = min(reach)
        pairs.add((i, j))
        left_true.remove(i)
        left_said.remove(j)


@pytest.mark.parametrize("seed", range(20))
def test_matching_equals_trying_every_pair(seed: int) -> None:
    generator = np.random.default_rng(seed)

    def jets(n: int) -> np.ndarray:
        phi = np.pi - np.remainder(generator.uniform(-0.15, 0.15, n), 2 * np.pi)  # about the seam at pi
        return np.column_stack([np.full(n, 20.0), generator.uniform(0, 0.3, n), phi, np.zeros(n)])

    true, said = jets(int(generator.integers(0, 9))), jets(int(generator.integers(0, 9)))
    i, j = match(true, said)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == best_matching(true, said)


def test_jets_of_different_events_never_match(make_sample) -> None:
    jet = (PHOTON, 20.0, 0.0, 0.0)
    sample = make_sample([[jet], [NOTHING]], mlpf=[[NOTHING], [jet]], jets=[[(20.0, 0.0, 0.0)], []])
    assert len(find_jets(sample, sample.reconstructions["mlpf"]).matched_true) == 0
    assert len(find_jets(sample, sample.reconstructions["ycand"]).matched_true) == 1


def test_missing_momentum_balances_unique_particles(make_sample) -> None:
    a, b, far = (PHOTON, 20.0, 0.5, 0.0), (PHOTON, 10.0, 1.0, math.pi / 2), (PHOTON, 99.0, 5.5, 1.0)
    sample = make_sample([[a, b, a], [far, NOTHING, NOTHING]])
    assert missing_momentum(sample, sample.truth) == pytest.approx(np.array([[-20.0, -10.0], [0.0, 0.0]]))


def test_along_and_across() -> None:
    true = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]])
    said = np.array([[6.0, 8.0], [1.0, 2.0], [1.0, -2.0]])
    along, across = along_and_across(true, said)
    assert along == pytest.approx([5.0, 1.0, 0.0])
    assert across == pytest.approx([0.0, 2.0, 1.0])
    error = said - true
    assert along**2 + across**2 == pytest.approx((error**2).sum(axis=1)), "a rotation keeps the length"


def test_missing_momentum_of_many_events(make_sample) -> None:
    """The reconstruction misses a known share, and is off by a known amount across."""
    generator = np.random.default_rng(3)
    size, angle = generator.uniform(30, 70, 200), generator.uniform(-math.pi, math.pi, 200)
    met = np.stack([size * np.cos(angle), size * np.sin(angle)], axis=1)
    said = []
    for length, phi in zip(size, angle, strict=True):
        x, y = 0.8 * length, 5.0  # along the true vector, and to its left
        said.append([(PHOTON, math.hypot(x, y), 0.0, phi + math.atan2(y, x) + math.pi)])
    sample = make_sample(said, met=met.tolist())
    found = {
        (r.quantity, r.cell.variable, r.cell.low): r.mlpf.value
        for r in met_rows(sample, EventBootstrap(200, 0, 10))
    }
    assert found["along_median", "all", -np.inf] == pytest.approx(np.median(-0.2 * size))
    assert found["across_median", "all", -np.inf] == pytest.approx(5.0)
    assert found["across_width", "all", -np.inf] == pytest.approx(0.0, abs=1e-9)
    assert found["response_median", "met", 20.0] == pytest.approx(np.median(np.hypot(0.8 * size, 5) / size))
    in_range = (size >= 40) & (size < 80)
    assert found["along_median", "met", 40.0] == pytest.approx(np.median(-0.2 * size[in_range]))
    x = np.concatenate([np.array(missing_momentum(sample, sample.truth) - met)[:, i] for i in (0, 1)])
    assert found["component_width", "all", -np.inf] == pytest.approx(
        np.subtract(*np.quantile(x, [0.75, 0.25])) / 1.349
    )
