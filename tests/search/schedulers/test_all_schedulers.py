"""What holds for every registered scheduler: it ends, modes mirror each other, calls rebuild it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.schedulers import SCHEDULERS, accepted, make_scheduler
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.target_metric import TargetMetric

EPOCHS, TRIALS = 9, 24


def campaign(mode="min", seed=0, n=TRIALS) -> LearningCurves:
    """Return noisy curves that end at a function of a hyperparameter; one diverged."""
    generator = np.random.default_rng(seed)
    rates = generator.uniform(1, 3, n)
    values = rates[:, None] + 3 * np.exp(-np.arange(EPOCHS) / rates[:, None])
    values = values + 0.2 * generator.normal(size=values.shape)
    values[3, 2:] = math.nan
    sign = 1 if mode == "min" else -1
    found = LearningCurves.from_arrays(
        [{"lr": float(rate)} for rate in rates], sign * values, TargetMetric("loss", mode)
    )
    found.status[3] = "diverged"
    return found


class LastValue:
    """In place of a fitted predictor: a curve stays where it is, give or take a width."""

    def predict_interval(self, X, coverage=None):
        losses = X.filter(like="loss_").to_numpy()
        last = losses[np.arange(len(X)), np.isfinite(losses).sum(axis=1) - 1]
        return Prediction(last, last - 0.3, last + 0.3, coverage or 0.9)


MORE = {
    "predicted_promotion": ("predicted_promotion", {"predictor": LastValue()}),
    "predicted_promotion, budget": ("predicted_promotion", {"predictor": LastValue(), "budget_epochs": 20}),
    "freeze_thaw, no prior": ("freeze_thaw", {"prior": None}),
    "freeze_thaw, workers filled": ("freeze_thaw", {"fill_workers": True}),
    "random": ("random", {"n_trials": 3}),
    "prior_best_k": ("prior_best_k", {"k": 3}),
    "asha, own value": ("asha", {"own_value": True}),
    "asha, prediction": ("asha", {"predictor": LastValue(), "predict_from_epoch": 1}),
    "asha, budget": ("asha", {"budget_epochs": 40}),
    "promotion, prediction": ("promotion_asha", {"predictor": LastValue()}),
    "promotion, budget": ("promotion_asha", {"budget_epochs": 30}),
    "promotion, prediction, budget": ("promotion_asha", {"predictor": LastValue(), "budget_epochs": 30}),
    "hyperband, pipelined": ("hyperband", {"pipelined": True}),
    "prior_skip, budget": ("prior_skip", {"budget_epochs": 20}),
}
"""Combinations and settings beside the defaults of every name."""

CASES = {name: (name, {}) for name in SCHEDULERS.builtin} | MORE


def fresh(case: str, mode: str = "min"):
    name, settings = CASES[case]
    own = settings if {"predictor", "budget_epochs"} & set(settings) else None
    both = {"max_epochs": EPOCHS, "mode": mode}
    given = both if own else accepted(name, both)
    return make_scheduler(name, **given, **{"prior": campaign(mode, seed=9), **settings})


@pytest.mark.parametrize("workers", [1, 3, 2 * TRIALS])
@pytest.mark.parametrize("case", CASES)
def test_it_ends_and_the_direction_changes_nothing(case, workers) -> None:
    found = {mode: simulate(campaign(mode), fresh(case, mode), workers, seed=1) for mode in ("min", "max")}
    for search in found.values():
        assert all(trial.status for trial in search.trials)
        assert "finished" in {trial.status for trial in search.trials}
        assert search.epochs <= (TRIALS - 1) * EPOCHS + 3
    small, large = (
        [(trial.epochs, trial.status, trial.reason) for trial in found[mode].trials] for mode in found
    )
    assert small == large
    assert found["min"].rows.tolist() == found["max"].rows.tolist()


class Twins:
    """A scheduler, and at every call a second one that was rebuilt from some of the calls before.

    Choices are not among the calls that are repeated: a restart has no record of them.
    """

    def __init__(self, case: str, rebuild_every: int) -> None:
        self.case, self.rebuild_every = case, rebuild_every
        self.one, self.other = fresh(case), fresh(case)
        self.calls: list[tuple] = []
        self.max_epochs = EPOCHS

    @property
    def stops(self):
        assert repr(self.one.stops) == repr(self.other.stops)  # with NaN where trials diverged
        return self.one.stops

    def both(self, method: str, *arguments):
        self.calls.append((method, *arguments))
        return [getattr(scheduler, method)(*arguments) for scheduler in (self.one, self.other)]

    def on_trial_add(self, trial_id, configuration) -> None:
        self.both("on_trial_add", trial_id, configuration)

    def on_trial_result(self, trial_id, epoch, value):
        if len(self.calls) % self.rebuild_every == 0:
            self.other = fresh(self.case)
            for method, *arguments in self.calls:
                getattr(self.other, method)(*arguments)
        one, other = self.both("on_trial_result", trial_id, epoch, value)
        assert one is other
        return one

    def on_trial_complete(self, trial_id) -> None:
        self.both("on_trial_complete", trial_id)

    def on_trial_error(self, trial_id) -> None:
        self.both("on_trial_error", trial_id)

    def choose(self, pending: Sequence[str], paused: Sequence[str]):
        one, other = (scheduler.choose(pending, paused) for scheduler in (self.one, self.other))
        assert one == other
        return one


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("case", CASES)
def test_it_is_rebuilt_by_repeating_the_calls(case, workers) -> None:
    twins = Twins(case, rebuild_every=7)
    found = simulate(campaign(), twins, workers, seed=2)
    assert len(twins.calls) > TRIALS + 7
    assert repr(found) == repr(simulate(campaign(), fresh(case), workers, seed=2))


@pytest.mark.parametrize("case", CASES)
def test_failures_hold_nothing_up(case, simulate) -> None:
    """Trials that fail after their first epoch end, and the search finishes others."""
    curves = campaign()
    table = {f"t{row:03d}": values.tolist() for row, values in enumerate(curves.values)}
    trials = [Trial(name, name, {"lr": rate}) for name, rate in zip(table, curves.configs["lr"], strict=True)]
    ledger = Ledger(trials, fresh(case), EPOCHS, curves.target)
    simulate(ledger, table, 3, seed=0, broken=["t000", "t010", "t017", "t020"])
    assert "finished" in {trial.status for trial in ledger.trials.values()}


@pytest.mark.parametrize("case", CASES)
def test_a_search_goes_on_from_its_record(case, simulate) -> None:
    """One worker, interrupted after some results: the ledger restored from them trains the same."""
    curves = campaign()
    curves.values[3] = 2.0 + 1 / np.arange(1, EPOCHS + 1)  # it does not diverge here
    table = {f"t{row:03d}": values.tolist() for row, values in enumerate(curves.values)}
    rates = curves.configs["lr"].tolist()

    def ledger():
        trials = [Trial(name, name, {"lr": rate}) for name, rate in zip(table, rates, strict=True)]
        return Ledger(trials, fresh(case), EPOCHS, curves.target)

    def epochs(one):
        return [(trial.epochs, trial.status, trial.reason) for trial in one.trials.values()]

    whole = ledger()
    results = []
    commit = whole.commit
    whole.commit = lambda trial_id: results.append(commit(trial_id))
    simulate(whole, table, 1, seed=0)
    for n in (1, len(results) // 3, len(results) * 2 // 3, len(results) - 1):
        resumed = ledger()
        resumed.restore({}, results[:n])
        simulate(resumed, table, 1, seed=0)
        assert epochs(resumed) == epochs(whole)
