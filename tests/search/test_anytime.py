"""Anytime regret by hand, and epochs at a regret against a loop over every epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.anytime import AnytimeRegret, RegretScale, anytime_regret, epochs_at, untrained_regret
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric


def recorded(values, mode="min") -> LearningCurves:
    rows = [{"lr": float(i)} for i in range(len(values))]
    return LearningCurves.from_arrays(rows, values, TargetMetric("loss", mode))


def by_hand(search, curves) -> list[float]:
    """Return the regret after 0, 1, 2, ... epochs, counting every report one by one."""
    sign = 1 if curves.mode == "min" else -1
    costs = sign * curves.final
    finite = costs[np.isfinite(costs)]
    best, unit, seen = finite.max(), np.median(finite) - finite.min(), dict.fromkeys(range(len(curves)), 0)
    found = [(best - finite.min()) / unit]
    for row in search.rows.tolist():
        seen[row] += 1
        if seen[row] == curves.n_epochs and np.isfinite(costs[row]):
            best = min(best, costs[row])
        found.append((best - finite.min()) / unit)
    return found


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [FullTraining, StoppingASHA, PromotionASHA])
def test_the_staircase_is_what_counting_reports_one_by_one_gives(mode, seed, make) -> None:
    generator = np.random.default_rng(seed)
    curves = recorded(generator.normal(size=(20, 8)), mode)
    scheduler = make() if make is FullTraining else make(8, reduction_factor=2.0, mode=mode)
    search = simulate(curves, scheduler, workers=3, seed=seed)
    found = anytime_regret(search, curves, RegretScale.of(curves))
    expected = by_hand(search, curves)
    assert found.at(np.arange(len(expected))).tolist() == pytest.approx(expected)
    assert (np.diff(found.regret) < 0).all()
    assert found.epochs[0] == 0


def test_before_the_first_finished_trial_it_is_the_worst_finite_value() -> None:
    curves = recorded([[9.0, 5.0], [9.0, np.nan], [9.0, 1.0], [9.0, 2.0]])
    curves.status[1] = "diverged"
    search = simulate(curves, FullTraining(), spread=0, jitter=0)
    found = anytime_regret(search, curves, RegretScale.of(curves))
    # Median 2, best 1, worst 5; the first to end is the worst, the second diverges.
    assert found.epochs.tolist() == [0, 6]
    assert found.regret.tolist() == [4.0, 0.0]


def test_regret_needs_a_unit() -> None:
    with pytest.raises(DataError, match="half of 4 searched curves, or more, end at the best value"):
        RegretScale.of(recorded([[1.0], [1.0], [1.0], [2.0]]))
    assert RegretScale.in_metric(recorded([[1.0], [1.0]])).unit == 1.0


stairs = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 8)), max_size=5).map(
    lambda steps: AnytimeRegret(
        np.array([0, *sorted({epoch for epoch, _ in steps})]),
        np.array([9, *sorted(dict(steps).values(), reverse=True)], dtype=float),
    )
)


@given(st.lists(stairs, min_size=1, max_size=5), st.integers(0, 9))
def test_epochs_at_a_regret_are_those_of_a_loop_over_all_epochs(searches, regret) -> None:
    expected = 99.0
    for epochs in range(40):
        now = []
        for one in searches:
            value = None
            for at, level in zip(one.epochs, one.regret, strict=True):
                value = level if at <= epochs else value
            now.append(value)
        if sum(now) <= regret * len(now):
            expected = float(epochs)
            break
    assert epochs_at(searches, float(regret), 99).tolist() == [expected]
    n = len(searches)
    weights = np.array([[1 / n] * n, [1.0] + [0.0] * (n - 1)])
    alone = epochs_at(searches[:1], float(regret), 99)[0]
    assert epochs_at(searches, float(regret), 99, weights).tolist() == [expected, alone]


def test_the_best_of_the_prior_costs_nothing_and_may_be_better() -> None:
    searched = recorded([[1.0], [3.0], [2.0]], mode="max")
    assert untrained_regret(searched, recorded([[2.5], [0.0]], mode="max")) == 0.5
    assert untrained_regret(searched, recorded([[4.0], [0.0]], mode="max")) == -1.0
