"""Schedulers in real Ray Tune scripts: they train what they train in a replay of the same curves."""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path

import pytest
from ray import tune
from ray.tune.search import Searcher

from mlpf_hpo.errors import ConfigurationError, MissingInputError
from mlpf_hpo.integrations.ray_tune import RayTuneScheduler
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.tuning.ray_session import ray_session
from mlpf_hpo.tuning.settings import ResourceParams
from tests.integrations import toys
from tests.integrations.toys import EPOCHS, PRIOR_RATES, loss, recorded

RATES = toys.RATES[:6]
"""Of the trials: Tune starts a process for each."""

pytestmark = pytest.mark.ray


def replayed(name: str, **settings) -> dict[float, int]:
    found = toys.replayed(make_scheduler(name, max_epochs=EPOCHS, **settings), RATES)
    return {x: epochs for x, epochs in found.items() if epochs}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    resources = ResourceParams(concurrency=2, gpus_per_trial=0)
    with ray_session(tmp_path_factory.mktemp("ray"), resources):
        yield


def train_with_checkpoints(config) -> None:
    checkpoint, done = tune.get_checkpoint(), 0
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            done = int(Path(folder, "epoch").read_text())
    for epoch in range(done + 1, EPOCHS + 1):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "epoch").write_text(str(epoch))
            metrics = {"loss": loss(config["x"], epoch), "epoch": epoch}
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def train_without_checkpoints(config) -> None:
    for epoch in range(1, EPOCHS + 1):
        tune.report({"loss": loss(config["x"], epoch), "epoch": epoch})


class Training(tune.Trainable):
    """Ends by the stop criterion of the script."""

    def setup(self, config) -> None:
        self.config, self.epoch = config, 0

    def step(self):
        self.epoch += 1
        if self.config["x"] == self.config.get("fails"):
            raise RuntimeError("no luck")
        return {"loss": loss(self.config["x"], self.epoch), "epoch": self.epoch}

    def save_checkpoint(self, checkpoint_dir) -> None:
        Path(checkpoint_dir, "epoch").write_text(str(self.epoch))

    def load_checkpoint(self, checkpoint_dir) -> None:
        self.epoch = int(Path(checkpoint_dir, "epoch").read_text())

    def reset_config(self, new_config) -> bool:
        self.config, self.epoch = new_config, 0
        return True


def search(trainable, scheduler, tmp_path, space=None, run=None, **options):
    """Run a script of Tune's; return its results."""
    tuner = tune.Tuner(
        trainable,
        param_space=space or {"x": tune.grid_search(list(RATES))},
        tune_config=tune.TuneConfig(
            **{"metric": "loss", "mode": "min", "max_concurrent_trials": 1, "reuse_actors": True, **options},
            scheduler=scheduler,
        ),
        run_config=tune.RunConfig(verbose=0, storage_path=str(tmp_path), **(run or {})),
    )
    return tuner.fit()


def trained(results) -> dict[float, int]:
    """Return the last epoch of each trial that reported one; results of others have no configuration."""
    return {one.config["x"]: one.metrics["epoch"] for one in results if "epoch" in (one.metrics or {})}


@pytest.mark.pipeline
def test_trials_are_paused_and_resumed_as_in_a_replay(session, tmp_path) -> None:
    scheduler = RayTuneScheduler("promotion_asha", max_epochs=EPOCHS)
    results = search(train_with_checkpoints, scheduler, tmp_path)
    assert not results.errors
    assert trained(results) == replayed("promotion_asha")
    best = results.get_best_result()
    assert best.config["x"] == min(RATES)
    assert best.metrics["training_iteration"] == replayed("promotion_asha")[min(RATES)]


def test_without_checkpoints_a_stopping_scheduler_takes_over_and_a_warning_says_so(
    session, tmp_path, caplog
) -> None:
    scheduler = RayTuneScheduler("promotion_asha", max_epochs=EPOCHS, reduction_factor=2)
    with caplog.at_level(logging.WARNING, logger="mlpf_hpo"):
        results = search(train_without_checkpoints, scheduler, tmp_path)
    assert caplog.text.count("the trainable saves no checkpoint") == 1
    assert trained(results) == replayed("asha", reduction_factor=2)


