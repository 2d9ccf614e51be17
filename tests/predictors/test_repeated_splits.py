"""Evaluation over splits, as a library and from the command line, on tables of any unit, length and mode."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.readers.csv_table import import_csv, read_table
from mlpf_hpo.curves.target_epochs import with_finals
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.repeated_splits import evaluate
from mlpf_hpo.predictors.scoring import held_out
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.reporting.evaluation import parse_predictor_names
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import TABLE_1

FAST = PredictorsParams.model_validate({"candidates": ["persistence", "ridge", "cautious_svr"]})


def write_table(path: Path, n: int = 40, epochs: int = 12, sign: float = 1.0, offset: float = 0.0) -> Path:
    """Write curves whose fall depends on a hyperparameter, so that persistence is not the best."""
    generator = np.random.default_rng(0)
    rate, width = np.exp(generator.uniform(-6, 0, n)), generator.integers(1, 5, n)
    level = 1 + 0.3 * width + 0.05 * generator.normal(size=n)
    t = np.arange(1, epochs + 1) / epochs
    fall = (3 + np.log(rate) / 3)[:, None] * np.exp(-3 * t)
    values = offset + sign * (level[:, None] + fall + 0.01 * generator.normal(size=fall.shape))
    table = pd.DataFrame({"rate": rate, "width": width})
    for epoch in range(epochs):
        table[f"loss_{epoch}"] = values[:, epoch]
    table.to_csv(path, index=False)
    return path


def run(*arguments: str):
    return CliRunner().invoke(app, ["predictors", *arguments])


@pytest.fixture
def table(tmp_path) -> Path:
    return write_table(tmp_path / "table.csv")


def test_scores_are_written_and_told(table, tmp_path) -> None:
    out, fast = tmp_path / "scores.json", tmp_path / "params.yaml"
    fast.write_text("predictors: {candidates: [persistence, ridge, cautious_svr]}")
    told = run(
        *("evaluate", "--curves", str(table), "--train", "16", "--splits", "4", "--json", str(out)),
        *("--predictors", "ridge,selected", "--params", str(fast)),
    )
    assert told.exit_code == 0, told.output
    assert "top-10 recall" in told.output
    found = json.loads(out.read_text())
    assert list(found["predictors"]) == ["persistence", "ridge", "selected"]
    for scores in found["predictors"].values():
        for metric in ("r2_loss", "r2_quantile", "spearman", "kendall", "top_recall", "coverage"):
            assert set(scores[metric]) == {"mean", "std", "low", "high"}
            assert scores[metric]["low"] <= scores[metric]["mean"] <= scores[metric]["high"]
    assert sum(found["chosen"].values()) == found["splits"] == 4
    assert (found["known_epochs"], found["n_epochs"]) == (3, 12)
    assert (
        found["predictors"]["ridge"]["spearman"]["mean"]
        > found["predictors"]["persistence"]["spearman"]["mean"]
    )


def test_who_is_selected_is_followed_as_far_as_its_gain_is_sure(table) -> None:
    curves, seed = read_table(table), 1
    found = evaluate(curves, ["selected"], 3, 16, 4, FAST, seed)
    assert set(found.chosen) - {"persistence"}
    for split, name in enumerate(found.chosen):
        rows, test = held_out(curves.groups, 16, derive_seed(seed, "split", split))
        made = make_predictor(name, FAST, derive_seed(seed, name, split), [3], shrink=True)
        made.fit(curves.frame().iloc[rows], curves.final[rows], curves.groups[rows])
        told, true = made.predict(curves.frame(3).iloc[test]), curves.final[test]
        assert found.scores["selected"]["r2_loss"][split] == pytest.approx(r2_score(true, told))


def test_every_predictor_is_scored_on_the_same_splits_without_seeing_their_ends(table) -> None:
    curves = read_table(table)
    found = evaluate(curves, ["persistence"], 3, 16, 3, FAST, seed=1)
    beside = evaluate(curves, ["persistence", "ridge"], 3, 16, 3, FAST, seed=1)
    assert found.scores["persistence"] == beside.scores["persistence"]
    assert beside.over_persistence("persistence", "spearman")["mean"] == 0


def test_the_number_of_processes_changes_no_score(table) -> None:
    alone, two = (
        evaluate(read_table(table), ["persistence", "ridge"], 3, 16, 4, FAST, seed=1, jobs=jobs)
        for jobs in (1, 2)
    )
    assert two.scores == alone.scores


@pytest.mark.parametrize("known", [0, 1, 11])
def test_any_share_can_be_seen(table, known) -> None:
    found = evaluate(read_table(table), ["persistence", "selected"], known, 16, 2, FAST, seed=1)
    for scores in found.scores.values():
        assert np.isfinite(scores["r2_loss"]).all()


def test_a_rising_metric_is_the_mirror_of_a_falling_one(tmp_path) -> None:
    falling = read_table(write_table(tmp_path / "falling.csv", offset=-20.0))
    rising = read_table(write_table(tmp_path / "rising.csv", sign=-1.0, offset=20.0), mode="max")
    names = ["persistence", "ridge", "residual_svr"]
    low, high = (evaluate(curves, names, 3, 16, 2, FAST, seed=1) for curves in (falling, rising))
    for name in ("persistence", "residual_svr"):
        for metric in ("spearman", "top_recall"):
            np.testing.assert_allclose(high.scores[name][metric], low.scores[name][metric], atol=0.15)
    np.testing.assert_allclose(
        high.scores["persistence"]["top_recall"], low.scores["persistence"]["top_recall"]
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--train", "39"), "39 training curves asked for"),
        (("--known-fraction", "1.0"), "--known-fraction 1"),
        (("--predictors", "rigde"), "did you mean ridge"),
        (("--mode", "best"), "--mode best"),
        (("--loss-prefix", "acc_"), "acc_0"),
    ],
)
def test_what_cannot_be_asked(table, arguments, told) -> None:
    end = run("evaluate", "--curves", str(table), "--splits", "1", *arguments)
    assert end.exit_code != 0
    assert told in f"{end.exception} {end.output}"


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("loss_3", "nan", "row 5, column loss_3"),
        ("loss_4", "inf", "row 5, column loss_4"),
        ("rate", "x", "rate"),
    ],
)
def test_values_that_are_no_numbers(table, column, value, told) -> None:
    content = pd.read_csv(table, dtype=str)
    content.loc[4, column] = value
    content.to_csv(table, index=False)
    end = run("evaluate", "--curves", str(table), "--splits", "1")
    assert isinstance(end.exception, DataError)
    assert told in str(end.exception)


def test_constant_targets_and_curves_without_an_end(table) -> None:
    content = pd.read_csv(table)
    content.assign(loss_11=1.0).to_csv(table, index=False)
    with pytest.raises(DataError, match="all final values are 1"):
        evaluate(read_table(table), ["persistence"], 3, 16, 1, FAST, seed=0)
    content.loc[:3, "loss_11"] = np.nan
    content.to_csv(table, index=False)
    assert len(with_finals(read_table(table))) == len(content) - 4


def test_held_out_configurations_are_others_and_shrink_where_more_is_asked_for() -> None:
    groups = np.repeat(np.arange(30), 3)
    for points in (10, 60):
        rows, test = held_out(groups, points, seed=3)
        assert len(rows) == points
        assert not set(groups[rows]) & set(groups[test])
    assert len(held_out(groups, 10, 3)[1]) == 45 > len(held_out(groups, 60, 3)[1]) >= 9
    with pytest.raises(DataError, match="ask for fewer"):
        held_out(groups, 88, seed=3)


def test_fit_and_predict(table, tmp_path) -> None:
    model = tmp_path / "predictor.skops"
    made = run("fit", "--curves", str(table), "--out", str(model), "--predictor", "cautious_svr")
    assert made.exit_code == 0, made.output
    partial = pd.read_csv(table).head(6)
    for row in range(6):
        partial.loc[row, [f"loss_{epoch}" for epoch in range(row + 1, 12)]] = np.nan
    partial.to_csv(tmp_path / "partial.csv", index=False)
    told = run("predict", "--curves", str(tmp_path / "partial.csv"), "--model", str(model))
    assert told.exit_code == 0, told.output
    assert [line.split()[1] for line in told.output.splitlines()[1:7]] == [str(i) for i in range(1, 7)]
    partial.drop(columns="rate").to_csv(tmp_path / "other.csv", index=False)
    end = run("predict", "--curves", str(tmp_path / "other.csv"), "--model", str(model))
    assert "no column 'rate'" in str(end.exception)


def test_names() -> None:
    assert parse_predictor_names("ridge, selected,persistence") == ["persistence", "ridge", "selected"]
    assert "qsvr" not in parse_predictor_names("")
    with pytest.raises(ConfigurationError, match="no predictor 'x'"):
        parse_predictor_names("x")


# --- the published table -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clean():
    folder = os.environ.get("MLPF_HPO_REFERENCE_DIR")
    if not folder:
        pytest.skip("MLPF_HPO_REFERENCE_DIR is not set: the published curves are not at hand")
    path = Path(folder, "mlpf_learning_curves.csv")
    curves = import_csv(path, hyperparameters=TABLE_1.names, loss_prefix="loss_", name="published")
    return curves.select(~curves.duplicated & curves.complete)


def test_configurations_are_ranked_before_their_first_epoch(clean) -> None:
    found = evaluate(clean, ["gaussian_process"], 0, 53, 4, FAST, seed=0).summary()["gaussian_process"]
    assert found["spearman"]["mean"] >= 0.93
    assert found["coverage"]["mean"] == pytest.approx(0.9, abs=0.07)


def test_cautious_corrections_beat_persistence_and_keep_its_ranking(clean) -> None:
    found = evaluate(clean, ["persistence", "cautious_svr"], 10, 20, 20, FAST, seed=0)
    assert found.over_persistence("cautious_svr", "r2_loss")["low"] > 0
    for metric in ("spearman", "top_recall"):
        assert found.over_persistence("cautious_svr", metric)["high"] >= 0
