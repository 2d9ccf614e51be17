"""TopK and BudgetScheduler, against what they must have trained, worked out from the whole table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.top_k import TopK
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric

EPOCHS = 9


@pytest.fixture
def table(curves):
    def make(seed=0, n=20, mode="min") -> LearningCurves:
        values = np.array(list(curves(n, EPOCHS, seed).values()))
        target = TargetMetric("loss", mode)
        return LearningCurves.from_arrays([{"lr": i + 1.0} for i in range(n)], values, target)

    return make


@pytest.mark.parametrize("workers", [1, 3, 30])
@pytest.mark.parametrize(("k", "first"), [(1, 1), (3, 2), (50, 3)])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_k_best_after_the_first_epochs(table, workers, k, first, mode) -> None:
    curves = table(mode=mode)
    found = simulate(curves, TopK(EPOCHS, k, first, mode), workers)
    order = np.argsort(curves.values[:, first - 1] * (1 if mode == "min" else -1))
    expected = np.full(20, first)
    expected[order[:k]] = EPOCHS
    assert [trial.epochs for trial in found.trials] == expected.tolist()


def test_a_diverged_one_is_replaced_by_the_next(table) -> None:
    curves = table()
    first, second, third = np.argsort(curves.values[:, 0])[:3]
    curves.values[first, 4:] = math.nan
    curves.status[first] = "diverged"
    found = simulate(curves, TopK(EPOCHS, k=1), workers=4)
    assert [found.trials[row].epochs for row in (first, second, third)] == [5, EPOCHS, 1]


@pytest.mark.parametrize("wrong", [{"k": 0}, {"k": 1.5}, {"first_epochs": 9}, {"first_epochs": 0}])
def test_top_k_without_sense_is_refused(wrong) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        make_scheduler("top_k", max_epochs=EPOCHS, **wrong)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("budget", [1, 7, 24, 40])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_after_the_budget_only_the_best_goes_on(table, workers, budget, mode) -> None:
    settings = {"max_epochs": EPOCHS, "mode": mode, "reduction_factor": 3.0}
    for seed in range(5):
        curves = table(seed, mode=mode)
        free = simulate(curves, make_scheduler("promotion_asha", **settings), workers, seed)
        found = simulate(
            curves, make_scheduler("promotion_asha", budget_epochs=budget, **settings), workers, seed
        )
        assert found.epochs <= budget + (workers - 1) + EPOCHS - 1
        assert found.epochs < free.epochs or free.epochs <= budget
        spent = [trial.epochs for trial in found.trials]
        assert spent.count(EPOCHS) >= 1
        if workers == 1:
            # The best at the highest of the rungs 1 and 3 that any trial reached within the budget.
            done = [min(row, EPOCHS) for row in within(found, curves, budget)]
            rung = 3 if max(done) >= 3 else 1
            costs = curves.values[:, rung - 1] * (1 if mode == "min" else -1)
            reached = [row for row in range(20) if done[row] >= rung]
            assert spent[min(reached, key=lambda row: costs[row])] == EPOCHS
            assert sum(spent) - budget == EPOCHS - done[min(reached, key=lambda row: costs[row])]


def within(found, curves, budget):
    """Return the epochs of each trial among the first so many of the search."""
    return np.bincount(found.rows[:budget], minlength=len(curves)).tolist()


def test_a_budget_of_any_scheduler(table) -> None:
    curves = table()
    asha = make_scheduler("asha", budget_epochs=30, max_epochs=EPOCHS)
    found = simulate(curves, asha, workers=3)
    assert 30 <= found.epochs <= 30 + 2 + EPOCHS
    assert "finished" in {trial.status for trial in found.trials}
    full = make_scheduler("full", budget_epochs=2 * EPOCHS, max_epochs=EPOCHS)
    assert [trial.epochs for trial in simulate(curves, full).trials] == [EPOCHS] * 2 + [0] * 18
    plenty = make_scheduler("promotion_asha", budget_epochs=10**6, max_epochs=EPOCHS)
    assert simulate(curves, plenty) == simulate(curves, make_scheduler("promotion_asha", max_epochs=EPOCHS))


@pytest.mark.parametrize("seed", range(5))
def test_where_the_scheduler_comes_to_nothing_the_best_is_finished_before_the_budget_is_spent(
    table, seed
) -> None:
    """Four trials are too few for eta 8: it promotes none."""
    curves = table(seed, n=4)
    settings = {"max_epochs": EPOCHS, "reduction_factor": 8.0}
    assert math.isnan(simulate(curves, make_scheduler("promotion_asha", **settings)).best)
    found = simulate(curves, make_scheduler("promotion_asha", budget_epochs=99, **settings))
    assert found.best == curves.final[curves.values[:, 0].argmin()]
    assert found.epochs == 4 + EPOCHS - 1


def test_the_best_that_diverges_is_replaced(table) -> None:
    curves = table()
    order = np.argsort(curves.values[:, 0])
    curves.values[order[0], 5:] = math.nan
    curves.status[order[0]] = "diverged"
    top = make_scheduler("top_k", budget_epochs=20, k=5, max_epochs=EPOCHS)
    found = simulate(curves, top, workers=2)
    assert [found.trials[row].status for row in order[:2]] == ["diverged", "finished"]
    assert found.epochs <= 20 + 6 + EPOCHS


@pytest.mark.parametrize("budget", [0, -3, 2.5, "many"])
def test_budgets_without_sense_are_refused(budget) -> None:
    with pytest.raises(ConfigurationError, match="budget_epochs must be a whole number of at least 1"):
        make_scheduler("asha", budget_epochs=budget, max_epochs=EPOCHS)
