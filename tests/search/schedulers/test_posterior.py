"""What schedulers expect of every trial, in units of the metric."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.anytime import RegretScale
from mlpf_hpo.search.bounds import Bounds
from mlpf_hpo.search.scheduler import stating
from mlpf_hpo.search.schedulers.budget import BudgetScheduler
from mlpf_hpo.search.schedulers.freeze_thaw import FreezeThaw
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.predicted_values import PredictedValues
from mlpf_hpo.search.schedulers.predictive import PredictiveScheduler
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.search.stated_regret import stated_regret
from mlpf_hpo.target_metric import TargetMetric

EPOCHS = 8


def curves(seed: int, n: int = 20, mode: str = "min", unit: float = 1.0) -> LearningCurves:
    """Return curves whose final value is a smooth function of the rate."""
    rates = np.random.default_rng(seed).uniform(0, 1, n)
    values = 1 + (rates[:, np.newaxis] - 0.4) ** 2 + 0.5 ** np.arange(1, EPOCHS + 1)
    values *= unit * (1 if mode == "min" else -1)
    return LearningCurves.from_arrays([{"lr": float(r)} for r in rates], values, TargetMetric("m", mode))


def searched(mode: str = "min", unit: float = 1.0, make: Callable[..., FreezeThaw] = FreezeThaw):
    """Return a scheduler after its search with a prior of the same function, and the search."""
    scheduler = make(EPOCHS, mode, prior=curves(7, mode=mode, unit=unit))
    return scheduler, simulate(curves(8, mode=mode, unit=unit), scheduler, workers=2)


def test_every_trial_has_an_expectation_near_its_final_value() -> None:
    scheduler, search = searched()
    expected, final = scheduler.posterior(), curves(8).final
    assert sum(not trial.epochs for trial in search.trials) >= 10, "most were never started"
    for trial, truth in zip(search.trials, final, strict=True):
        mean, low, high = expected[trial.trial_id]
        assert low <= mean <= high
        assert low - 2 * (mean - low) - 0.02 <= truth <= high + 2 * (high - mean) + 0.02
        if trial.status == "finished":
            assert mean == pytest.approx(truth, rel=1e-6)
    means = [expected[trial.trial_id][0] for trial in search.trials]
    assert np.corrcoef(means, final)[0, 1] > 0.95


def test_it_is_in_units_of_the_metric_and_of_its_direction() -> None:
    small, large, risen = (searched(*args)[0].posterior() for args in [(), ("min", 1e3), ("max",)])
    for trial_id, values in small.items():
        assert large[trial_id] == pytest.approx([1e3 * value for value in values], rel=1e-6)
        mean, low, high = values
        assert risen[trial_id] == pytest.approx((-mean, -high, -low), rel=1e-6)


def test_nothing_is_expected_where_nothing_is_known_nor_of_failures() -> None:
    scheduler = FreezeThaw(EPOCHS)
    for i in range(3):
        scheduler.on_trial_add(f"t{i}", {"lr": 0.1 * i})
    assert scheduler.posterior() == {}
    for i in range(3):
        scheduler.on_trial_result(f"t{i}", 1, 1.0 + i)
    scheduler.on_trial_error("t1")
    assert set(scheduler.posterior()) == {"t0", "t2"}


def test_to_ask_changes_no_decision() -> None:
    class Asked(FreezeThaw):
        def choose(self, pending, paused):
            self.posterior()
            return super().choose(pending, paused)

    assert searched(make=Asked)[1].rows.tolist() == searched()[1].rows.tolist()


class AsTheRate:
    """Predicts the hyperparameter, within a tenth of the coverage that is asked for."""

    def predict_interval(self, X, coverage=None):
        mean, half = X["lr"].to_numpy(), (coverage or 0.9) / 10
        return Prediction(mean, mean - half, mean + half, coverage)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda: PredictiveScheduler(FullTraining(), Bounds(AsTheRate(), max_epochs=4, predict_from_epoch=2)),
        lambda: PredictedValues(PromotionASHA(4, grace_epochs=2), AsTheRate()),
        lambda: BudgetScheduler(PredictedValues(PromotionASHA(4, grace_epochs=2), AsTheRate()), 99, 4),
    ],
)
def test_schedulers_that_predict_say_what_of_the_trials_that_they_predicted(wrap) -> None:
    scheduler = wrap()
    for name, rate, values in [
        ("begun", 0.3, [9.0]),
        ("predicted", 0.2, [9.0, 8.0]),
        ("finished", 0.1, [9.0, 8.0, 7.0, 0.5]),
        ("diverged", 0.4, [9.0, 8.0, math.nan]),
        ("never", 0.5, []),
    ]:
        scheduler.on_trial_add(name, {"lr": rate})
        for epoch, value in enumerate(values, start=1):
            scheduler.on_trial_result(name, epoch, value)
    found = stating(scheduler, "posterior")()
    within = 0.06826894921370859  # a tenth of a normal distribution's share within a standard deviation
    assert found == {
        "predicted": pytest.approx((0.2, 0.2 - within, 0.2 + within)),
        "finished": (0.5, 0.5, 0.5),
    }


def test_a_budget_hides_nothing_of_what_its_scheduler_states() -> None:
    inner, search = searched()
    outer = BudgetScheduler(searched()[0], 99, EPOCHS)
    assert stating(outer, "posterior")() == inner.posterior()
    scale = RegretScale.of(curves(8))
    assert stated_regret(outer, search.trials, curves(8), scale) == stated_regret(
        inner, search.trials, curves(8), scale
    )
