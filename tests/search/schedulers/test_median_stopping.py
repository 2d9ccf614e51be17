"""MedianStopping stops exactly what Ray Tune's MedianStoppingRule stops; RandomSearch starts so many."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from ray.tune.schedulers import MedianStoppingRule

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.median_stopping import MedianStopping
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric

EPOCHS = 9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("grace", "least"), [(1, 3), (3, 1), (2, 5)])
def test_decides_as_ray_does(mode, grace, least, seed) -> None:
    ours = MedianStopping(EPOCHS, grace, least, mode)
    rays = MedianStoppingRule("epoch", "loss", mode, grace, least, min_time_slice=10**9)
    generator = np.random.default_rng(seed)
    live = dict.fromkeys((f"t{i}" for i in range(12)), 0)
    keys = {trial: _Key(trial) for trial in live}
    offsets = {trial: generator.integers(0, 6) / 2 for trial in live}
    controller = SimpleNamespace(get_live_trials=list)
    decisions = []
    while live:
        trial = str(generator.choice(sorted(live)))
        live[trial] += 1
        value = float(generator.integers(0, 3) + offsets[trial])
        found = ours.on_trial_result(trial, live[trial], value)
        expected = rays.on_trial_result(controller, keys[trial], {"epoch": live[trial], "loss": value})
        if live[trial] == EPOCHS:
            del live[trial]
            continue
        assert found.name == expected
        decisions.append(found)
        if found is Decision.STOP:
            assert ours.stops[trial].reason == "rank"
            del live[trial]
    assert {Decision.STOP, Decision.CONTINUE} == set(decisions)


class _Key:
    """A trial of Ray's, as far as the rule looks at it."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id


def test_what_is_not_finite_is_left_out() -> None:
    scheduler = MedianStopping(EPOCHS, least_trials=1)
    assert scheduler.on_trial_result("a", 1, math.nan) is Decision.STOP
    assert scheduler.stops["a"].reason == "diverged"
    assert scheduler.on_trial_result("b", 1, 5.0) is Decision.CONTINUE
    assert scheduler.on_trial_result("c", 1, 6.0) is Decision.STOP
    assert scheduler.stops["c"].threshold == 5.0


@pytest.mark.parametrize("wrong", [{"grace_epochs": 0}, {"grace_epochs": 10}, {"least_trials": 0}])
def test_settings_without_sense_are_refused(wrong) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        make_scheduler("median_stopping", max_epochs=EPOCHS, **wrong)
    with pytest.raises(ConfigurationError, match="n_trials must be a whole number of at least 1"):
        make_scheduler("random", max_epochs=EPOCHS, n_trials=0)


@pytest.mark.parametrize(("n", "workers"), [(1, 1), (4, 3), (4, 50), (99, 2)])
def test_random_search_trains_so_many(n, workers) -> None:
    curves = LearningCurves.from_arrays(
        [{"lr": 1.0 + i} for i in range(10)], np.ones((10, EPOCHS)), TargetMetric("loss", "min")
    )
    found = simulate(curves, make_scheduler("random", max_epochs=EPOCHS, n_trials=n), workers)
    assert [trial.epochs for trial in found.trials] == [EPOCHS * (row < n) for row in range(10)]
