"""A campaign and searches for a metric that rises: its best is the largest, wherever it is read."""

from __future__ import annotations

import shutil

import pytest

from mlpf_hpo.config import Params, parse_params
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.files import write_record
from mlpf_hpo.mlpf.task import task_of
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.search_result import best_trial
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import overview, reader
from mlpf_hpo.tracking.aliases import make_model, promote
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.ranking import best_trials
from mlpf_hpo.tracking.registry import register_predictor
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning.campaign import collect_curves, run_campaign
from mlpf_hpo.tuning.ray_session import ray_session
from mlpf_hpo.tuning.search import run_search
from tests.registry.registered import record_champion
from tests.tuning.replaced import ReplacedTask
from tests.tuning.toys import TWO, toy

ACCURACY = TargetMetric("accuracy", "max")

EPOCHS, TRIALS = 4, 6


def rising():
    """Return a training whose accuracy rises with the epoch, and is best in trial 3."""
    return toy(lambda n, e: (0.9 if n == 3 else 0.1 * (1 + n)) * e / 4, metric="accuracy")


@pytest.fixture
def params() -> Params:
    widths = {"class_head": [8], "charge_head": [8], "regression_head": [8]}
    content = {
        "network": {"embedding_dim": 8, "hash_columns": 16, **widths},
        "target": {"metric": "accuracy", "mode": "max"},
        "resources": {"concurrency": 2, "gpus_per_trial": 0},
        "campaign": {"trials": TRIALS, "epochs": EPOCHS},
        "search": {
            "configurations": TRIALS,
            "max_epochs": EPOCHS,
            "predict_from_epoch": 1,
            "schedulers": [{"name": "asha"}, {"name": "asha", "prediction": {}}],
        },
    }
    return parse_params(content)


@pytest.fixture
def client(tmp_path, monkeypatch, empty_database):
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return connect(uri)


def points(client, run_ids) -> list[int]:
    """Return how many values of the metric each run has."""
    return [len(client.get_metric_history(run_id, "accuracy")) for run_id in run_ids]


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory):
    """Start Ray once; campaigns and searches use a session that they find."""
    with ray_session(tmp_path_factory.mktemp("ray"), TWO):
        yield


@pytest.mark.ray
def test_a_campaign_and_searches_for_accuracy(ray_here, tmp_path, params, client, stores) -> None:
    task, state = ReplacedTask(rising(), task_of(params, stores[0].parent)), tmp_path / "state"
    more = {"seed": params.seed, "resources": params.resources, "state": state}
    what = task, params.space.search_space(), params.target.with_mode()
    first = run_campaign(*what, params.campaign, **more)
    # Two of its runs are lost to the record: the next call trains these again, in runs of their own.
    lost = first.runs["run_ids"][:2]
    for run_id in lost:
        client.set_tag(run_id, "trial_status", "killed")
    again = run_campaign(*what, params.campaign, **more)
    (tmp_path / "data").mkdir()
    again.write(tmp_path / "data")
    curves = collect_curves(tmp_path / "data")
    record = tmp_path / "champion.json"
    _register(client, curves, params, record)
    found = run_search(*what, params.search, **more, champion=record).content
    resumed = run_search(*what, params.search, **more, champion=record).content

    # The curves came back, in their direction, and no epoch of a resumed trial stands there twice.
    assert again.runs["run_ids"] == first.runs["run_ids"]
    assert curves.target == ACCURACY
    assert curves.final.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.9, 0.5, 0.6])
    assert points(client, first.runs["run_ids"]) == [EPOCHS] * TRIALS
    ranked = best_trials(client, "campaign")
    assert (ranked[0].metric, ranked[0].best) == ("accuracy", 0.9)
    assert ranked[0].run_id == first.runs["run_ids"][3]
    assert overview.work_on_record(client, "campaign")[0].target == ACCURACY

    for one in found["schedulers"].values():
        assert (one["best_trial"], one["best_loss"]) == ("t003", 0.9)
        values = [value for _, value in one["incumbent"]]
        assert values == sorted(values), "what is best so far rises"
        assert values[-1] == 0.9
        run_ids = [trial["run_id"] for trial in one["trials"]]
        assert points(client, run_ids) == [len(trial["curve"]) for trial in one["trials"]]
    assert best_trial(found)["trial_id"] == "t003"
    assert resumed["schedulers"]["asha"]["trials"] == found["schedulers"]["asha"]["trials"]
    assert [one["reused"] for one in resumed["schedulers"].values()] == [TRIALS, TRIALS]
    # Under a search for small values t000 would be kept, and t003 stopped.
    assert {t["trial_id"]: t["status"] for t in found["schedulers"]["asha"]["trials"]}["t003"] == "finished"


def _register(client, curves, params, record) -> None:
    """Register persistence as the champion, fitted on the campaign, and put it on record."""
    run_id = RunWriter(client).open_parent("predictors", "p", "persistence", {}, {}, "a note")
    predictor = make_predictor("persistence", PredictorsParams(), 0, [1, 2, 3], folds=2)
    predictor.fit(curves.frame(), curves.final, curves.groups)
    scope = ChampionScope.of_curves(curves, params.space.search_space())
    make_model(client, scope.model, scope.description, scope.tags)
    version = register_predictor(
        client, predictor, curves.frame(2).head(3), model=scope.model, trusted=trusted_types(), run_id=run_id,
        digest="d", dataset_path="curves.parquet", metrics={}, tags={"predictor": "persistence"},
    )  # fmt: skip
    promote(client, version, "champion")
    write_record(record, record_champion(params))


@pytest.mark.ray
def test_a_metric_that_no_trial_reports_is_refused_with_the_nearest(
    ray_here, tmp_path, params, client, stores
) -> None:
    misspelt = params.model_copy(update={"target": params.target.model_copy(update={"metric": "acuracy"})})
    with pytest.raises(
        ConfigurationError, match=r"t00\d, epoch 1 reports no acuracy \(did you mean accuracy\?"
    ):
        run_campaign(
            ReplacedTask(rising(), task_of(params, stores[0].parent)), params.space.search_space(),
            misspelt.target.with_mode(), params.campaign,
            seed=1, resources=params.resources, state=tmp_path / "state",
        )  # fmt: skip
    assert reader.trials(client, "campaign")


def test_params_know_the_direction_or_ask() -> None:
    assert parse_params({}).target.with_mode() == TargetMetric("val/loss", "min")
    assert parse_params({"target": {"metric": "val/accuracy"}}).target.with_mode().mode == "max"
    with pytest.raises(ConfigurationError, match=r"target: .*fitness: .*target.mode min or target.mode max"):
        parse_params({"target": {"metric": "fitness"}})
    with pytest.raises(
        ConfigurationError, match=r"target.mode min: contradicts val/accuracy, .*target.mode max"
    ):
        parse_params({"target": {"metric": "val/accuracy", "mode": "min"}})


def test_a_policy_of_the_other_direction_is_refused() -> None:
    from mlpf_hpo.search.ledger import Ledger

    with pytest.raises(
        ConfigurationError, match=r"StoppingASHA: mode min, but the target is accuracy \(max\)"
    ):
        Ledger([], StoppingASHA(8), 8, ACCURACY)