@pytest.mark.pipeline
def test_a_prior_two_trials_at_once_and_one_that_fails(session, tmp_path) -> None:
    prior = recorded(PRIOR_RATES)
    scheduler = RayTuneScheduler("freeze_thaw", max_epochs=EPOCHS, prior=prior)
    space = {"x": tune.grid_search(list(RATES)), "fails": 0.11}
    # The script's own criterion ends a trial as well, with a result that Tune does not pass on.
    run = {"stop": {"training_iteration": EPOCHS}}
    results = search(Training, scheduler, tmp_path, space, run, max_concurrent_trials=2)
    assert {one.status for one in scheduler.ledger.trials.values()} <= {"finished", "stopped", "failed"}
    assert max(one.epochs for one in scheduler.ledger.trials.values()) == EPOCHS
    epochs = trained(results)
    assert len(results.errors) <= 1
    assert epochs[min(RATES)] == EPOCHS
    assert sum(epochs.values()) < EPOCHS * len(RATES) / 2


class Proposals(Searcher):
    """A search algorithm that proposes one configuration after the other."""

    def __init__(self) -> None:
        super().__init__(metric="loss", mode="min")
        self.left = list(RATES)

    def suggest(self, trial_id):
        return {"x": self.left.pop(0)} if self.left else Searcher.FINISHED

    def on_trial_complete(self, trial_id, result=None, error=False) -> None:
        """Nothing."""


@pytest.mark.pipeline
def test_a_search_algorithm_proposes_and_the_scheduler_pauses(session, tmp_path) -> None:
    scheduler = RayTuneScheduler("promotion_asha", max_epochs=EPOCHS)
    options = {"search_alg": Proposals(), "num_samples": len(RATES), "max_concurrent_trials": None}
    results = search(Training, scheduler, tmp_path, {"fails": None}, **options)
    epochs = sorted(trained(results).values())
    assert len(epochs) == len(RATES)
    assert epochs[0] == 1
    assert epochs[-1] >= 3, "some were resumed"


def test_what_trials_do_not_report_is_named(session, tmp_path) -> None:
    scheduler = RayTuneScheduler("asha", max_epochs=EPOCHS, time_attr="epochs")
    with pytest.raises(ConfigurationError, match=r"^[^\n]*no epochs \(did you mean epoch\?\)$"):
        search(Training, scheduler, tmp_path, {"x": 0.1})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": "ash"}, ConfigurationError, "no scheduler 'ash' (did you mean asha?)"),
        ({"mode": "up"}, ConfigurationError, "mode: 'up'; it is min or max"),
        ({"max_epochs": 0}, ConfigurationError, "max_epochs must be a whole number of at least 1"),
        ({"eta": 3}, ConfigurationError, "scheduler asha has no setting 'eta'"),
        ({"coverage": 0.8}, ConfigurationError, "coverage is a setting of a prediction"),
        ({"prior": "nowhere.csv"}, MissingInputError, "nowhere.csv: no such file"),
        ({"prior": "campaign-v0"}, ConfigurationError, "scheduler asha takes no curves of a prior campaign"),
    ],
)
def test_what_is_refused_before_anything_runs(options, error, message) -> None:
    given = {"name": "asha", "metric": "loss", "mode": "min", "max_epochs": EPOCHS, **options}
    with pytest.raises(error, match=f"^[^\n]*{re.escape(message)}[^\n]*$"):
        RayTuneScheduler(**given)


def test_metric_and_mode_are_given_once() -> None:
    scheduler = RayTuneScheduler("asha", max_epochs=EPOCHS)
    with pytest.raises(ConfigurationError, match="metric and mode are not known"):
        scheduler.set_search_properties(None, None)
    assert scheduler.set_search_properties("loss", "min")
    assert not scheduler.set_search_properties("loss", "min")
