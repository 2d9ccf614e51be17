"""ASHA with prediction: which trials it stops and must not stop, and the two ways to stop a whole search."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.predictive import PredictiveScheduler
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric


class LastValue:
    """Predicts that a curve stays where it is, give or take a width; keeps what it was asked."""

    def __init__(self, width: float, scale: float = 1.0) -> None:
        self.width = width
        self.scale = scale
        self.asked: list[pd.DataFrame] = []

    def predict_interval(self, X: pd.DataFrame, coverage: float | None = None) -> Prediction:
        self.asked.append(X)
        losses = X.filter(like="loss_").to_numpy()
        known = np.isfinite(losses).sum(axis=1)
        last = self.scale * losses[np.arange(len(X)), known - 1]
        return Prediction(last, last - self.width, last + self.width, coverage or 0.9)


def make_predictive(width: float = 0.5, scale: float = 1.0, **settings) -> PredictiveScheduler:
    # A huge reduction factor leaves no rung beyond the first: predictions decide alone from epoch 2 on.
    everything = {"max_epochs": 8, "reduction_factor": 1e6, "predict_from_epoch": 2, **settings}
    made = make_scheduler("asha", LastValue(width, scale), **everything)
    for trial_id in "abcd":
        made.on_trial_add(trial_id, {"lr": 0.1, "output_dim": 8})
    return made


def feed(made: PredictiveScheduler, trial_id: str, *values: float) -> list[Decision]:
    start = len(made.bounds._curves.get(trial_id, ()))
    return [made.on_trial_result(trial_id, start + i, value) for i, value in enumerate(values, start=1)]


def test_stops_what_cannot_reach_the_incumbent() -> None:
    made = make_predictive()
    assert feed(made, "a", 9.0, 1.0) == [Decision.CONTINUE] * 2
    assert feed(made, "b", 8.0, 2.1) == [Decision.CONTINUE, Decision.STOP]
    stop = made.stops["b"]
    assert (stop.reason, stop.threshold, stop.epoch) == ("prediction", 1.5, 2)
    assert stop.prediction is not None
    assert (stop.prediction.mean[0], stop.prediction.lower[0], stop.prediction.upper[0]) == (2.1, 1.6, 2.6)
    assert feed(made, "c", 7.0, 1.9) == [Decision.CONTINUE] * 2  # its lower bound is within reach
    made.on_trial_error("a")
    made.on_trial_error("c")
    assert made.bounds.incumbent() == (None, math.inf)  # b's bound, 2.6, went with b
    assert feed(made, "d", 7.0, 4.0) == [Decision.CONTINUE] * 2


def test_larger_is_better_where_it_is() -> None:
    made = make_predictive(mode="max")
    assert feed(made, "a", 1.0, 9.0) == [Decision.CONTINUE] * 2
    assert feed(made, "b", 2.0, 7.9) == [Decision.CONTINUE, Decision.STOP]
    stop = made.stops["b"]
    assert (stop.reason, stop.threshold) == ("prediction", 8.5)
    assert feed(made, "c", 3.0, 8.1) == [Decision.CONTINUE] * 2


def test_a_stopped_trials_bound_is_not_the_incumbent() -> None:
    made = make_predictive(reduction_factor=2.0, grace_epochs=3, predict_from_epoch=2)
    feed(made, "a", 9.0, 1.0)  # the smallest upper bound: 1.5
    made.on_trial_error("a")
    assert feed(made, "b", 9.0, 3.0) == [Decision.CONTINUE] * 2
    assert feed(made, "c", 9.0, 3.4) == [Decision.CONTINUE] * 2
    made.on_trial_complete("b")  # ended early
    assert feed(made, "d", 9.0, 4.0) == [Decision.CONTINUE] * 2  # within reach of c, not of a or b


def test_a_trial_stopped_by_rank_leaves_no_bound() -> None:
    # a and b are as good; b is stopped by rank at epoch 3 although predicted best only while it lives.
    made = make_predictive(width=0.01, grace_epochs=1, reduction_factor=3.0, predict_from_epoch=2)
    feed(made, "a", 1.0, 1.0)
    assert made.bounds.incumbent() == ("a", pytest.approx(1.01))
    feed(made, "b", 0.9, 0.5)
    assert made.bounds.incumbent()[0] == "b"
    assert feed(made, "a", 0.5) == [Decision.CONTINUE]  # first at rung 3
    assert made.bounds.incumbent()[0] in "ab"
    assert feed(made, "b", 2.0) == [Decision.STOP]
    assert made.stops["b"].reason == "rank"
    assert made.bounds.incumbent()[0] == "a"


def test_the_owner_of_the_incumbent_is_never_stopped() -> None:
    made = make_predictive(width=0.5, grace_epochs=1, reduction_factor=2.0, predict_from_epoch=1, scale=-1.0)
    # Predicted to end the better the worse it stands: rank and prediction contradict each other.
    assert feed(made, "a", 1.0) == [Decision.CONTINUE]
    assert feed(made, "b", 3.0) == [Decision.CONTINUE]  # rank would stop it, but its bound is the incumbent
    assert "b" not in made.stops
    assert feed(made, "c", 2.9) == [Decision.STOP]
    assert made.stops["c"].reason == "rank"
    # The incumbent can now stop a, whose lower bound lies above it.
    assert feed(made, "a", 1.0) == [Decision.STOP]
    assert made.stops["a"].reason in ("prediction", "rank")
    assert all(decision is Decision.CONTINUE for decision in feed(made, "b", *[3.0] * 7))


def test_a_finished_trials_value_is_its_bound() -> None:
    made = make_predictive()
    feed(made, "a", 9.0, *[1.0] * 7)
    made.on_trial_complete("a")
    assert made.bounds.incumbent() == ("a", 1.0)
    assert feed(made, "b", 9.0, 1.6) == [Decision.CONTINUE, Decision.STOP]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_one_survives_whatever_is_predicted(curves, simulate, mode) -> None:
    for seed in range(20):
        table = curves(12, 8, seed)
        predictor = LastValue(width=0.0, scale=-1.0 if seed % 2 else 1.0)
        made = make_scheduler(
            "asha", predictor, max_epochs=8, reduction_factor=2.0, predict_from_epoch=1, mode=mode
        )
        ledger = Ledger([Trial(t, t, {"lr": 1.0}) for t in table], made, 8, TargetMetric("loss", mode))
        simulate(ledger, table, workers=3, seed=seed)
        assert "finished" in {trial.status for trial in ledger.trials.values()}
        stopped = [trial for trial in ledger.trials.values() if trial.status == "stopped"]
        assert all(trial.reason in ("rank", "prediction") for trial in stopped)


def test_without_information_it_is_asha(curves, simulate) -> None:
    for seed, width in ((0, math.inf), (1, math.nan), (2, 1e9)):
        table = curves(16, 12, seed)
        decisions = []
        for predictor in (None, LastValue(width)):
            settings = {"predict_from_epoch": 1} if predictor else {}
            made = make_scheduler("asha", predictor, max_epochs=12, **settings)
            ledger = Ledger([Trial(t, t, {"lr": 1.0}) for t in table], made, 12, VALIDATION_LOSS)
            decisions.append(simulate(ledger, table, workers=2, seed=seed))
        if width == 1e9:  # an incumbent, however far its bound: its owner may pass a rung that ASHA closes
            assert len(decisions[1]) >= len(decisions[0])
        else:
            assert decisions[0] == decisions[1]


def test_asks_on_the_grid_about_all_live_trials_at_once() -> None:
    made = make_predictive(width=100.0, predict_from_epoch=3, predict_every=2)
    feed(made, "a", 5.0, 5.0, 5.0, 5.0)
    feed(made, "b", 4.0, 4.0)
    assert len(made.bounds.predictor.asked) == 1
    feed(made, "b", 4.0)
    asked = made.bounds.predictor.asked[-1]
    assert list(asked.columns) == ["lr", "output_dim", *(f"loss_{i}" for i in range(8))]
    assert asked["loss_2"].tolist() == [5.0, 4.0]
    assert asked["loss_3"].isna().tolist() == [False, True]
    feed(made, "b", 4.0)
    assert len(made.bounds.predictor.asked) == 2
    feed(made, "b", 4.0)
    assert len(made.bounds.predictor.asked[-1]) == 1  # a has not moved


def test_the_projects_own_predictor_saves_epochs(curves, simulate) -> None:
    known, table = curves(40, 12, seed=1), curves(30, 12, seed=2)
    losses = pd.DataFrame(list(known.values()), columns=[f"loss_{i}" for i in range(12)])
    losses.insert(0, "lr", 1.0)
    predictor = make_predictor("persistence", PredictorsParams(), seed=0, known_epochs=range(12))
    predictor.fit(losses, losses["loss_11"])
    spent, best = {}, {}
    for name, made in {
        "asha": StoppingASHA(12),
        "predictive": make_scheduler("asha", predictor, max_epochs=12, predict_from_epoch=2, coverage=0.9),
    }.items():
        ledger = Ledger([Trial(t, t, {"lr": 1.0}) for t in table], made, 12, VALIDATION_LOSS)
        spent[name] = len(simulate(ledger, table, workers=3, seed=0))
        best[name] = min(trial.values[-1] for trial in ledger.trials.values() if trial.status == "finished")
    reasons = {trial.reason for trial in ledger.trials.values()}
    assert reasons == {"", "rank", "prediction"}
    assert spent["predictive"] < spent["asha"]
    assert best["predictive"] <= best["asha"] + 0.2


@pytest.mark.parametrize(
    "settings", [{"predict_every": 0}, {"predict_from_epoch": -1}, {"coverage": 1.0}, {"coverage": 0.0}]
)
def test_settings_without_sense_are_refused(settings) -> None:
    with pytest.raises(ConfigurationError):
        make_predictive(**settings)
