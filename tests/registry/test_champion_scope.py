"""What a champion is champion for: one registered model for each metric, mode, length and search space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from mlpf_hpo.config import Params, load_params
from mlpf_hpo.config.champion import search_scope
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.space import TABLE_1, config_id
from mlpf_hpo.target_metric import TargetMetric
from tests.faults.artefacts import curves

ROOT = Path(__file__).parents[2]

SEARCH = Params.model_validate({"search": {"max_epochs": 6}})


def of_the_space(params: Params = SEARCH, n: int = 16) -> LearningCurves:
    """Return curves of configurations that a campaign would draw."""
    drawn = params.space.search_space().stream(n, seed=1)
    ids = pd.DataFrame({"config_id": [config_id(one) for one in drawn], "seed": range(n)})
    return replace(curves(n), configs=pd.concat([ids, pd.DataFrame(drawn)], axis=1))


def model_of(content: dict) -> str:
    return search_scope(Params.model_validate({"search": {"max_epochs": 6}, **content})).model


def test_the_search_finds_what_its_campaign_registers() -> None:
    registered = ChampionScope.of_curves(of_the_space(), SEARCH.space.search_space())
    assert registered == search_scope(SEARCH)
    assert registered.model.startswith("curve-predictor-val-loss-6-epochs-")
    assert len(registered.model.rsplit("-", 1)[1]) == 8


@pytest.mark.parametrize(
    "content",
    [
        {"search": {"max_epochs": 5}},
        {"space": {"lr": {"high": 0.1, "low": 1e-6, "scale": "log"}}},
        {"space": {"lr": {"high": 3e-2, "low": 1e-6, "scale": "linear"}}},
        {"space": {"bin_size": {"values": [8, 16, 32, 64]}}},
    ],
)
def test_another_horizon_or_space_is_another_model(content) -> None:
    assert model_of(content) != model_of({})


def test_writing_the_same_space_otherwise_changes_nothing() -> None:
    names = list(TABLE_1.names)
    space = SEARCH.space.model_dump(mode="json")
    turned = {name: space[name] for name in reversed(names)}
    turned["bin_size"] = {"values": [128, 64, 32, 16, 8]}
    assert model_of({"space": turned}) == model_of({})
    assert model_of({"campaign": {"trials": 8}, "seed": 7}) == model_of({}), "a champion for all of these"


def test_metric_and_mode_are_part_of_it() -> None:
    table = of_the_space()
    metrics = {"val/loss": table.values, "val-loss": table.values}
    models = {
        ChampionScope.of_curves(
            replace(table, metrics=metrics, target=target), SEARCH.space.search_space()
        ).model
        for target in (
            TargetMetric("val/loss", "min"),
            TargetMetric("val/loss", "max"),
            TargetMetric("val-loss", "min"),
        )
    }
    assert len(models) == 3
    assert all(model.startswith("curve-predictor-val-loss-6-epochs-") for model in models)


def test_curves_from_elsewhere_are_of_their_columns() -> None:
    ours, foreign = search_scope(SEARCH), ChampionScope.of_curves(curves(), SEARCH.space.search_space())
    assert foreign.space == (("bin_size", "any value"), ("lr", "any value"))
    assert foreign.model != ours.model
    outside = of_the_space()
    outside.configs.loc[3, "lr"] = 0.5
    scope = ChampionScope.of_curves(outside, SEARCH.space.search_space())
    assert [name for name, _ in scope.space] == sorted(TABLE_1.names)
    assert scope.model != ours.model, "the same names, but not of this space"


def test_it_is_told_in_words() -> None:
    scope = search_scope(SEARCH)
    assert scope.description.startswith(
        "Predicts val/loss (smaller is better) after 6 epochs. Search space: "
    )
    assert "lr: 1e-06 to 0.03 (log)" in scope.description
    assert "bin_size: one of 8, 16, 32, 64, 128" in scope.description
    assert scope.tags["target_mode"] == "min"


def test_the_documentation_names_the_model_of_the_default_parameters() -> None:
    model = search_scope(load_params(ROOT / "params.yaml")).model
    assert f"models:/{model}@champion" in (ROOT / "docs/serving.md").read_text()
    assert model in (ROOT / "mlpf_hpo/cli/predictors.py").read_text()


def test_any_metric_gives_a_name_that_mlflow_takes() -> None:
    table = of_the_space()
    for metric in ("Validation: accuracy / top 5", "ü", "x" * 500):
        named = replace(table, metrics={metric: table.values}, target=TargetMetric(metric, "max"))
        name = ChampionScope.of_curves(named, SEARCH.space.search_space()).model
        assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
        assert len(name) < 128
