"""Trials with equal values: every scheduler's decisions are defined, whatever the order of the trials."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA

TRIALS = [f"t{i}" for i in range(6)]


class Alike:
    """Predicts the same of every trial."""

    n_epochs = 9

    def predict_interval(self, frame, coverage):
        ones = np.ones(len(frame))
        return Prediction(ones, 0.5 * ones, 1.5 * ones, coverage)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("eta", [2.0, 3.0, 2.7])
@pytest.mark.parametrize("predictor", [None, Alike()])
def test_of_equal_trials_none_is_stopped(predictor, eta, mode) -> None:
    scheduler = make_scheduler("asha", predictor, max_epochs=9, reduction_factor=eta, mode=mode)
    for trial in TRIALS:
        scheduler.on_trial_add(trial, {"lr": 0.1})
    for epoch, trial in itertools.product(range(1, 10), TRIALS):
        assert scheduler.on_trial_result(trial, epoch, 0.1) is Decision.CONTINUE
    assert not scheduler.stops


@pytest.mark.parametrize("order", list(itertools.permutations(TRIALS))[::90])
def test_of_equal_trials_the_first_identifiers_are_promoted_whoever_came_first(order) -> None:
    scheduler = PromotionASHA(9, 1, 3.0)
    for trial in TRIALS:
        scheduler.on_trial_add(trial, {})
    for trial in order:
        assert scheduler.on_trial_result(trial, 1, 2.0) is Decision.PAUSE
    promoted, waiting = [], list(order)
    while (chosen := scheduler.choose([], waiting)) is not None:
        promoted.append(chosen)
        waiting.remove(chosen)
        scheduler.on_trial_result(chosen, 3, 2.0)
    assert promoted == ["t0", "t1"], "the best third of six"


@pytest.mark.parametrize("order", [TRIALS, TRIALS[::-1]])
def test_the_incumbent_of_equal_bounds_is_the_first_identifier(order) -> None:
    scheduler = make_scheduler("asha", Alike(), max_epochs=9, predict_from_epoch=1)
    for trial in order:
        scheduler.on_trial_add(trial, {"lr": 0.1})
        scheduler.on_trial_result(trial, 1, 2.0)
    assert scheduler.bounds.incumbent() == ("t0", 1.5)
