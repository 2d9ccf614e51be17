"""What freeze-thaw expects of every trial, in units of the metric."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.schedulers.freeze_thaw import FreezeThaw
from mlpf_hpo.search.simulator import simulate
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
