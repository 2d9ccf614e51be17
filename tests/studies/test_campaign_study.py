"""What the campaign's study finds, on toys whose answers are known or found by brute force."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import r2_score
from sklearn.preprocessing import QuantileTransformer

from mlpf_hpo.curves.data_sets import write_data_set
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import MissingInputError
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.predictors.scoring import halves, region_scores
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import TABLE_1
from mlpf_hpo.target_metric import VALIDATION_LOSS
from studies.campaign.agreement import compare_ranks, longer_training, second_task
from studies.campaign.crossing import TIMES_NOISE, crossing_pair
from studies.campaign.data import StudyTables, load_tables
from studies.campaign.docs_page import write_docs_page
from studies.campaign.findings import find_all
from studies.campaign.importance import importances
from studies.campaign.noise import cost_against_quality, noise_by_learning_rate, null_network
from studies.campaign.paper_table import PLACE, paper_table
from studies.campaign.params import (
    AnalysisParams,
    CampaignStudyParams,
    DataParams,
    PredictorScoresParams,
    Table2Params,
    planned_counts,
    read_study,
)
from studies.campaign.predictor_scores import design_scores, final_scores
from studies.campaign.report import build_campaign_report
from studies.campaign.settling import ranks_settling
from studies.campaign.statements import lead

ROOT = Path(__file__).parents[2]
FEW = AnalysisParams(draws=6, forests=3, trees=10)
FEW_SPLITS = Table2Params(svr_splits=3, qsvr_splits=1, ensemble_splits=1, reads=5, sweeps=5)
FEW_SCORES = PredictorScoresParams(
    splits=2, train=8, shares=(0.0, 0.5), names=("persistence",), candidates=("persistence", "ridge")
)
PLANNED = {"configurations": 40, "epochs": 8, "repeated": 6, "longer": 4, "second_task": 16}


def toy(n: int = 40, epochs: int = 8, repeated: int = 6, seed: int = 0, settled: int = 5) -> LearningCurves:
    """Random configurations of table 1; ranks are drawn anew at each epoch before `settled`, then fixed."""
    configurations = TABLE_1.stream(n, seed=3)
    generator = np.random.default_rng(seed)
    rows, values, seeds = [], [], []
    for at, one in enumerate(configurations):
        for repeat in range(3 if at < repeated else 1):
            final = 10 + np.abs(np.log10(one["lr"]) + 3) + 30 * one["lr"] * generator.normal()
            curve = final * np.linspace(2, 1, epochs)
            curve[: settled - 1] += generator.uniform(0, 9, settled - 1)
            rows.append(one)
            values.append(curve)
            seeds.append(repeat)
    curves = LearningCurves.from_arrays(rows, values, VALIDATION_LOSS, "toy", seeds)
    cost = np.tile(curves.configs[["output_dim"]].to_numpy(dtype=float), epochs)
    return replace(curves, metrics={**curves.metrics, FEW.cost: cost})


@pytest.fixture(scope="module")
def curves() -> LearningCurves:
    return toy()


def test_ranks_that_are_fixed_from_an_epoch_on_have_settled_there() -> None:
    once = toy(repeated=0)
    found = ranks_settling(once, top=10, draws=6, seed=0)
    assert found is not None
    settled = found["epochs"].index(5)
    for name in ("spearman", "top_recall"):
        for bound in ("mean", "low", "high"):
            assert found[name][bound][settled:] == pytest.approx([1.0] * 3)
        assert all(value < 0.95 for value in found[name]["mean"][:settled])
    values = once.values
    assert found["spearman"]["mean"][1] == pytest.approx(spearmanr(values[:, 1], values[:, -1]).statistic)
    best = set(np.argsort(values[:, -1])[:10])
    assert found["top_recall"]["mean"][1] == len(best & set(np.argsort(values[:, 1])[:10])) / 10
    for epoch in (1, 3, 5):
        crossing = [
            len({values[i, e] > values[j, e] for e in range(epoch - 1, 8)}) > 1
            for i, j in combinations(range(len(values)), 2)
        ]
        assert found["crossing_pairs"][epoch - 1] == pytest.approx(np.mean(crossing))
    assert found["across_seeds"] is None


def test_another_seeds_ranks_are_the_ceiling(curves: LearningCurves) -> None:
    factors = np.random.default_rng(0).uniform(0.7, 1.3, (len(curves), 1))
    noisy = replace(curves, metrics={curves.metric: curves.values * factors})
    found = ranks_settling(noisy, top=10, draws=6, seed=0)
    assert found is not None
    across = found["across_seeds"]
    values = noisy.values[:18].reshape(6, 3, 8)  # the first six configurations, three seeds each
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    for epoch in (0, 7):
        each = [spearmanr(values[:, a, epoch], values[:, b, -1]).statistic for a, b in pairs]
        assert across["spearman"]["mean"][epoch] == pytest.approx(np.mean(each))
    assert across["spearman"]["mean"][-1] < 0.9
    assert (across["configurations"], across["seeds"]) == (6, 3)


def test_the_crossing_pair_is_that_with_the_largest_product_of_leads_above_noise(
    curves: LearningCurves,
) -> None:
    found = crossing_pair(curves, share=0.25)
    assert found is not None
    logs, groups = np.log(curves.values), curves.groups
    first = [int(np.flatnonzero(groups == one)[0]) for one in dict.fromkeys(groups)]
    least = [
        TIMES_NOISE
        * np.sqrt(2 * np.mean([np.var(logs[groups == one, epoch], ddof=1) for one in groups[:18:3]]))
        for epoch in (1, 7)
    ]
    assert found["noise"] == pytest.approx(least)
    products = {
        (a, b): (logs[b, 1] - logs[a, 1]) * (logs[a, 7] - logs[b, 7])
        for a in first
        for b in first
        if logs[b, 1] - logs[a, 1] > least[0] and logs[a, 7] - logs[b, 7] > least[1]
    }
    assert found["pairs"] == [len(products), 40 * 39 // 2]
    assert tuple(found["rows"]) == max(products, key=lambda pair: products[pair])
    parallel = LearningCurves.from_arrays(
        [{"lr": rate} for rate in (0.1, 0.2, 0.3)], [[3, 2], [4, 3], [5, 4]], VALIDATION_LOSS
    )
    assert crossing_pair(parallel, share=0.25) is None


def test_where_only_the_learning_rate_matters_only_it_is_important() -> None:
    configurations = TABLE_1.stream(60, seed=1)
    values = [[5.0, abs(np.log10(one["lr"]) + 3)] for one in configurations]
    found = importances(LearningCurves.from_arrays(configurations, values, VALIDATION_LOSS), 4, 20, seed=0)
    assert found is not None
    each = found["hyperparameters"]
    assert next(iter(each)) == "lr"
    assert each["lr"]["low"] > 0.5
    assert max(one["high"] for name, one in each.items() if name != "lr") < 0.1
    assert found["r2"]["mean"] > 0.8


def test_ranks_on_two_tasks_are_compared_by_configuration() -> None:
    main, other = toy(repeated=2), toy(n=12, repeated=0)
    same = replace(other, metrics={other.metric: main.values[np.r_[0, 3, 6:16]]})
    found = second_task(main, same, top=3, draws=6, seed=0)
    assert found is not None
    assert found["spearman"]["mean"] == pytest.approx(1)
    assert found["top_recall"]["mean"] == 1
    assert (found["configurations"], found["chance"]) == (12, 0.25)
    turned = compare_ranks(np.arange(9.0), -np.arange(9.0), top=3, draws=6, seed=0)
    assert (turned["spearman"]["mean"], turned["top_recall"]["mean"]) == (pytest.approx(-1), 0)
    ahead = longer_training(main, 2, 6, seed=0)
    once = main.values[[0, 3, *range(6, 44)]]
    assert ahead is not None
    assert ahead["spearman"]["mean"] == pytest.approx(spearmanr(once[:, 1], once[:, -1]).statistic)
    assert longer_training(main, 8, 6, seed=0) is None


def test_noise_that_grows_with_the_learning_rate_is_found() -> None:
    rates = (1e-4, 1e-3, 1e-2, 1e-1)
    values = [[9.0, np.exp(rate * side)] for rate in rates for side in (-1, 1)]
    curves = LearningCurves.from_arrays(
        [{"lr": rate} for rate in rates for _ in range(2)], values, VALIDATION_LOSS, seeds=[1, 2] * 4
    )
    found = noise_by_learning_rate(curves, "lr", 6, seed=0)
    assert found is not None
    assert sorted(found["deviation"]) == pytest.approx([rate * np.sqrt(2) for rate in rates])
    assert found["spearman"]["mean"] == pytest.approx(1)
    assert found["upper_half"]["mean"] == pytest.approx(np.sqrt(1e-4 + 1e-2))
    assert noise_by_learning_rate(curves, "momentum", 6, seed=0) is None


def test_the_null_network_and_the_frontier_of_costs_by_brute_force(curves: LearningCurves) -> None:
    assert null_network(curves, FEW.layers, 6, seed=0) is None, "one such network only"
    bare = replace(curves, configs=curves.configs.assign(n_glayers_id=curves.configs["n_glayers_id"] // 3))
    found = null_network(bare, ("n_glayers_id",), 6, seed=0)
    assert found is not None
    wins = [a < b for a in found["others"] for b in found["null"]]
    assert found["better"]["mean"] == pytest.approx(np.mean(wins))
    assert found["null_configurations"] + len(found["others"]) == 40
    cost = cost_against_quality(curves, FEW.cost, 6, seed=0)
    assert cost is not None
    pairs = list(zip(cost["cost"], cost["final"], strict=True))
    beaten = {
        i
        for i, (price, value) in enumerate(pairs)
        if any((p <= price and v <= value) and (p, v) != (price, value) for p, v in pairs)
    }
    assert set(cost["frontier"]) == set(range(40)) - beaten
    assert cost_against_quality(curves, "no such metric", 6, seed=0) is None


@pytest.fixture(scope="module")
def records(curves: LearningCurves) -> dict:
    """Table 2, the scores of the design half, and those of a final half, in a few splits."""
    design, final = curves.select(np.arange(18, 36)), curves.select(np.arange(36, 52))
    return {
        "table_2": paper_table(curves, 0.25, FEW_SPLITS, seed=1),
        "predictors": design_scores(design, FEW_SCORES, seed=1),
        "final_half": final_scores(design, final, FEW_SCORES, draws=6, seed=1),
    }


def test_table_2_trains_on_20_curves_and_scores_in_their_quantiles(curves: LearningCurves, records) -> None:
    found = records["table_2"]
    once = curves.select(~curves.duplicated)
    assert found["ensemble"] is None, "half of 40 configurations are fewer than 80"
    assert {name: one["splits"] for name, one in found["single"].items()} == {
        "persistence": 3,
        "svr": 3,
        "annealing": 1,
        "random_bits": 1,
    }
    train, test = halves(once.groups, 20, derive_seed(1, *PLACE, "single", 2))
    assert not set(once.groups[train]) & set(once.groups[test])
    assert (len(train), len(test)) == (20, 20)
    quantiles = QuantileTransformer(n_quantiles=20).fit(once.final[train][:, np.newaxis])
    true, told = (quantiles.transform(v[test][:, np.newaxis]) for v in (once.final, once.values[:, 1]))
    persistence = found["single"]["persistence"]["scores"]["r2_quantile"]
    assert persistence[2] == pytest.approx(r2_score(true, told))


def test_the_selected_predictor_is_scored_on_configurations_it_was_not_fitted_on(
    curves: LearningCurves, records
) -> None:
    design, final = curves.select(np.arange(18, 36)), curves.select(np.arange(36, 52))
    found = records["final_half"]
    assert [one["known_epochs"] for one in found["shares"]] == [0, 4]
    assert (found["train"], found["test"]) == (18, 16)
    at = found["shares"][1]
    told = {"persistence": final.values[:, 3]}
    ridge = make_predictor("ridge", FEW_SCORES.settings, derive_seed(1, "ridge"), [4])
    told["ridge"] = ridge.fit(design.frame(), design.final, design.groups).predict(final.frame(4))
    for name, winner in (("persistence", "persistence"), ("selected", at["winner"])):
        expected = spearmanr(final.final, told[winner]).statistic
        assert at["scores"][name]["spearman"]["mean"] == pytest.approx(expected, abs=0.1)
    assert at["scores"]["persistence"]["spearman"]["mean"] == pytest.approx(
        spearmanr(final.final, final.values[:, 3]).statistic
    )


def test_coverage_among_the_best_tenth_counts_the_curves_that_end_best() -> None:
    true = np.arange(20.0)
    lower = np.where(true == 1, 5.0, 0.0)  # of the best two, the second is missed
    found = region_scores(true, Prediction(true, lower, np.full(20, 30.0), 0.9), None)
    assert found["coverage_best_tenth"] == 0.5
    assert found["coverage_best_twentieth"] == 1.0


@pytest.fixture(scope="module")
def sets(tmp_path_factory, curves: LearningCurves) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    write_data_set(curves, "toy", folder)
    write_data_set(toy(n=4, epochs=12, repeated=0), "toy-long", folder)
    write_data_set(toy(n=16, repeated=0, seed=1), "toy-qcd", folder)
    return folder


def tables_of(folder: Path, monkeypatch, **changed: str | None) -> tuple[StudyTables, CampaignStudyParams]:
    monkeypatch.delenv("MLPF_HPO_REFERENCE_DIR", raising=False)
    names = {"main": "toy", "longer": "toy-long", "second_task": "toy-qcd", **changed}
    params = CampaignStudyParams(data=DataParams(folder=str(folder), **names), analysis=FEW)
    return load_tables(params.data), params


def test_the_page_shows_every_panel_and_its_record_survives_json(
    sets: Path, records, tmp_path, monkeypatch
) -> None:
    tables, params = tables_of(sets, monkeypatch)
    whole = {"analysis": find_all(tables, params, PLANNED), **records}
    whole = json.loads(json.dumps(whole, allow_nan=False))
    found = whole["analysis"]
    page = build_campaign_report(whole, tables, tmp_path).read_text()
    names = ("1", "3", "settling", "importance", "parallel", "noise", "cost", "second-task", "longer")
    names += ("4", "5", "shares")
    for name in names:
        assert f'id="figure-{name}-heading"' in page
    assert "40 of 40 configurations, 6 of 6 configurations with further seeds, 4 of 4 longer" in page
    assert "not finished" not in page
    assert "published curves were not at hand" in page
    assert "not possible: half of 40 configurations are fewer than 80" in page
    assert "measured once on 16 curves of the final half" in page
    assert "<link" not in page
    assert "<script" not in page
    write_docs_page(whole, tables, tmp_path / "campaign.md")
    text = (tmp_path / "campaign.md").read_text()
    for name in names:
        assert f"images/campaign_{name}.png)" in text
        assert (tmp_path / f"images/campaign_{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "measured once on 16 curves of the final half" in text
    rows = [line for line in text.splitlines() if line.startswith("| ensemble, 80 curves |")]
    assert [row.count("|") for row in rows] == [9], "as many cells as the header"
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["there"] == PLANNED
    assert metrics["spearman_at_half"] == found["main"]["settling"]["spearman"]["mean"][3]


def test_an_unfinished_data_set_without_companions_is_said_to_be_one(
    sets: Path, records, tmp_path, monkeypatch
) -> None:
    tables, params = tables_of(sets, monkeypatch, main="toy-long", longer=None, second_task=None)
    found = find_all(tables, params, PLANNED)
    whole = {**records, "analysis": found, "final_half": None}
    page = build_campaign_report(whole, tables, tmp_path).read_text()
    assert "Not measured yet" in page
    write_docs_page(whole, tables, tmp_path / "campaign.md")
    assert "Not measured yet" in (tmp_path / "campaign.md").read_text()
    assert "4 of 40 configurations, 0 of 6" in page
    assert "The data set is not finished" in page
    assert 'id="figure-second-task-heading"' not in page
    parts = {**found["main"], "crossing": None, "importance": {"r2": {"mean": 0.1, "low": -0.1, "high": 0.2}}}
    said = lead({**found, "main": parts})
    assert any("no figure 1" in one for one in said)
    assert any("importance is not known" in one for one in said)


def test_a_data_set_that_is_not_there_is_refused(sets: Path, monkeypatch) -> None:
    with pytest.raises(MissingInputError, match="toy-lung"):
        tables_of(sets, monkeypatch, longer="toy-lung")


def test_settings_are_valid_and_counts_come_from_the_campaigns_own(monkeypatch) -> None:
    assert read_study(ROOT / "studies/campaign").data.main == "campaign-v1"
    planned = planned_counts(ROOT / "studies/campaign")
    assert (planned["configurations"], planned["repeated"], planned["second_task"]) == (256, 32, 48)
