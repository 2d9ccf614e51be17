"""Schedulers in real Optuna studies: what they train is what they train in a replay of the same curves."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest

from mlpf_hpo.errors import ConfigurationError, MissingInputError
from mlpf_hpo.integrations.optuna_loop import OptunaLoop
from mlpf_hpo.integrations.optuna_pruner import OptunaPruner
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.search.bounds import Bounds
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.predictive import PredictiveScheduler
from tests.integrations.toys import EPOCHS, PRIOR_RATES, RATES, loss, recorded, replayed

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_of(pruner=None, direction="minimize", storage=None, rates=RATES) -> optuna.Study:
    """Return a study whose trials have the toys' hyperparameters, in their order."""
    study = optuna.create_study(pruner=pruner, direction=direction, storage=storage, study_name="toys")
    for x in rates:
        study.enqueue_trial({"x": x})
    return study


def objective(trial: optuna.Trial, sign: float = 1.0) -> float:
    """Train as people's scripts do: steps from 0, one report an epoch."""
    x = trial.suggest_float("x", 0, 1)
    for step in range(EPOCHS):
        trial.report(sign * loss(x, step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return sign * loss(x, EPOCHS)


def trained(study: optuna.Study) -> dict[float, int]:
    return {trial.params["x"]: len(trial.intermediate_values) for trial in study.trials if trial.params}


@pytest.mark.parametrize(("name", "settings"), [("asha", {"reduction_factor": 2}), ("median_stopping", {})])
def test_a_pruner_stops_what_the_scheduler_stops_in_a_replay(name, settings) -> None:
    study = study_of(OptunaPruner(name, max_epochs=EPOCHS, **settings))
    study.optimize(objective, n_trials=len(RATES))
    assert trained(study) == replayed(make_scheduler(name, max_epochs=EPOCHS, **settings))
    assert min(trained(study).values()) < EPOCHS
    states = {trial.state.name for trial in study.trials}
    assert states == {"COMPLETE", "PRUNED"}


def test_the_direction_of_the_study_is_the_mode() -> None:
    study = study_of(OptunaPruner("asha", max_epochs=EPOCHS), direction="maximize")
    study.optimize(lambda trial: objective(trial, -1.0), n_trials=len(RATES))
    assert trained(study) == replayed(make_scheduler("asha", max_epochs=EPOCHS))


def test_a_predictor_stops_trials_that_cannot_win() -> None:
    prior = recorded(PRIOR_RATES)
    predictor = make_predictor("ridge", PredictorsParams(), seed=0, known_epochs=(2, 4))
    predictor.fit(prior.frame(), prior.final)
    study = study_of(OptunaPruner("full", max_epochs=EPOCHS, prior=predictor, coverage=0.8))
    study.optimize(objective, n_trials=len(RATES))
    bounds = Bounds(predictor, EPOCHS, coverage=0.8)
    assert trained(study) == replayed(PredictiveScheduler(FullTraining(), bounds))
    assert min(trained(study).values()) == 2


def test_values_that_are_not_finite_are_pruned_and_steps_may_have_gaps() -> None:
    study = study_of(OptunaPruner("full", max_epochs=EPOCHS), rates=())
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    trial.report(1.0, 10)
    assert not trial.should_prune()
    trial.report(float("nan"), 20)
    assert trial.should_prune()


def test_threads_of_one_study_share_a_pruner() -> None:
    study = study_of(OptunaPruner("asha", max_epochs=EPOCHS, reduction_factor=2))
    meet = threading.Barrier(2, timeout=60)

    def train(trial: optuna.Trial) -> float:
        if trial.number < 2:  # both threads are in their first trials, so that reports of two interleave
            meet.wait()
        return objective(trial)

    study.optimize(train, n_trials=len(RATES), n_jobs=2)
    assert len(study.trials) == len(RATES)
    assert study.best_trial.params["x"] == min(RATES)
    assert sum(trained(study).values()) < EPOCHS * len(RATES)
    assert all(trial.state.is_finished() for trial in study.trials)


WORKER = """
import sys, optuna
from tests.integrations.test_optuna import objective
from mlpf_hpo.integrations.optuna_pruner import OptunaPruner

optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(
    study_name="toys",
    storage=sys.argv[1],
    sampler=optuna.samplers.RandomSampler(seed=int(sys.argv[2])),
    pruner=OptunaPruner("asha", max_epochs=9),
)
study.optimize(objective, n_trials=3)
"""


def test_processes_of_one_storage_see_each_others_values(tmp_path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    # None is enqueued: on SQLite, Optuna may give an enqueued trial to two processes.
    study = study_of(storage=storage, rates=())
    command = [sys.executable, "-c", WORKER, storage]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    workers = [subprocess.Popen([*command, str(seed)], cwd=ROOT, env=environment) for seed in (1, 2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert len(trained(study)) == 6
    assert all(trial.state.is_finished() for trial in study.trials)
    # A third process, which knows them from the storage alone, judges the next trial by them.
    study.pruner = OptunaPruner("asha", max_epochs=EPOCHS)
    study.enqueue_trial({"x": 0.99})
    study.optimize(objective, n_trials=1)
    assert trained(study)[0.99] == 1


@pytest.mark.parametrize("name", ["promotion_asha", "freeze_thaw", "hyperband"])
def test_a_loop_pauses_and_resumes_as_in_a_replay(name) -> None:
    study = study_of()
    loop = OptunaLoop(
        study, name, lambda trial: trial.suggest_float("x", 0, 1), n_trials=len(RATES), max_epochs=EPOCHS
    )
    epochs: dict[int, list[int]] = {}

    def train(trial: optuna.Trial, epoch: int) -> float:
        epochs.setdefault(trial.number, []).append(epoch)
        return loss(trial.params["x"], epoch)

    loop.optimize(train)
    expected = replayed(make_scheduler(name, max_epochs=EPOCHS))
    assert trained(study) == {x: n for x, n in expected.items() if n or x in trained(study)}
    assert all(seen == list(range(1, len(seen) + 1)) for seen in epochs.values()), "no epoch twice"
    finished = {trial.params["x"] for trial in study.trials if trial.state.name == "COMPLETE"}
    assert finished == {x for x, n in expected.items() if n == EPOCHS}
    assert {trial.state.name for trial in study.trials if trial.params} == {"COMPLETE", "PRUNED"}


def test_a_loop_takes_a_prior_and_two_threads() -> None:
    study = study_of()
    suggest = lambda trial: trial.suggest_float("x", 0, 1)  # noqa: E731
    prior = recorded(PRIOR_RATES)
    sizes = {"n_trials": len(RATES), "max_epochs": EPOCHS}
    loop = OptunaLoop(study, "freeze_thaw", suggest, prior=prior, **sizes)
    running, most, lock = set(), [0], threading.Lock()

    def train(trial: optuna.Trial, epoch: int) -> float:
        with lock:
            assert trial.number not in running
            running.add(trial.number)
            most[0] = max(most[0], len(running))
        time.sleep(0.01)
        with lock:
            running.discard(trial.number)
        return loss(trial.params["x"], epoch)

    loop.optimize(train, n_jobs=2)
    assert study.best_trial.params["x"] == min(RATES)
    assert most == [2]
    assert sum(trained(study).values()) < EPOCHS * len(RATES) / 2


def test_what_a_training_raises_is_raised_and_another_call_goes_on() -> None:
    study = study_of()
    suggest = lambda trial: trial.suggest_float("x", 0, 1)  # noqa: E731
    loop = OptunaLoop(study, "asha", suggest, n_trials=len(RATES), max_epochs=EPOCHS)

    def train(trial: optuna.Trial, epoch: int) -> float:
        if trial.number == 1 and epoch == 1:
            raise RuntimeError("no luck")
        return loss(trial.params["x"], epoch)

    with pytest.raises(RuntimeError, match="no luck"):
        loop.optimize(train)
    assert [trial.state.name for trial in study.trials[:2]] == ["COMPLETE", "FAIL"]
    loop.optimize(train)
    assert all(trial.state.is_finished() for trial in study.trials)


def test_values_of_other_processes_count_in_a_loop(tmp_path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    study = study_of(storage=storage, rates=())
    other = optuna.load_study(study_name="toys", storage=storage)
    for x in (0.01, 0.02, 0.03):  # better than all that follow
        trial = other.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        for epoch in range(1, EPOCHS + 1):
            trial.report(loss(x, epoch) - 1, epoch)
    sizes = {"n_trials": 3, "max_epochs": EPOCHS}
    loop = OptunaLoop(study, "promotion_asha", lambda trial: trial.suggest_float("x", 0.5, 1), **sizes)
    loop.optimize(lambda trial, epoch: loss(trial.params["x"], epoch))
    own = study.trials[3:]
    assert [len(trial.intermediate_values) for trial in own] == [1, 1, 1], "no third of six is theirs"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OptunaPruner("promotion_asha", max_epochs=9), "pauses trials, and a pruner can only stop"),
        (lambda: OptunaPruner("asha", max_epochs=9, budget_epochs=20), "budget_epochs pauses trials"),
        (lambda: OptunaPruner("ash", max_epochs=9), "no scheduler 'ash' (did you mean asha?)"),
        (lambda: OptunaPruner("asha", max_epochs=0), "max_epochs must be a whole number of at least 1"),
        (lambda: OptunaPruner("asha", max_epochs=9, eta=3), "scheduler asha has no setting 'eta'"),
    ],
)
def test_what_a_pruner_refuses(make, message) -> None:
    with pytest.raises(ConfigurationError, match=f"^[^\n]*{re.escape(message)}[^\n]*$"):
        make()


def test_what_does_not_fit_a_study_is_refused_in_one_line() -> None:
    def first_report(pruner, **study) -> None:
        trial = optuna.create_study(pruner=pruner, **study).ask()
        trial.report(1.0, 0)
        trial.should_prune()

    curves = recorded()
    with pytest.raises(ConfigurationError, match=r"^scheduler asha takes no curves[^\n]*freeze_thaw[^\n]*$"):
        first_report(OptunaPruner("asha", max_epochs=EPOCHS, prior=curves))
    with pytest.raises(ConfigurationError, match=r"^prior: mode of the curves of toys is min[^\n]*max$"):
        first_report(OptunaPruner("asha", max_epochs=EPOCHS, prior=curves), direction="maximize")
    with pytest.raises(MissingInputError, match=r"^nowhere.parquet: [^\n]*$"):
        first_report(OptunaPruner("asha", max_epochs=EPOCHS, prior="nowhere.parquet"))
    two = optuna.create_study(directions=["minimize", "minimize"])
    with pytest.raises(ConfigurationError, match="2 objectives; a learning curve is of one"):
        OptunaLoop(two, "asha", print, n_trials=1, max_epochs=EPOCHS)


def test_a_pruner_can_be_pickled() -> None:
    study = study_of(pickle.loads(pickle.dumps(OptunaPruner("asha", max_epochs=EPOCHS))))
    study.optimize(objective, n_trials=2)
    assert len(study.trials) >= 2
