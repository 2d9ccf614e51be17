"""The learning curves of other tasks: what is learnt from what, and that they are curves of learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss, mean_squared_error

from benchmarks import other_tasks
from benchmarks.other_tasks import TASKS, Task, curves_of, train

GOOD: dict[str, Any] = {
    "lr": 3e-3,
    "weight_decay": 1e-4,
    "width": 32.0,
    "depth": 1.0,
    "batch_size": 32.0,
    "beta_1": 0.9,
}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every task take four epochs."""
    for name, make in TASKS.items():
        task = make()
        made = Task(4, task.validation, task.training, task.classes)
        monkeypatch.setitem(other_tasks.TASKS, name, lambda made=made: made)


@pytest.mark.parametrize("name", TASKS)
def test_a_sound_configuration_learns_more_than_the_mean_says(name: str, short: None) -> None:
    task = TASKS[name]()
    X, y = task.training(0)
    told, true = task.validation
    if task.classes is None:
        trivial = mean_squared_error(true, DummyRegressor().fit(X, y).predict(told))
    else:
        trivial = log_loss(true, DummyClassifier(strategy="prior").fit(X, y).predict_proba(told))
    loss, accuracy = train(name, GOOD, 0)
    assert loss.shape == (4,)
    assert loss[-1] < loss[0]
    assert loss[-1] < 0.9 * trivial
    if task.classes is None:
        assert np.isnan(accuracy).all()
    else:
        assert 1 / len(task.classes) < accuracy[-1] <= 1


@pytest.mark.parametrize("name", TASKS)
def test_no_row_is_both_learnt_and_validated_on(name: str) -> None:
    task = TASKS[name]()
    learnt = {tuple(row) for epoch in (0, 1) for row in task.training(epoch)[0]}
    once = {tuple(row) for row in task.training(0)[0]}
    assert not learnt & {tuple(row) for row in task.validation[0]}
    assert (learnt == once) == (name in {"breast_cancer", "diabetes", "digits"})


def test_curves_are_those_of_their_configurations_whoever_trains_them() -> None:
    curves = curves_of("breast_cancer", 3)
    assert len(set(curves.groups)) == 3
    assert curves.hyperparameters == ("lr", "weight_decay", "width", "depth", "batch_size", "beta_1")
    for trial in range(3):
        config = curves.configs.iloc[trial][list(curves.hyperparameters)].to_dict()
        loss, accuracy = train("breast_cancer", config, trial)
        np.testing.assert_allclose(curves.metrics["loss"][trial], loss)
        np.testing.assert_allclose(curves.metrics["accuracy"][trial], accuracy)
