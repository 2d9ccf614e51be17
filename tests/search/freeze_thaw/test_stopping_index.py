"""The stopping index against simulations, dense grids and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from mlpf_hpo.search.freeze_thaw.stopping_index import VARIANCES, MarginTable, decision_epochs, margins


def test_epochs_at_which_trials_are_compared() -> None:
    assert decision_epochs(1).tolist() == [0, 1]
    assert decision_epochs(2).tolist() == [0, 1, 2]
    assert decision_epochs(100).tolist() == [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 100]
    for longest in range(1, 60):
        found = decision_epochs(longest)
        assert found[0] == 0
        assert found[-1] == longest
        assert (np.diff(found) > 0).all()


def expected_improvement(margin: float, deviation: float) -> float:
    """Return the mean of max(-x, 0) for x normal with mean `margin`."""
    z = -margin / deviation
    return deviation * (z * norm.cdf(z) + norm.pdf(z))


@pytest.mark.parametrize("price", [0.001, 0.02, 0.3])
def test_one_step_is_expected_improvement(price) -> None:
    """Where one step leads to the end, the margin is where expected improvement equals the price."""
    found = margins(np.array([0, 1]), np.array([np.inf, 0.0]), price)
    for variance, margin in zip(VARIANCES, found[0], strict=True):
        deviation = math.sqrt(variance)
        expected = brentq(lambda m, s=deviation: expected_improvement(m, s) - price, -10, 8 * deviation)
        # The grid ends 6 standard deviations above, where next to nothing can be won.
        assert margin == pytest.approx(min(expected, 6 * deviation), abs=0.1 * deviation)


def dense_margins(before: float, epochs: list[int], curve: np.ndarray, price: float) -> list[float]:
    """Return margins by a Markov chain on a dense grid: the chance of each cell from the normal cdf."""
    left = [before, *(before * c / (before + c) for c in curve[1:])]
    grid = np.linspace(-14, 8, 1101) * math.sqrt(before)
    edges = np.concatenate([[-np.inf], (grid[1:] + grid[:-1]) / 2, [np.inf]])
    worth, found = np.maximum(-grid, 0), [0.0]
    for k in range(len(epochs) - 2, -1, -1):
        deviation = math.sqrt(left[k] - left[k + 1])
        chances = np.diff(norm.cdf((edges - grid[:, np.newaxis]) / deviation), axis=1)
        going_on = chances @ worth - price * (epochs[k + 1] - epochs[k])
        found.insert(0, float(grid[np.flatnonzero(going_on > 0)[-1]]))
        worth = np.maximum(going_on, 0)
    return found


@pytest.mark.parametrize("v", [9, 14, 18])
def test_several_steps_by_a_chain_on_a_dense_grid(v) -> None:
    epochs, curve, price = [0, 1, 2, 4], np.array([np.inf, 1.5, 0.4, 0.0]), 0.03
    found = margins(np.array(epochs), curve, price)
    expected = dense_margins(VARIANCES[v], epochs, curve, price)
    assert found[:, v] == pytest.approx(expected, abs=0.1 * math.sqrt(VARIANCES[v]))


def test_thresholds_earn_nothing_at_the_margin_and_more_than_others() -> None:
    """Monte Carlo: trials that begin at the margin and stop above the later ones earn 0 on average."""
    epochs, curve, price = decision_epochs(16), np.full(9, np.inf), 0.02
    curve[1:] = (2 * (1 - np.sqrt(epochs[1:] / 16))) ** 2
    table, v = margins(epochs, curve, price), 15
    before = VARIANCES[v]
    generator = np.random.default_rng(0)
    left = np.array([before, *(before * curve[1:] / (before + curve[1:]))])
    noise = generator.normal(size=(200_000, len(epochs) - 1)) * np.sqrt(-np.diff(left))

    def earned(shift: float) -> float:
        mean = np.full(len(noise), table[0, v])
        spent, going = np.zeros(len(noise)), np.ones(len(noise), dtype=bool)
        for k in range(len(epochs) - 1):
            if k:
                going &= mean < table[k, v] + shift
            spent += going * price * (epochs[k + 1] - epochs[k])
            mean = np.where(going, mean + noise[:, k], mean)
        return float((going * np.maximum(-mean, 0) - spent).mean())

    best = earned(0.0)
    assert abs(best) < 0.004
    assert earned(-0.4) < best
    assert earned(0.4) < best


def test_limits() -> None:
    epochs, curve = np.array([0, 1, 2, 4]), np.array([np.inf, 1.0, 0.3, 0.0])
    dear, cheap = margins(epochs, curve, 0.2), margins(epochs, curve, 1e-6)
    assert (cheap[:-1] > dear[:-1]).all()
    assert (cheap[0] > 3 * np.sqrt(VARIANCES)).all()  # the price goes to 0: any chance is worth it
    assert (margins(epochs, curve, 0.02)[-1] == 0).all()
    assert (np.diff(cheap[0]) > 0).all()  # what is less known may be further above
    # Nothing is left to learn: a trial must be better than the finished one by what its epochs cost.
    known = margins(epochs, np.array([np.inf, 1e-12, 1e-12, 0.0]), 0.02)
    for k, left in ((1, 3), (2, 2)):  # on a grid whose cells are a sixth of the root and more
        assert (np.abs(known[k] + 0.02 * left) < 0.1 * np.sqrt(VARIANCES)).all()


def test_indices_between_tabulated_variances() -> None:
    problem = np.array([0, 1, 2]), np.array([np.inf, 0.5, 0.0])
    table, price = margins(*problem, 0.01), np.array([0.3, 0.01])
    rows = np.array([0, 1, 1, 0])
    asked = np.array([VARIANCES[3], VARIANCES[7], math.sqrt(VARIANCES[7] * VARIANCES[8]), VARIANCES[-1]])
    expected = [table[0, 3], table[1, 7], table[1, 7:9].mean(), table[0, -1]]
    found = MarginTable(*problem, price)
    at_once = found.at(rows, asked)
    assert at_once[1] == pytest.approx(expected)
    # Asked one by one, of a table that knows some of them already or of a fresh one: the same.
    for i in range(len(rows)):
        one = slice(i, i + 1)
        for other in (found, MarginTable(*problem, price)):
            assert np.array_equal(other.at(rows[one], asked[one])[:, 0], at_once[:, i])
