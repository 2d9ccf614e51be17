"""Champion and challenger in a real registry: promoted by spec, on folds of the curves at hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.stats import spearmanr
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.predictor_spec import PredictorSpec
from mlpf_hpo.predictors.regressors import REGRESSORS
from mlpf_hpo.predictors.scoring import grouped_folds
from mlpf_hpo.predictors.settings import SvrParams
from mlpf_hpo.registry.promotion import Challenger, compare_specs
from mlpf_hpo.registry.registration import summary
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.target_metric import TargetMetric
from tests.registry.registered import (
    KNOWN,
    MODEL,
    PARAMS,
    Registry,
    registry,
    uri,
    where_the_start_says_little,
)

__all__ = ["registry", "uri"]


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
    assert registry.aliases == {"champion": "2"}, "a promoted version is not a challenger any more"
    assert (record["version"], record["predictor"]) == ("2", "ridge")
    scores = record["verdict"]["scores"]
    assert scores["challenger"]["mean"] == pytest.approx(spearman_of("ridge", table))
    assert scores["champion"]["mean"] == pytest.approx(spearman_of("persistence", table))
    assert 0 < scores["difference"]["low"] < scores["difference"]["mean"] < scores["difference"]["high"]
    assert "ridge against persistence of version 1" in summary(record)
    assert f"ridge is {MODEL} version 2, @champion" in summary(record)
    tags = registry.client.get_model_version(MODEL, "2").tags
    assert tags["outer/spearman"] == "0.5000", "the scores of the choosing, which saw none of the scored rows"
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
    described = registry.client.get_model_version(MODEL, "2").description
    assert described.endswith(f"\n\n**Champion or not**: {record['verdict']['reason']}")
    again(registry, lambda: registry.register("persistence", table), record)
    params = registry.folder / "params.yaml"
    params.write_text(yaml.safe_dump(PARAMS.model_dump(mode="json")))
    comparison, models, curves_file = registry.files
    result = CliRunner().invoke(
        app,
        [
            *("predictors", "register", "--comparison", str(comparison), "--models", str(models)),
            *("--curves", str(curves_file), "--params", str(params)),
        ],
    )
    assert result.exit_code == 0, result.output
    assert result.output.split() == summary(record).split()


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
    assert "has the same spec" in record["verdict"]["reason"]
    assert record["verdict"]["scores"] is None
    back = registry.register("ridge", where_the_start_says_little(0))
    assert (back["version"], registry.versions()) == ("1", 2), "the first fit is on record"
    assert registry.aliases == {"champion": "1"}


def test_fewer_curves_do_not_replace_more_by_the_same_recipe(registry) -> None:
    registry.register("ridge", where_the_start_says_little(0))
    assert registry.client.get_model_version(MODEL, "1").tags["training_curves"] == "40"
    few = where_the_start_says_little(1, n=8)
    record = registry.register("ridge", few)
    assert registry.aliases == {"champion": "1", "challenger": "2"}
    assert record["verdict"]["reason"] == (
        "the champion before, version 1, has the same spec, fitted on 40 curves; 8 are fewer, and equal "
        "specs have equal scores: it stays"
    )
    again(registry, lambda: registry.register("ridge", few), record)
    twice = few.select(np.tile(np.arange(8), 6))
    assert not registry.register("ridge", twice)["verdict"]["promoted"], "the same curves again are no more"
    assert registry.register("ridge", where_the_start_says_little(2))["verdict"]["promoted"], "as many are"
    assert registry.aliases == {"champion": "4", "challenger": "3"}


def test_fewer_curves_of_a_better_recipe_replace_more(registry) -> None:
    registry.register("persistence", where_the_start_says_little(0))
    record = registry.register("ridge", where_the_start_says_little(1, n=20))
    assert record["verdict"]["scores"]["difference"]["low"] > 0
    assert registry.aliases == {"champion": "2"}


def test_on_how_many_curves_the_champion_was_fitted_must_be_known(registry) -> None:
    registry.register("ridge", where_the_start_says_little(0))
    registry.client.delete_model_version_tag(MODEL, "1", "training_curves")
    record = registry.register("ridge", where_the_start_says_little(1))
    assert registry.aliases == {"champion": "1", "challenger": "2"}
    assert "is not on record, 40 may be fewer: it stays" in record["verdict"]["reason"]


def test_a_shorter_campaign_has_a_champion_of_its_own(registry) -> None:
    registry.register("ridge", where_the_start_says_little(0))
    short = registry.register("persistence", where_the_start_says_little(0, n_epochs=5))
    assert short["verdict"]["reason"] == "there was no champion"
    assert short["model"] != MODEL
    assert registry.aliases_of(short["model"]) == {"champion": "1"}
    assert registry.aliases == {"champion": "1"}
    model = registry.client.get_registered_model(short["model"])
    assert "val/loss (smaller is better) after 5 epochs" in model.description
    assert model.tags["n_epochs"] == "5"
    assert f"persistence is {short['model']} version 1, @champion" in summary(short)


def test_other_folds_are_another_verdict(registry) -> None:
    registry.register("ridge", where_the_start_says_little(0))
    table = where_the_start_says_little(1)
    first = registry.register("persistence", table)
    fewer = PARAMS.model_copy(update={"predictors": PARAMS.predictors.model_copy(update={"outer_folds": 3})})
    second = registry.register("persistence", table, fewer)
    assert second["registered"] == first["registered"]
    assert "same 3 folds" in second["verdict"]["reason"]


def test_an_alias_moved_by_hand_stays_where_a_person_put_it(registry) -> None:
    registry.register("persistence", where_the_start_says_little(0))
    table = where_the_start_says_little(1)
    registry.register("ridge", table)
    registry.client.set_registered_model_alias(MODEL, "champion", "1")
    record = registry.register("ridge", table)
    assert (
        record["verdict"]["reason"]
        == "@champion was moved by hand from version 2 to version 1: it stays there"
    )
    assert registry.aliases == {"champion": "1", "challenger": "2"}
    again(registry, lambda: registry.register("ridge", table), record)
    newer = registry.register("ridge", where_the_start_says_little(2))
    assert newer["verdict"]["scores"]["difference"]["low"] > 0
    assert registry.aliases["champion"] == "3", "new curves are another question"
    registry.client.delete_registered_model_alias(MODEL, "champion")
    assert registry.register("ridge", table)["verdict"]["reason"] == "there was no champion"


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_recipe_is_read_as_it_was_written(name) -> None:
    params = PARAMS.predictors.model_copy(update={"svr": SvrParams(C=3.0)})
    spec = PredictorSpec.of(name, params)
    read = PredictorSpec.from_json(spec.to_json(), PARAMS.predictors)
    assert read == spec
    made, expected = read.make(PARAMS.predictors, 5, [2]), make_predictor(name, params, 5, [2])
    assert repr(made) == repr(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"predictor": "svm", "settings": {}}', r"candidates.0: .*\(found 'svm'\)"),
        ('{"predictor": "svr", "settings": {"svr": {"nu": 1}}}', r"svr.nu: unknown key"),
        ('{"predictor": "svr"}', "settings"),
        *((text, "spec is unknown to this version") for text in ("[]", "{", "null", '{"predictor": []}')),
    ],
)
def test_a_recipe_that_this_version_cannot_follow(text, reason) -> None:
    with pytest.raises(DataError, match=r"(?s)its spec is unknown to this version of mlpf_hpo: .*") as raised:
        PredictorSpec.from_json(text, PARAMS.predictors)
    assert re.search(reason, str(raised.value))


def compared(
    table: LearningCurves, new: str, champion: PredictorSpec
) -> tuple[str, dict[str, dict[str, float]]]:
    """Return what replayed searches, or else ranks over all shares, say of a new predictor and a champion."""
    params = PARAMS.predictors.model_copy(update={"criterion": "search"})
    spec = PredictorSpec.of(new, params)
    challenger = Challenger(make_predictor(new, params, 0, [KNOWN]), spec, table, KNOWN, "digest")
    return compare_specs(challenger, champion, params, seed=0)


def test_what_saves_epochs_is_better_than_the_champion_by_the_search() -> None:
    params, ends = PARAMS.predictors, np.random.default_rng(0).permutation(60) + 1.0
    values = np.tile(61 - ends[:, None], (1, 9))
    values[:, -1] = ends  # what is best before the last epoch is worst after it
    table = LearningCurves.from_arrays([{"lr": end} for end in ends], values, TargetMetric("loss", "min"))
    criterion, scores = compared(table, "ridge", PredictorSpec.of("persistence", params))
    assert criterion == "logarithm of the epochs that replayed searches save"
    assert scores["champion"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert 0 < scores["difference"]["low"] < scores["difference"]["mean"] < scores["difference"]["high"]
    assert scores["difference"] == pytest.approx(scores["challenger"])
    turned = compared(table, "persistence", PredictorSpec.of("ridge", params))[1]["difference"]
    assert turned["high"] == pytest.approx(-scores["difference"]["low"])


def test_specs_that_searches_cannot_tell_apart_are_compared_by_rank_over_all_shares() -> None:
    params, table = PARAMS.predictors, where_the_start_says_little(0)
    criterion, scores = compared(table, "drift", PredictorSpec.of("persistence", params))
    assert criterion == "Spearman over all shares"
    said = {name: [] for name in ("drift", "persistence")}
    for known in (0, 1, 3):
        for name, found in said.items():
            predicted = np.full(len(table), np.nan)
            for train, test in grouped_folds(table.groups, 5, derive_seed(0, "promotion", "folds")):
                model = make_predictor(name, params, derive_seed(0, name), [known], folds=0)
                model.fit(table.frame().iloc[train], table.final[train])
                predicted[test] = model.predict(table.frame(known).iloc[test])
            constant = np.ptp(predicted) == 0
            found.append(0.0 if constant else spearmanr(table.final, predicted).statistic)
    assert scores["challenger"]["mean"] == pytest.approx(np.mean(said["drift"]))
    assert scores["champion"]["mean"] == pytest.approx(np.mean(said["persistence"]))
