"""Predictors on ragged tables: horizons as features, stopped curves, and what the commands say."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import r2_score
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.curves.target_epochs import with_finals, with_target_epoch
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors import nested_cv
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import load_predictor
from mlpf_hpo.predictors.nested_cv import select, usable_rows
from mlpf_hpo.predictors.regressors import CLASSICAL
from mlpf_hpo.predictors.regressors.parametric import ParametricCurve
from mlpf_hpo.predictors.scoring import bootstrap
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.predictor_runs import compare_predictors
from mlpf_hpo.search.predicted_searches import PromotionReplay

N, EPOCHS = 60, 16
PARAMS = PredictorsParams(outer_folds=2)
NESTED = PredictorsParams(
    outer_folds=2, inner_folds=2, candidates=("persistence", "ridge"), criterion="spearman"
)


def table(lengths=None, seed: int = 0) -> pd.DataFrame:
    """Return curves that fall by nearly the same amount in every epoch, each of its own length, from 3 on."""
    generator = np.random.default_rng(seed)
    lr = generator.uniform(1, 2, N)
    values = 20 + 3 * lr[:, None] - np.arange(EPOCHS) + 0.02 * generator.normal(size=(N, EPOCHS))
    lengths = generator.integers(3, EPOCHS + 1, N) if lengths is None else np.asarray(lengths)
    values[np.arange(EPOCHS) >= lengths[:, None]] = np.nan
    columns = pd.DataFrame(values, columns=[f"loss_{epoch}" for epoch in range(EPOCHS)])
    return pd.concat([pd.DataFrame({"lr": lr, "width": generator.integers(1, 5, N)}), columns], axis=1)


def written(path: Path, content: pd.DataFrame) -> Path:
    content.to_csv(path, index=False)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["predictors", *map(str, arguments)])


def scores(path: Path, *more) -> dict:
    out = path.with_suffix(".json")
    asked = ("--train", 12, "--splits", 3, "--predictors", "ridge", "--json", out)
    end = run("evaluate", "--curves", path, *asked, *more)
    assert end.exit_code == 0, f"{end.exception} {end.output}"
    return json.loads(out.read_text()) | {"output": end.output}


def test_curves_to_a_common_epoch_are_those_of_the_table_cut_there(tmp_path) -> None:
    content = table()
    found = scores(written(tmp_path / "ragged.csv", content), "--target-epoch", 8)
    cut = content.drop(columns=[f"loss_{epoch}" for epoch in range(8, EPOCHS)]).dropna()
    expected = scores(written(tmp_path / "cut.csv", cut))
    assert found["predictors"] == expected["predictors"]
    assert found["curves"] == expected["curves"] == len(cut) < N
    assert found["left_out_rows"] == {"ended before epoch 8": N - len(cut)}
    assert f"left out: {N - len(cut)} of {N} rows: {N - len(cut)} (ended before epoch 8)" in found["output"]


def test_rows_without_a_final_value_change_no_score_and_are_told(tmp_path) -> None:
    content = table(np.full(N, EPOCHS))
    alone = scores(written(tmp_path / "alone.csv", content))
    more = table(np.full(N, 5), seed=1)[:6]
    more.iloc[:2] = np.nan  # wholly empty
    more.iloc[2:4, 2:] = np.nan  # not begun
    beside = scores(written(tmp_path / "more.csv", pd.concat([content, more])))
    assert beside["predictors"] == alone["predictors"]
    told = "left out: 6 of 66 rows: 2 (empty: rows 61, 62), 2 (no value), 2 (ended before epoch 16)"
    assert told in beside["output"]
    assert sum(beside["left_out_rows"].values()) == 6


def own(content: pd.DataFrame, tmp_path: Path, known: int = 2):
    curves = with_target_epoch(read_table(written(tmp_path / "own.csv", content)), "own")
    return with_finals(curves, known)


@pytest.mark.parametrize("name", ["ridge", "svr", "residual_ridge", "gaussian_process"])
def test_the_horizon_is_a_feature(tmp_path, name) -> None:
    """After 2 epochs of equal curves nothing but the horizon tells where they end."""
    train, test = own(table(seed=1), tmp_path), own(table(seed=2), tmp_path)

    def r2(hidden: bool) -> float:
        frames = [curves.frame(known) for curves, known in ((train, None), (test, 2))]
        if hidden:
            frames = [frame.drop(columns="target_epoch") for frame in frames]
        fitted = make_predictor(name, PARAMS, 0, (2,), folds=0).fit(frames[0], train.final)
        return float(r2_score(test.final, fitted.predict(frames[1])))

    assert r2(hidden=False) > 0.97
    assert r2(hidden=True) < 0.5


@pytest.mark.parametrize("name", CLASSICAL)
def test_every_regressor_takes_target_epochs(tmp_path, name) -> None:
    curves = own(table(), tmp_path, known=5)
    predictor = make_predictor(name, PARAMS, 0, (0, 5)).fit(curves.frame(), curves.final, curves.groups)
    assert predictor.own_targets
    assert predictor.hyperparameters == ("lr", "width")
    for known in (0, 5):
        assert np.isfinite(predictor.predict_interval(curves.frame(known)).mean).all()
    np.testing.assert_array_equal(predictor.predict(curves.frame()), curves.final)


def test_persistence_and_formulas_read_the_curve_not_the_horizon(tmp_path) -> None:
    curves = own(table(), tmp_path, known=6)
    seen, targets = curves.values[:, :6], curves.target_epochs
    for name, expected in (
        ("persistence", seen[:, -1]),
        (
            "exponential",
            [
                ParametricCurve("exponential", int(target)).fit(seen, seen[:, 0]).predict(row[None])[0]
                for row, target in zip(seen, targets, strict=True)
            ],
        ),
    ):
        predictor = make_predictor(name, PARAMS, 0, (6,), folds=0).fit(curves.frame(), curves.final)
        np.testing.assert_allclose(predictor.predict(curves.frame(6)), expected)


def test_curves_that_have_ended_teach_nothing_about_later_epochs(tmp_path) -> None:
    """A model for 6 observed epochs is that of the curves whose target lies beyond them."""
    everything, longer = own(table(), tmp_path, known=2), own(table(), tmp_path, known=6)
    assert len(everything) > len(longer)
    predicted = [
        make_predictor("ridge", PARAMS, 0, known).fit(curves.frame(), curves.final).predict(longer.frame(6))
        for known, curves in (((2, 6), everything), ((6,), longer))
    ]
    np.testing.assert_array_equal(*predicted)


def test_one_common_target_epoch_is_as_none(tmp_path) -> None:
    """A constant feature teaches nothing: predictions are those for the last column."""
    content = table(np.full(N, EPOCHS))
    common = read_table(written(tmp_path / "c.csv", content))
    same = own(content, tmp_path)
    for name in ("persistence", "drift", "exponential", "residual_ridge"):
        one, other = (
            make_predictor(name, PARAMS, 0, (4,))
            .fit(curves.frame(), curves.final)
            .predict_interval(curves.frame(4))
            for curves in (common, same)
        )
        np.testing.assert_allclose(other.mean, one.mean)
        np.testing.assert_allclose(other.lower, one.lower)


def test_stopped_curves_are_predicted_but_never_final(tmp_path) -> None:
    """Their values, whatever they are, change no model; with the mark taken off they do."""
    content = table(seed=3)
    stopped = np.arange(N) % 3 == 0
    models = {}
    for name, marks, factor in (("a", stopped, 1.0), ("b", stopped, 5.0), ("c", stopped & False, 5.0)):
        changed = content.copy()
        changed.loc[stopped, [f"loss_{epoch}" for epoch in range(EPOCHS)]] *= factor
        path = written(tmp_path / f"{name}.csv", changed.assign(stopped=marks))
        model = tmp_path / f"{name}.skops"
        end = run("fit", "--curves", path, "--target-epoch", "own", "--predictor", "ridge", "--out", model)
        assert end.exit_code == 0, f"{end.exception} {end.output}"
        assert ("20 (stopped)" in end.output) == (name != "c"), end.output
        models[name] = load_predictor(model)
    running = own(content, tmp_path).frame(2)
    np.testing.assert_array_equal(models["a"].predict(running), models["b"].predict(running))
    assert np.abs(models["c"].predict(running) - models["a"].predict(running)).max() > 1
    told = run("predict", "--curves", tmp_path / "a.csv", "--model", model, "--target-epoch", EPOCHS)
    rows = told.output.splitlines()
    assert [int(line.split()[0]) for line in rows[1 : N + 1]] == list(range(1, N + 1))
    assert f"final: after {EPOCHS} epochs" in told.output


def test_own_ends_are_evaluated_fitted_and_predicted(tmp_path) -> None:
    content = table()
    path, model = written(tmp_path / "ragged.csv", content), tmp_path / "own.skops"
    found = scores(path, "--target-epoch", "own")
    assert found["target_epoch"] == "own"
    assert "curves of 3 to 16 epochs, each to its own end, 2 seen" in found["output"]
    assert found["predictors"]["ridge"]["r2_loss"]["mean"] > 0.9
    assert found["predictors"]["persistence"]["spearman"]["mean"] < 0.7
    made = run("fit", "--curves", path, "--target-epoch", "own", "--predictor", "ridge", "--out", model)
    assert made.exit_code == 0, f"{made.exception} {made.output}"
    longer = [epoch for epoch in range(EPOCHS) if content[f"loss_{epoch}"].notna().sum() >= 20]
    assert list(load_predictor(model).known_epochs) == longer != list(range(EPOCHS))
    end = run("predict", "--curves", path, "--model", model)
    assert isinstance(end.exception, DataError)
    assert "rows 1, 2, 3 and 57 more: no target epoch" in str(end.exception)
    content["target_epoch"] = np.where(content["loss_9"].isna(), 10, EPOCHS)
    told = run("predict", "--curves", written(tmp_path / "running.csv", content), "--model", model)
    assert told.exit_code == 0, f"{told.exception} {told.output}"
    assert "final: after 10 to 16 epochs, each to its own end" in told.output
    final = [float(line.split()[2]) for line in told.output.splitlines()[1 : N + 1]]
    expected = 20 + 3 * content["lr"] - (content["target_epoch"] - 1)
    np.testing.assert_allclose(final, expected, atol=1.5)
    end = run("predict", "--curves", path, "--model", model, "--target-epoch", EPOCHS + 1)
    assert "target_epoch 17: must be a whole number from 1 to 16" in str(end.exception)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("17", "--target-epoch 17: ragged has curves of up to 16 epochs"),
        ("0", "--target-epoch 0: ragged has curves of up to 16 epochs"),
        ("each", "--target-epoch each: must be a number of epochs, or own"),
        ("", "2 of 60 curves have a value after epoch 16, the last"),
    ],
)
def test_targets_that_cannot_be(tmp_path, value, told) -> None:
    path = written(tmp_path / "ragged.csv", table([EPOCHS, EPOCHS, *[9] * (N - 2)]))
    for command in (("evaluate",), ("fit", "--out", tmp_path / "m.skops")):
        end = run(*command, "--curves", path, "--target-epoch", value)
        assert isinstance(end.exception, (ConfigurationError, DataError))
        assert told in str(end.exception)


def test_a_predictor_has_one_target_or_each_curve_its_own(tmp_path) -> None:
    path, model = written(tmp_path / "ragged.csv", table()), tmp_path / "m.skops"
    assert (
        run("fit", "--curves", path, "--target-epoch", 8, "--predictor", "ridge", "--out", model).exit_code
        == 0
    )
    end = run("predict", "--curves", path, "--model", model, "--target-epoch", 9)
    assert "--target-epoch 9: this predictor was fitted for the value after 8 epochs" in str(end.exception)
    assert run("predict", "--curves", path, "--model", model, "--target-epoch", 8).exit_code == 0


def test_a_prediction_keeps_the_mode_of_its_fit(tmp_path) -> None:
    path, model = written(tmp_path / "table.csv", table([EPOCHS] * N)), tmp_path / "model.skops"
    asked = ("--curves", path, "--out", model, "--predictor", "drift", "--mode", "max")
    assert run("fit", *asked).exit_code == 0
    assert "loss (max)" in run("predict", "--curves", path, "--model", model).output
    refused = run("predict", "--curves", path, "--model", model, "--mode", "min")
    assert "--mode min: it was fitted with --mode max" in f"{refused.exception}{refused.output}"


def test_the_pipeline_takes_one_target_epoch_and_says_what_else_takes_several(tmp_path) -> None:
    curves = own(table(), tmp_path)
    with pytest.raises(DataError, match="predictors evaluate and fit take such curves"):
        usable_rows(curves, least=3)
    write_curves(curves, tmp_path / "own.parquet")
    with pytest.raises(DataError, match="the pipeline takes a common one"):
        compare_predictors(NESTED, 0, tmp_path / "own.parquet", tmp_path / "models")
    assert not (tmp_path / "models").exists()
    common = with_target_epoch(curves, 8)
    np.testing.assert_array_equal(usable_rows(common, least=3), np.flatnonzero(np.isfinite(common.final)))


@pytest.fixture(scope="module")
def quickly_selected():
    """Return what selects a predictor, with two draws of the bootstrap: intervals are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nested_cv, "bootstrap", partial(bootstrap, draws=2))
        yield lambda curves: select(curves, NESTED, seed=0)


