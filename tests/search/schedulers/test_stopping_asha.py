"""ASHA stops exactly what Ray Tune's AsyncHyperBandScheduler stops."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA

values = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 2.0])


@settings(max_examples=60)
@given(
    st.data(),
    st.sampled_from(["min", "max"]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([2.0, 2.5, 3.0, 4.0]),
    st.integers(4, 30),
)
def test_decides_as_ray_does(data, mode, grace, eta, max_epochs) -> None:
    ours = StoppingASHA(max_epochs, grace, eta, mode)
    rays = AsyncHyperBandScheduler(
        time_attr="epoch",
        metric="loss",
        mode=mode,
        max_t=max_epochs,
        grace_period=grace,
        reduction_factor=eta,
    )
    trials = [SimpleNamespace(trial_id=f"t{i}") for i in range(5)]
    for trial in trials:
        rays.on_trial_add(None, trial)
    live = dict.fromkeys((trial.trial_id for trial in trials), 0)
    by_id = {trial.trial_id: trial for trial in trials}
    while live:
        trial_id = data.draw(st.sampled_from(sorted(live)))
        live[trial_id] += 1
        epoch, value = live[trial_id], data.draw(values)
        decision = ours.on_trial_result(trial_id, epoch, value)
        expected = rays.on_trial_result(None, by_id[trial_id], {"epoch": epoch, "loss": value})
        if epoch == max_epochs:
            assert decision is Decision.CONTINUE
            assert trial_id not in ours.stops
        else:
            assert decision.name == expected
            assert (trial_id in ours.stops) is (decision is Decision.STOP)
        if epoch == max_epochs or decision is Decision.STOP:
            del live[trial_id]


def test_first_passes_and_the_limit_is_told() -> None:
    asha = StoppingASHA(max_epochs=9, reduction_factor=2)
    assert asha.on_trial_result("a", 1, 5.0) is Decision.CONTINUE
    assert asha.on_trial_result("b", 1, 6.0) is Decision.STOP
    assert asha.on_trial_result("c", 1, 5.5) is Decision.CONTINUE  # the median of 5 and 6
    assert (asha.stops["b"].reason, asha.stops["b"].threshold, asha.stops["b"].epoch) == ("rank", 5.0, 1)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("grace", "eta"), [(1, 3.0), (2, 2.0), (1, 2.5), (3, 4.0)])
def test_with_its_own_value_it_decides_by_the_definition_of_syne_tune(mode, grace, eta) -> None:
    """A trial goes on if its value is within the 1/eta quantile of all values at the rung, its own too."""
    generator = np.random.default_rng(int(10 * eta))
    asha = StoppingASHA(27, grace, eta, mode, own_value=True)
    levels = [grace * eta**k for k in range(9) if grace * eta**k < 27]
    left: dict[float, list[float]] = {level: [] for level in levels}
    stopped = 0
    for trial in range(60):
        passed: set[float] = set()
        for epoch, value in enumerate(generator.integers(0, 40, 26) / 4, start=1):
            due = [level for level in levels if epoch >= level and level not in passed]
            passed.update(due)
            goes_on = True
            for level in due:
                left[level].append(value if mode == "min" else -value)
                # Linear interpolation between order statistics: as many may be better as lie below it.
                goes_on = sum(one < left[level][-1] for one in left[level]) * eta <= len(left[level]) - 1
            assert (asha.on_trial_result(f"t{trial}", epoch, value) is Decision.CONTINUE) == goes_on
            if not goes_on:
                stopped += 1
                break
    assert 40 < stopped < 60


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_ends_and_leaves_no_trace(value: float) -> None:
    asha = StoppingASHA(max_epochs=9, reduction_factor=2)
    assert asha.on_trial_result("a", 1, value) is Decision.STOP
    assert asha.stops["a"].reason == "diverged"
    assert asha.on_trial_result("b", 1, 1e9) is Decision.CONTINUE


@pytest.mark.parametrize(
    "wrong",
    [
        {"reduction_factor": 1.0000001},
        {"reduction_factor": float("nan")},
        {"grace_epochs": 0},
        {"grace_epochs": 17},
    ],
)
def test_rungs_without_sense_are_refused(wrong) -> None:
    with pytest.raises(ConfigurationError):
        StoppingASHA(max_epochs=16, **wrong)
