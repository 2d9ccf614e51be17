"""Champion and challenger in a real registry: promoted by recipe, on folds of the curves at hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mlflow
import numpy as np
import pytest
import skops.io
import yaml
from mlflow import MlflowClient
from scipy.stats import spearmanr
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.config import Params, SvrParams
from mlpf_hpo.curves.dataset import curves_file_digest, write_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.files import sha256, write_record
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import load_champion
from mlpf_hpo.predictors.protocol import METRICS, grouped_folds
from mlpf_hpo.predictors.recipe import Recipe
from mlpf_hpo.predictors.registration import register_winner, summary
from mlpf_hpo.predictors.regressors import REGRESSORS
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import stable_hash
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.records import MODEL
from tests.faults.artefacts import curves

PARAMS = Params.model_validate({"predictors": {"candidates": ["persistence", "ridge", "svr"]}})
KNOWN = 2


def where_the_start_says_little(seed: int = 0, n_epochs: int = 6) -> LearningCurves:
    """Return curves whose end follows from lr: ridge finds it, the last value seen does not."""
    table = curves(40, n_epochs, seed)
    drop = np.random.default_rng(100 + seed).uniform(0, 6, (40, 1))
    values = 3 + np.log(table.configs["lr"].to_numpy())[:, None] / 4 + drop * np.exp(-np.arange(n_epochs))
    return replace(table, metrics=MappingProxyType({"val/loss": values}))


@dataclass
class Registry:
    """A registry, and how the stage before leaves a winner for it."""

    client: MlflowClient
    folder: Path

    def register(self, name: str, table: LearningCurves, params: Params = PARAMS) -> dict[str, Any]:
        """Fit a predictor as the stage `predictors` does, and register it."""
        comparison, models, curves_file = self.files
        write_curves(table, curves_file)
        known = range(table.n_epochs)
        predictor = make_predictor(name, params.predictors, 0, known, folds=2)
        predictor.fit(table.frame(), table.final, table.groups)
        models.mkdir(exist_ok=True)
        (models / f"{name}.skops").write_bytes(skops.io.dumps(predictor))
        content = {
            "winner": name,
            "models": {name: sha256(models / f"{name}.skops")},
            "predictors": {name: {metric: {"mean": 0.9} for metric in METRICS}},
            "selected": {metric: {"mean": 0.5} for metric in METRICS},
            "dataset_digest": curves_file_digest(curves_file),
            "settings": stable_hash(params.predictors.model_dump(mode="json"), 8),
            "known_epochs": KNOWN,
            "n_epochs": table.n_epochs,
            "rows": len(table),
            "curves": len(table),
            "source": table.source,
            "seed": params.seed,
            "criterion": params.predictors.criterion,
            "sampling": {},
        }
        write_record(comparison, content)
        return register_winner(params, comparison, models, curves_file)

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """Return the comparison, the folder of models and the curves."""
        return self.folder / "predictors.json", self.folder / "models", self.folder / "curves.parquet"

    @property
    def aliases(self) -> dict[str, str]:
        return {
            alias: str(version) for alias, version in self.client.get_registered_model(MODEL).aliases.items()
        }

    def versions(self) -> int:
        return len(self.client.search_model_versions(f"name = '{MODEL}'"))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"


@pytest.fixture
def registry(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = connect(uri)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)
    return Registry(client, tmp_path)


def again(registry: Registry, register: Callable[[], dict[str, Any]], record: dict[str, Any]) -> None:
    """Check that a second call, with a model file of other bytes, changes nothing."""
    before = registry.aliases, registry.versions()
    assert register() == record
    assert (registry.aliases, registry.versions()) == before


def spearman_of(name: str, table: LearningCurves) -> float:
    """Return the criterion on the folds of the comparison."""
    seed = derive_seed(PARAMS.seed, "predictors")
    said = np.full(len(table), np.nan)
    for train, test in grouped_folds(table.groups, 5, derive_seed(seed, "promotion", "folds")):
        model = make_predictor(name, PARAMS.predictors, derive_seed(seed, name), [KNOWN], folds=0)
        model.fit(table.frame().iloc[train], table.final[train])
        said[test] = model.predict(table.frame(KNOWN).iloc[test])
    return float(spearmanr(table.final, said).statistic)


def test_a_better_recipe_is_promoted_and_a_rerun_changes_nothing(registry) -> None:
    first = registry.register("persistence", where_the_start_says_little(0))
    assert (first["version"], first["registered"]["version"]) == ("1", "1")
    assert first["verdict"]["reason"] == "there was no champion"
    assert registry.aliases == {"champion": "1"}
    table = where_the_start_says_little(1)
    record = registry.register("ridge", table)
    assert registry.aliases == {"champion": "2"}, "who is promoted is no challenger any more"
    assert (record["version"], record["predictor"]) == ("2", "ridge")
    scores = record["verdict"]["scores"]
    assert scores["challenger"]["mean"] == pytest.approx(spearman_of("ridge", table))
    assert scores["champion"]["mean"] == pytest.approx(spearman_of("persistence", table))
    assert 0 < scores["difference"]["low"] < scores["difference"]["mean"] < scores["difference"]["high"]
    assert "ridge against persistence of version 1" in summary(record)
    assert "ridge is curve-predictor version 2, @champion" in summary(record)
    told = registry.client.get_model_version(MODEL, "2").tags
    assert told["outer/spearman"] == "0.5000", "the scores of the choosing, which saw none of the scored rows"
    again(registry, lambda: registry.register("ridge", table), record)


def test_a_recipe_that_is_not_better_stays_challenger_and_the_run_says_why(registry) -> None:
    registry.register("ridge", where_the_start_says_little(0))
    table = where_the_start_says_little(1)
    record = registry.register("persistence", table)
    assert registry.aliases == {"champion": "1", "challenger": "2"}
    assert (record["version"], record["predictor"], record["registered"]["version"]) == ("1", "ridge", "2")
    assert record["verdict"]["scores"]["difference"]["low"] <= 0
    assert "@champion stays version 1, ridge" in summary(record)
    run = registry.client.get_run(record["registered"]["run_id"])
    assert run.data.tags["verdict"] == record["verdict"]["reason"]
    assert "not above zero" in record["verdict"]["reason"]
    difference = record["verdict"]["scores"]["difference"]
    assert run.data.metrics["summary/promotion/difference_high"] == pytest.approx(difference["high"])
    assert registry.client.get_model_version(MODEL, "2").description == record["verdict"]["reason"]
    again(registry, lambda: registry.register("persistence", table), record)
    params = registry.folder / "params.yaml"
    params.write_text(yaml.safe_dump(PARAMS.model_dump(mode="json")))
    comparison, models, curves_file = registry.files
    told = CliRunner().invoke(
        app,
        [
            *("predictors", "register", "--comparison", str(comparison), "--models", str(models)),
            *("--curves", str(curves_file), "--params", str(params)),
        ],
    )
    assert told.exit_code == 0, told.output
    assert told.output.split() == summary(record).split()


def test_other_settings_are_another_recipe_and_better_by_chance_is_not_better(registry) -> None:
    table = where_the_start_says_little(0)
    weaker = SvrParams(C=3.0, gamma=0.02, epsilon=0.02)
    predictors = PARAMS.predictors.model_copy(update={"svr": weaker})
    registry.register("svr", table, PARAMS.model_copy(update={"predictors": predictors}))
    record = registry.register("svr", table)
    assert "svr against the same with other settings of version 1" in record["verdict"]["reason"]
    difference = record["verdict"]["scores"]["difference"]
    assert difference["low"] < 0 < difference["mean"]
    assert registry.aliases == {"champion": "1", "challenger": "2"}


def test_the_same_recipe_on_other_curves_takes_its_own_place_and_back(registry) -> None:
    registry.register("ridge", where_the_start_says_little(0))
    record = registry.register("ridge", where_the_start_says_little(1))
    assert registry.aliases == {"champion": "2"}
    assert "has the same recipe" in record["verdict"]["reason"]
    assert record["verdict"]["scores"] is None
    back = registry.register("ridge", where_the_start_says_little(0))
    assert (back["version"], registry.versions()) == ("1", 2), "the first fit is on record"
    assert registry.aliases == {"champion": "1"}


def test_a_champion_that_cannot_be_compared_is_replaced(registry) -> None:
    table = where_the_start_says_little(0)
    registry.register("ridge", where_the_start_says_little(0, n_epochs=5))
    record = registry.register("persistence", table)
    assert record["version"] == "2"
    assert "version 1, is for curves of other length or hyperparameters" in record["verdict"]["reason"]

    registry.client.delete_model_version_tag(MODEL, "2", "recipe")
    record = registry.register("ridge", table)
    assert record["version"] == "3"
    assert "version 2, cannot be compared: it was registered without" in record["verdict"]["reason"]

    (file,) = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/3")).glob("*.skops")
    file.write_bytes(file.read_bytes()[:-9])
    record = registry.register("ridge", table)
    assert record["version"] == "4", "a damaged fit is registered anew"
    assert "version 3, cannot be compared" in record["verdict"]["reason"]
    assert "damaged: its checksum is not the one on record" in record["verdict"]["reason"]
    assert load_champion()[0].name == "ridge"
    assert registry.aliases == {"champion": "4"}


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_recipe_is_read_as_it_was_written(name) -> None:
    params = PARAMS.predictors.model_copy(update={"svr": SvrParams(C=3.0)})
    recipe = Recipe.of(name, params)
    read = Recipe.read(recipe.written(), PARAMS.predictors)
    assert read == recipe
    made, expected = read.make(PARAMS.predictors, 5, [2]), make_predictor(name, params, 5, [2])
    assert repr(made) == repr(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"predictor": "svm", "settings": {}}', r"candidates.0: .*\(found 'svm'\)"),
        ('{"predictor": "svr", "settings": {"svr": {"nu": 1}}}', r"svr.nu: unknown key"),
        ('{"predictor": "svr"}', "settings"),
        *((text, "recipe is unknown to this version") for text in ("[]", "{", "null", '{"predictor": []}')),
    ],
)
def test_a_recipe_that_this_version_cannot_follow(text, reason) -> None:
    with pytest.raises(DataError, match=r"(?s)its recipe is unknown to this version of mlpf_hpo: .*") as told:
        Recipe.read(text, PARAMS.predictors)
    assert re.search(reason, str(told.value))