def test_nested_cross_validation_scores_each_curve_while_it_runs(tmp_path, quickly_selected) -> None:
    """Persistence learns nothing: what it scores is known from the table alone."""
    curves = own(table(), tmp_path, known=0)
    found = quickly_selected(curves)
    length = int(np.median(curves.target_epochs))
    assert found.known_epochs == round(NESTED.known_fraction * length)
    np.testing.assert_array_equal(found.rows, np.flatnonzero(curves.target_epochs > found.known_epochs))
    np.testing.assert_array_equal(found.true, curves.final[found.rows])
    assert len(found.shares["persistence"]) == 5
    for one in found.shares["persistence"][1:]:
        known = round(one["share"] * length)
        running = curves.target_epochs > max(known, found.known_epochs)
        seen, true = curves.values[running, known - 1], curves.final[running]
        assert one["spearman"] == pytest.approx(stats.spearmanr(seen, true).statistic)
        assert one["r2_loss"] == pytest.approx(r2_score(true, seen))
    assert found.winner == "ridge"  # which learns how far each curve goes
    assert (
        found.scores["selected"]["spearman"]["mean"] > 0.9 > found.scores["persistence"]["spearman"]["mean"]
    )
    assert found.fitted["ridge"].own_targets
    new = own(table(seed=7), tmp_path, known=6)
    assert r2_score(new.final, found.fitted["ridge"].predict(new.frame(6))) > 0.9


def test_curves_with_one_target_epoch_are_chosen_for_as_those_without(tmp_path, quickly_selected) -> None:
    curves = own(table(np.full(N, EPOCHS)), tmp_path)
    alone = replace(curves, configs=curves.configs.drop(columns="target_epoch"))
    with_column, without = map(quickly_selected, (curves, alone))
    assert with_column.winner == without.winner
    assert with_column.shares["persistence"] == without.shares["persistence"]
    np.testing.assert_allclose(with_column.selected.mean, without.selected.mean, rtol=1e-6)


def test_searches_to_ends_that_differ_are_not_replayed(tmp_path) -> None:
    by_search = NESTED.model_copy(update={"criterion": "search"})
    with pytest.raises(ConfigurationError, match="take spearman, r2 or log_mae"):
        select(own(table(), tmp_path), by_search, seed=0, replay=PromotionReplay())


def test_too_few_curves_that_go_on_are_refused_with_their_number(tmp_path) -> None:
    curves = own(table(np.where(np.arange(N) < 4, 3, EPOCHS)), tmp_path, known=0).select(range(9))
    with pytest.raises(DataError, match=r"5 of 9 curves are complete .* longer than the 4 epochs observed"):
        select(curves, NESTED, seed=0)
