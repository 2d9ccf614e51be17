"""Prediction as a part: with ASHA it decides as one class with both did; others may hold it too."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.predicted_values import PredictedValues
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.target_metric import TargetMetric

EPOCHS = 12


class Noisy:
    """Predicts the last value and a drift of its own, different for every curve; sometimes knows nothing."""

    def predict_interval(self, X, coverage=None):
        losses = X.filter(like="loss_").to_numpy()
        known = np.isfinite(losses).sum(axis=1)
        last = losses[np.arange(len(X)), known - 1]
        mean = last * (1 - 0.3 * np.sin(100 * last))
        width = 0.2 + 0.5 * np.abs(np.cos(50 * last))
        width[known % 7 == 0] = np.nan
        return Prediction(mean, mean - width, mean + width, coverage or 0.9)


class Oracle:
    """The rule in one piece, written from its description: a trial's costs, rungs and bounds in tables.

    A trial stops at a rung if its value is worse than the best-1/eta quantile of those before it there, and
    on the grid if its lower bound lies above the smallest upper bound of all that live or have finished; the
    owner of that bound goes on in any case.
    """

    def __init__(self, predictor, eta: float, start: int, every: int, sign: int) -> None:
        self.predictor, self.eta, self.start, self.every, self.sign = predictor, eta, start, every, sign
        self.levels = [eta**k for k in range(50) if eta**k < EPOCHS][::-1]
        self.rungs: dict[float, dict[str, float]] = {level: {} for level in self.levels}
        self.curves: dict[str, list[float]] = {}
        self.bounds: dict[str, tuple[float, float]] = {}
        self.as_of: dict[str, int] = {}
        self.gone: set[str] = set()

    def decide(self, trial: str, epoch: int, value: float) -> tuple[str, float | None]:
        import pandas as pd

        self.curves.setdefault(trial, []).append(value)
        if math.isnan(value):
            return self.leave(trial, "diverged", None)
        if epoch == EPOCHS:
            self.bounds[trial] = (self.sign * value, self.sign * value)
            self.gone.add(trial)
            return "", None
        grid = epoch >= self.start and (epoch - self.start) % self.every == 0
        if grid:
            names = [
                name for name, curve in self.curves.items()
                if name not in self.gone and self.start <= len(curve) and self.as_of.get(name, 0) < len(curve)
            ]  # fmt: skip
            rows = [self.curves[name] + [math.nan] * (EPOCHS - len(self.curves[name])) for name in names]
            found = self.predictor.predict_interval(
                pd.DataFrame(rows, columns=[f"loss_{i}" for i in range(EPOCHS)])
            )
            for name, one, other in zip(names, found.lower, found.upper, strict=True):
                edges = sorted((self.sign * one, self.sign * other))
                self.bounds[name] = (-math.inf, math.inf) if math.isnan(one) else (edges[0], edges[1])
                self.as_of[name] = len(self.curves[name])
        limit = None
        for level in self.levels:
            if epoch >= level and trial not in self.rungs[level]:
                earlier = list(self.rungs[level].values())
                self.rungs[level][trial] = -self.sign * value
                if earlier:
                    quantile = float(np.percentile(earlier, (1 - 1 / self.eta) * 100))
                    limit = quantile if -self.sign * value < quantile else None
                break
        uppers = sorted((upper, name) for name, (_, upper) in self.bounds.items() if upper < math.inf)
        if uppers and uppers[0][1] == trial:
            return "", None
        if limit is not None:
            return self.leave(trial, "rank", -self.sign * limit)
        if grid and uppers and trial in self.bounds and self.bounds[trial][0] > uppers[0][0]:
            return self.leave(trial, "prediction", self.sign * uppers[0][0])
        return "", None

    def leave(self, trial: str, reason: str, limit: float | None) -> tuple[str, float | None]:
        self.bounds.pop(trial, None)
        self.gone.add(trial)
        return reason, limit


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("eta", "start", "every"), [(3.0, 2, 1), (2.0, 1, 3), (2.7, 4, 2)])
def test_asha_with_prediction_decides_as_the_rule_in_one_piece(
    curves, simulate, mode, eta, start, every
) -> None:
    reasons: set[str] = set()
    for seed in range(6):
        table = curves(24, EPOCHS, seed)
        table["t003"][seed] = math.nan
        settings = {
            "reduction_factor": eta,
            "predict_from_epoch": start,
            "predict_every": every,
            "mode": mode,
        }
        made = make_scheduler("asha", Noisy(), max_epochs=EPOCHS, **settings)
        ledger = Ledger([Trial(t, t, {"lr": 1.0}) for t in table], made, EPOCHS, TargetMetric("loss", mode))
        oracle = Oracle(Noisy(), eta, start, every, 1 if mode == "min" else -1)
        for trial, epoch, value, decision in simulate(ledger, table, workers=4, seed=seed):
            reason, limit = oracle.decide(trial, epoch, value)
            assert (decision is Decision.STOP) == bool(reason), (trial, epoch)
            if reason:
                assert (made.stops[trial].reason, made.stops[trial].threshold) == (reason, limit)
            reasons.add(reason)
    assert reasons == {"", "rank", "prediction", "diverged"}


class Known:
    """Knows the end of every curve exactly; `width` is what it admits."""

    def __init__(self, table, width: float = 0.0) -> None:
        self.ends = {curve[0]: curve[-1] for curve in table.values()}
        self.width = width

    def predict_interval(self, X, coverage=None):
        end = np.array([self.ends[first] for first in X["loss_0"]])
        return Prediction(end, end - self.width, end + self.width, coverage or 0.9)


def run(simulate, table, scheduler, seed=0):
    ledger = Ledger([Trial(t, t, {"lr": 1.0}) for t in table], scheduler, EPOCHS, TargetMetric("loss", "min"))
    results = simulate(ledger, table, workers=3, seed=seed)
    return ledger.trials, len(results)


@pytest.mark.parametrize("seed", range(5))
def test_promotion_asha_holds_a_prediction(curves, simulate, seed) -> None:
    """With the ends known, the best trial is trained to its end however it begins, and nothing in vain."""
    table = curves(20, EPOCHS, seed)
    best = min(table, key=lambda trial: table[trial][-1])
    table[best][0] = max(curve[0] for curve in table.values()) + 1  # last at the first rung
    plain, spent = run(simulate, table, make_scheduler("promotion_asha", max_epochs=EPOCHS), seed)
    assert plain[best].status == "stopped", "which rank alone never promotes"
    predicting = make_scheduler("promotion_asha", Known(table), max_epochs=EPOCHS, predict_from_epoch=1)
    trials, less = run(simulate, table, predicting, seed)
    assert trials[best].status == "finished"
    assert {trial.reason for trial in trials.values()} <= {"", "prediction", "not promoted"}
    assert "prediction" in {trial.reason for trial in trials.values()}
    assert less < spent + EPOCHS
    for name, trial in trials.items():
        if trial.reason == "prediction":
            assert trial.stop.prediction.mean[0] == table[name][-1] > trial.stop.threshold


def test_a_paused_trial_that_cannot_win_is_not_promoted() -> None:
    table = {
        "a": [1.0, *[5.0] * 11],
        "b": [2.0, *[9.0] * 11],
        "c": [3.0, *[4.0] * 11],
        "d": [4.0, *[3.0] * 11],
    }
    made = make_scheduler(
        "promotion_asha", Known(table, 0.5), max_epochs=EPOCHS, predict_from_epoch=1, reduction_factor=2.0
    )
    for trial in table:
        made.on_trial_add(trial, {"lr": 1.0})
    assert made.on_trial_result("a", 1, 1.0) is Decision.PAUSE
    assert made.on_trial_result("b", 1, 2.0) is Decision.STOP  # 8.5 at best, a ends at 5.5 at worst
    assert made.choose(["c", "d"], ["a"]) == "a"
    assert made.on_trial_result("c", 1, 3.0) is Decision.PAUSE
    assert made.on_trial_result("d", 1, 4.0) is Decision.PAUSE
    assert made.choose([], ["a", "c"]) is None, (
        "a ends at 4.5 at best, d at 3.5 at worst; c is not among the half"
    )
    assert made.choose([], ["a", "c", "d"]) == "d", "others ended on account of the incumbent"


def test_full_training_holds_a_prediction(curves, simulate) -> None:
    table = curves(10, EPOCHS, 1)
    made = make_scheduler("full", Known(table), max_epochs=EPOCHS, predict_from_epoch=3)
    trials, _ = run(simulate, table, made)
    finished = [name for name, trial in trials.items() if trial.status == "finished"]
    assert min(table, key=lambda name: table[name][-1]) in finished
    stopped = [trial for trial in trials.values() if trial.status == "stopped"]
    assert stopped
    assert all((trial.reason, trial.epochs >= 3) == ("prediction", True) for trial in stopped)


class Final:
    """Predicts what stands in a table: trial -> final value."""

    def __init__(self, table) -> None:
        self.known = Known(table)
        self.asked = 0

    def predict_interval(self, X, coverage=None):
        self.asked += len(X)
        return self.known.predict_interval(X, coverage)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_promotion_by_predicted_values_is_promotion_of_a_table_of_final_values(
    curves, simulate, mode
) -> None:
    """With the ends known: as if every curve stood at its end from the first epoch on."""
    for seed in range(3):
        table = curves(30, EPOCHS, seed)
        flat = {trial: [curve[-1]] * EPOCHS for trial, curve in table.items()}
        target, both = TargetMetric("loss", mode), {"max_epochs": EPOCHS, "mode": mode}
        spent = []
        for values, made in (
            (table, make_scheduler("predicted_promotion", Final(table), **both)),
            (flat, make_scheduler("promotion_asha", **both)),
        ):
            ledger = Ledger([Trial(t, t, {"lr": 1.0}) for t in table], made, EPOCHS, target)
            simulate(ledger, values, workers=3, seed=seed)
            spent.append([trial.epochs for trial in ledger.trials.values()])
        assert spent[0] == spent[1]
        assert len(set(spent[0])) > 2


def test_predictions_are_made_at_rungs_alone(curves, simulate) -> None:
    table = curves(9, EPOCHS, 0)
    predictor = Final(table)
    trials, _ = run(simulate, table, make_scheduler("predicted_promotion", predictor, max_epochs=EPOCHS))
    assert predictor.asked == sum(trial.epochs >= level for trial in trials.values() for level in (1, 3, 9))


def test_a_stop_by_predicted_value_says_value_and_prediction() -> None:
    table = {"a": [1.0, *[2.0] * 11], "b": [0.5, *[9.0] * 11]}
    made = PredictedValues(StoppingASHA(EPOCHS, reduction_factor=2.0), Known(table))
    for trial in table:
        made.on_trial_add(trial, {"lr": 1.0})
    assert made.on_trial_result("a", 1, 1.0) is Decision.CONTINUE
    assert made.on_trial_result("b", 1, 0.5) is Decision.STOP
    stop = made.stops["b"]
    assert (stop.value, stop.threshold, stop.prediction.mean[0]) == (0.5, 2.0, 9.0)


def test_promotion_by_predicted_values_needs_a_predictor() -> None:
    with pytest.raises(ConfigurationError, match="predicted_promotion needs a predictor"):
        make_scheduler("predicted_promotion", max_epochs=EPOCHS)
