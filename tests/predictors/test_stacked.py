"""Stacked models: knowledge adds up, failed trainings end alike, and what was left out was left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy import stats
from sklearn.base import clone

from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.regressors.calibrated_persistence import CalibratedPersistence
from mlpf_hpo.predictors.regressors.cross_fitted_trees import CrossFittedTrees
from mlpf_hpo.predictors.settings import PredictorsParams
from tests.predictors.partial import final, seen

EPOCHS = 8


def table(n: int, seed: int, noise: float = 0.5) -> pd.DataFrame:
    """Return curves whose ends follow from two hyperparameters; early epochs tell little, late ones all."""
    generator = np.random.default_rng(seed)
    lr, dropout = generator.uniform(-4, -1, n), generator.uniform(0, 0.5, n)
    end = -1.5 + np.square(lr + 2.5) + dropout + 0.05 * generator.normal(size=n)
    left = np.linspace(1, 0, EPOCHS)
    logs = end[:, None] + left * (2 + noise * generator.normal(size=(n, 1))) * (
        1 + noise * generator.normal(size=(n, EPOCHS))
    )
    values = pd.DataFrame(np.exp(logs), columns=[f"loss_{epoch}" for epoch in range(EPOCHS)])
    return pd.concat([pd.DataFrame({"lr": 10**lr, "dropout": dropout}), values], axis=1)


def ranked(train: pd.DataFrame, new: pd.DataFrame, known: int, name: str = "stacked") -> float:
    made = make_predictor(name, PredictorsParams(), 0, [known], folds=0).fit(train, final(train))
    return float(stats.spearmanr(made.predict(seen(new, known)), final(new)).statistic)


@pytest.mark.parametrize("n", [20, 60])
def test_more_of_the_curve_never_ranks_worse(n) -> None:
    found = np.array(
        [
            [ranked(table(n, seed), table(200, seed + 99), known) for known in (0, 1, 4, 7)]
            for seed in range(5)
        ]
    ).mean(axis=0)
    assert (np.diff(found) >= -0.02).all()
    assert found[-1] > 0.96


@pytest.mark.parametrize("known", [1, 4, 7])
def test_both_together_rank_at_least_as_either(known) -> None:
    train, new = table(60, 1), table(300, 2)
    both = ranked(train, new, known)
    assert both >= ranked(train, new, known, "persistence") - 0.01
    assert both >= ranked(train, new, 0) - 0.01


def test_failed_trainings_are_predicted_to_end_where_they_all_end() -> None:
    def with_failures(n: int, seed: int) -> pd.DataFrame:
        frame = table(n, seed)
        dead = frame["dropout"] > 0.3
        frame.loc[dead, [f"loss_{epoch}" for epoch in range(EPOCHS)]] = 2.302585
        return frame

    train, new = with_failures(60, 3), with_failures(200, 4)
    made = make_predictor("stacked", PredictorsParams(), 0, [0, 4]).fit(train, final(train))
    for known in (0, 4):
        dead = new["dropout"].to_numpy() > 0.3
        at_atom = made.predict(seen(new, known)) == 2.302585
        assert (at_atom == dead).mean() > 0.95


@pytest.mark.parametrize("known", [0, 3])
def test_out_of_fold_errors_are_those_on_new_curves(known) -> None:
    train, new = table(80, 5), table(1000, 6)
    made = make_predictor("stacked", PredictorsParams(), 0, [known]).fit(train, final(train))
    errors = made.scale_.transform(final(new)) - made.scale_.transform(made.predict(seen(new, known)))
    assert np.abs(made.epoch_models_[0].residuals_).mean() == pytest.approx(np.abs(errors).mean(), rel=0.3)
    inside = made.predict_interval(seen(new, known), 0.9)
    assert 0.82 < ((inside.lower <= final(new)) & (final(new) <= inside.upper)).mean() < 0.97


def test_a_file_holds_it_to_the_bit() -> None:
    train, new = table(30, 7), table(10, 8)
    made = make_predictor("stacked", PredictorsParams(), 0, [0, 2, 5]).fit(train, final(train))
    again = skops.io.loads(skops.io.dumps(made), trusted=trusted_types())
    for known in (0, 2, 5):
        before, after = (one.predict_interval(seen(new, known)) for one in (made, again))
        np.testing.assert_array_equal(before.mean, after.mean)
        np.testing.assert_array_equal(before.upper, after.upper)


@pytest.mark.parametrize("scale", [-1.0, 1e-12, 1e12])
def test_units_and_signs(scale) -> None:
    train, new = table(40, 9), table(100, 10)
    losses = [f"loss_{epoch}" for epoch in range(EPOCHS)]
    for frame in (train, new):
        frame[losses] *= scale
    found = ranked(train, new, 4)
    assert found > 0.8


@pytest.mark.parametrize("constant", ["lr", "both", "loss_0"])
def test_columns_that_say_nothing(constant) -> None:
    train, new = table(30, 11), table(30, 12)
    for frame in (train, new):
        names = ["lr", "dropout"] if constant == "both" else [constant]
        frame[names] = 1.0
    made = make_predictor("stacked", PredictorsParams(), 0, [0, 1]).fit(train, final(train))
    assert np.isfinite(made.predict(seen(new, 0))).all()
    assert np.isfinite(made.predict(seen(new, 1))).all()


def test_diverged_values_on_either_side_stay_finite() -> None:
    train, new = table(30, 13), table(30, 14)
    train.loc[0, "loss_2"] = 1e300
    new.loc[0, "loss_2"] = 1e300
    new.loc[1, "loss_2"] = 1e-300
    made = make_predictor("stacked", PredictorsParams(), 0, [3]).fit(train, final(train))
    assert np.isfinite(made.predict(seen(new, 3))).all()


def test_calibrated_persistence_keeps_the_order_of_the_last_values() -> None:
    generator = np.random.default_rng(0)
    last = generator.normal(size=50)
    X = np.column_stack([last, stats.rankdata(last) / 50])
    made = CalibratedPersistence().fit(X, 3 - 0.2 * last + generator.normal(size=50))  # against the order
    assert (np.diff(made.predict(X[np.argsort(last)])) >= 0).all()
    exact = CalibratedPersistence().fit(X, last)
    np.testing.assert_allclose(exact.predict(X), last, atol=1e-3)


def test_trees_left_out_have_not_seen_their_rows() -> None:
    generator = np.random.default_rng(1)
    X, y = generator.normal(size=(40, 2)), generator.normal(size=40)  # nothing to learn
    made = CrossFittedTrees().fit(X, y)
    assert np.corrcoef(made.predict(X), y)[0, 1] > 0.5
    assert abs(np.corrcoef(made.oob_prediction_, y)[0, 1]) < 0.4


@pytest.mark.parametrize("known", [0, 3])
def test_repeats_of_a_configuration_do_not_vouch_for_each_other(known) -> None:
    once = table(20, 15)
    twice = pd.concat([once, once], ignore_index=True)
    groups = np.tile(np.arange(20), 2)
    make = make_predictor("stacked", PredictorsParams(), 0, [known])
    honest = make.fit(twice, final(twice), groups).epoch_models_[0].residuals_
    leaking = (
        make_predictor("stacked", PredictorsParams(), 0, [known])
        .fit(twice, final(twice))
        .epoch_models_[0]
        .residuals_
    )
    alone = (
        make_predictor("stacked", PredictorsParams(), 0, [known])
        .fit(once, final(once))
        .epoch_models_[0]
        .residuals_
    )
    assert np.abs(honest).mean() > 0.6 * np.abs(alone).mean()
    assert np.abs(leaking).mean() < 0.6 * np.abs(honest).mean()


def test_more_than_a_few_dozen_repeats_are_left_out_together() -> None:
    twice = pd.concat([table(40, 16)] * 2, ignore_index=True)  # more rows than are fitted anew one by one
    groups = np.tile(np.arange(40), 2)
    made = make_predictor("stacked", PredictorsParams(), 0, [0])
    honest = made.fit(twice, final(twice), groups).epoch_models_[0].residuals_.copy()
    leaking = made.fit(twice, final(twice)).epoch_models_[0].residuals_
    assert np.abs(leaking).mean() < 0.6 * np.abs(honest).mean()


def restarted(frame: pd.DataFrame, rows: slice) -> pd.DataFrame:
    """Return curves of which some fall back after epoch 6 to where they began, as after a restart."""
    changed = frame.copy()
    changed.loc[changed.index[rows], "loss_7"] = 20 + changed.loc[changed.index[rows], "loss_0"]
    return changed


def test_restarts_that_nothing_foretells_are_not_learnt_from_but_counted_in_the_errors() -> None:
    train, new = table(60, 1, noise=0.1), table(300, 2, noise=0.1)
    some = slice(0, None, 6)
    with_restarts = restarted(train, some)
    predictor = make_predictor("stacked", PredictorsParams(), 0, [6])
    made = clone(predictor).fit(with_restarts, final(with_restarts)).epoch_models_[0]
    assert {len(made.model_[-1].models_[name].rows_) for name in ("prior", "process")} == {50}
    persistence = stats.spearmanr(new["loss_5"], final(new)).statistic
    assert stats.spearmanr(made.predict(seen(new, 6)), final(new)).statistic >= persistence - 0.002
    errors = np.abs(made.residuals_)
    assert errors[some].min() > 5 * np.median(errors)
    known = clone(predictor).fit(train, final(train)).epoch_models_[0]
    assert {len(known.model_[-1].models_[name].rows_) for name in ("prior", "process")} == {60}


def test_repeats_of_a_restarted_training_are_left_out_with_it() -> None:
    train = restarted(pd.concat([table(30, 1, noise=0.1)] * 2, ignore_index=True), slice(0, 5))
    groups = np.tile(np.arange(30), 2)
    made = make_predictor("stacked", PredictorsParams(), 0, [6]).fit(train, final(train), groups)
    assert len(made.epoch_models_[0].model_[-1].models_["prior"].rows_) == 50


def test_if_most_changes_are_unusual_all_are_learnt_from() -> None:
    train = table(40, 1, noise=0.1)
    train["loss_7"] = train["loss_5"].where(np.arange(40) % 10 < 6, final(train))
    made = make_predictor("stacked", PredictorsParams(), 0, [6]).fit(train, final(train))
    assert len(made.epoch_models_[0].model_[-1].models_["prior"].rows_) == 40


def test_a_curve_beyond_all_training_curves_changes_no_more_than_any_of_them() -> None:
    train, new = table(20, 1, noise=0.05), table(5, 2, noise=0.05)
    losses = [f"loss_{epoch}" for epoch in range(EPOCHS)]
    new[losses] *= 50
    made = make_predictor("stacked", PredictorsParams(), 0, [6], folds=0).fit(train, final(train))
    changes = np.log(final(train) / train["loss_5"])
    found = np.log(made.predict(seen(new, 6)) / new["loss_5"])
    assert found.min() >= changes.min() - 1e-9
    assert found.max() <= changes.max() + 1e-9


def test_trainings_that_stay_where_the_failed_ones_end_are_told_by_their_last_value() -> None:
    def with_failures(n: int, seed: int) -> pd.DataFrame:
        frame = table(n, seed)  # which of them fail no hyperparameter says
        frame.iloc[::3, 2:] = 50.0
        return frame

    train, new = with_failures(20, 1), with_failures(200, 2)
    made = make_predictor("stacked", PredictorsParams(), 0, [4], folds=0).fit(train, final(train))
    np.testing.assert_array_equal(made.predict(seen(new, 4)) == 50.0, np.arange(200) % 3 == 0)


def test_more_than_half_of_all_trainings_that_change_no_more_do_not_make_the_others_unusual() -> None:
    train = table(40, 1)
    train.iloc[:22, 2:] = 50.0 + 1e-4 * np.random.default_rng(3).normal(size=(22, EPOCHS))
    made = make_predictor("stacked", PredictorsParams(), 0, [2]).fit(train, final(train))
    assert len(made.epoch_models_[0].model_[-1].models_["prior"].rows_) == 40
