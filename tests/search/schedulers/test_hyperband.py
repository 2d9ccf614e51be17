"""Hyperband: against algorithm 1 of the paper, written as a plain loop, and its published sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric


def plain_hyperband(costs, eta) -> list[int]:
    """Return the epochs of each trial; brackets repeat, the last one is cut."""
    n_trials, R = costs.shape
    s_max = max(s for s in range(50) if eta**s <= R)
    spent, begin, s = [0] * n_trials, 0, s_max
    while begin < n_trials:
        n = min(math.ceil((s_max + 1) / (s + 1) * eta**s), n_trials - begin)
        rows = list(range(begin, begin + n))
        for i in range(s + 1):
            level = round(R * eta**i / eta**s)
            for row in rows:
                spent[row] = level
            order = sorted(rows, key=lambda row: costs[row, level - 1])
            rows = order[: max(1, int(n / eta ** (i + 1) + 1e-9))]
        begin, s = begin + n, s - 1 if s else s_max
    return spent


def table(n, epochs, seed, mode="min") -> LearningCurves:
    values = np.random.default_rng(seed).normal(size=(n, epochs)).cumsum(axis=1)
    return LearningCurves.from_arrays([{"lr": 1.0 + i} for i in range(n)], values, TargetMetric("loss", mode))


@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize("workers", [1, 4, 50])
@pytest.mark.parametrize(
    ("n", "epochs", "eta", "mode"),
    [(22, 9, 3, "min"), (17, 9, 3, "max"), (60, 16, 2, "min"), (7, 16, 2.5, "max"), (1, 9, 3, "min")],
)
def test_trains_what_the_algorithm_does(n, epochs, eta, mode, workers, pipelined) -> None:
    curves = table(n, epochs, seed=n, mode=mode)
    settings = {"max_epochs": epochs, "reduction_factor": eta, "mode": mode, "pipelined": pipelined}
    found = simulate(curves, make_scheduler("hyperband", **settings), workers, seed=n, jitter=0.3)
    expected = plain_hyperband(curves.values * (1 if mode == "min" else -1), eta)
    assert [trial.epochs for trial in found.trials] == expected


@pytest.mark.parametrize(("eta", "n", "epochs"), [(2, 163, 3213), (3, 143, 1944)])
def test_the_sizes_of_hyperband(eta, n, epochs) -> None:
    """Of R = 100, as published: whatever the curves, a full set of brackets trains this many epochs."""
    curves = table(2 * n, 100, seed=eta)
    for m, expected in ((n, epochs), (2 * n, 2 * epochs)):
        one = make_scheduler("hyperband", max_epochs=100, reduction_factor=eta, pipelined=True)
        assert simulate(curves.select(range(m)), one, workers=24).epochs == expected


def test_one_bracket_after_the_other_or_side_by_side() -> None:
    curves = table(17, 9, seed=0)  # brackets of 9, 5 and 3 trials
    brackets = np.repeat([0, 1, 2], [9, 5, 3])
    found = {
        pipelined: simulate(
            curves, make_scheduler("hyperband", max_epochs=9, pipelined=pipelined), workers=6, seed=1
        )
        for pipelined in (False, True)
    }
    assert (np.diff(brackets[found[False].rows]) >= 0).all()
    assert (np.diff(brackets[found[True].rows]) < 0).any()
    assert found[True].makespan < found[False].makespan


def test_a_round_does_not_wait_for_what_diverged() -> None:
    curves = table(17, 9, seed=0)
    curves.values[:9, 0] = np.arange(9.0)
    curves.values[1, 1:] = math.nan
    curves.values[4, 0:] = math.nan
    curves.status[[1, 4]] = "diverged"
    found = simulate(curves, make_scheduler("hyperband", max_epochs=9), workers=3)
    epochs = [trial.epochs for trial in found.trials][:9]
    assert [epochs[row] for row in (1, 4)] == [2, 1]
    assert sorted(epochs[row] for row in (0, 2)) == [3, 9]
    assert {epochs[row] for row in (3, 5, 6, 7, 8)} == {1}


@pytest.mark.parametrize("name", ["hyperband", "swift_hyperband", "fast_hyperband"])
def test_a_prediction_around_it_is_refused(name) -> None:
    with pytest.raises(ConfigurationError, match="Hyperband waits for all trials of a round"):
        make_scheduler(name, object(), max_epochs=9)


@pytest.mark.parametrize("eta", [1.5, 1, "two"])
def test_an_eta_that_cannot_be_is_refused(eta) -> None:
    with pytest.raises(ConfigurationError, match="reduction_factor of Hyperband must be at least 2"):
        make_scheduler("hyperband", max_epochs=9, reduction_factor=eta)
