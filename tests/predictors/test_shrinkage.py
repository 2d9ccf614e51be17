"""Shrinkage toward persistence, by a factor from the out-of-fold improvement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy import stats
from sklearn.base import clone

from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.predictors.shrinkage import shrink_toward, shrinkage_factor
from tests.predictors.partial import final, seen

EPOCHS = 6
N = 40


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_way(share) -> None:
    last, predicted = np.array([1.0, 2.0, 8.0]), np.array([4.0, 2.0, 2.0])
    logs = (1 - share) * np.log(last) + share * np.log(predicted)
    np.testing.assert_allclose(shrink_toward(last, predicted, share, log_scale=True), np.exp(logs))
    straight = (1 - share) * -last + share * predicted
    np.testing.assert_allclose(shrink_toward(-last, predicted, share, log_scale=False), straight)


def test_staying_is_exact_and_nothing_is_lost_to_values_that_have_no_logarithm() -> None:
    last = np.random.default_rng(0).uniform(0.1, 1, 100)
    np.testing.assert_array_equal(shrink_toward(last, last[::-1], 0.0, log_scale=True), last)
    assert np.isfinite(shrink_toward(np.array([-1.0, 1.0]), np.array([1.0, -1.0]), 0.5, log_scale=True)).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_share_follows_from_students_t_where_the_order_stays(seed) -> None:
    generator = np.random.default_rng(seed)
    true = np.exp(np.arange(N))  # so far apart that no error changes the order
    last = true * np.exp(generator.uniform(-0.2, 0.2, N))
    predicted = true * np.exp(generator.uniform(-0.19, 0.19, N))
    errors = [np.abs(np.log(values / true)) for values in (last, predicted)]
    t = stats.ttest_rel(*errors).statistic
    expected = 1 - t**-2 if t > 1 else 0.0
    assert shrinkage_factor(true, predicted, last, np.arange(N)) == pytest.approx(expected)


def test_both_outcomes_of_that_occur() -> None:
    true = np.exp(np.arange(N))
    worse, better = true * 1.3, true * np.exp(np.linspace(0.01, 0.3, N))
    assert shrinkage_factor(true, worse, better, np.arange(N)) == 0.0
    assert 0.5 < shrinkage_factor(true, better, worse, np.arange(N)) < 1.0


def test_a_surer_order_counts_where_errors_tell_nothing() -> None:
    generator = np.random.default_rng(0)
    true = np.exp(generator.normal(size=N))
    ordered = 3 * true  # right in order, off by a factor
    last = true * np.exp(generator.normal(size=N))
    assert np.abs(np.log(last / true)).mean() < np.log(3)
    assert shrinkage_factor(true, ordered, last, np.arange(N)) > 0.5


def test_copies_of_rows_make_nothing_surer() -> None:
    generator = np.random.default_rng(1)
    true = np.exp(generator.normal(size=N))
    last, predicted = (true * np.exp(width * generator.normal(size=N)) for width in (0.5, 0.4))
    once = shrinkage_factor(true, predicted, last, np.arange(N))
    copied = (np.tile(values, 9) for values in (true, predicted, last))
    assert shrinkage_factor(*copied, np.tile(np.arange(N), 9)) == pytest.approx(once)
    copied = (np.tile(values, 9) for values in (true, predicted, last))
    assert shrinkage_factor(*copied, np.arange(9 * N)) > once + 0.05


def table(seed: int, sense: float = 1.0, n: int = N) -> pd.DataFrame:
    """Return curves that end with a step: half chance, half `sense` times a hyperparameter."""
    generator = np.random.default_rng(seed)
    x, chance, level = generator.normal(size=(3, n))
    logs = level[:, None] + 0.02 * generator.normal(size=(n, EPOCHS))
    logs[:, -1] -= 0.2 * (sense * x + chance)
    values = np.exp(logs)
    columns = [f"loss_{epoch}" for epoch in range(EPOCHS)]
    return pd.concat([pd.DataFrame({"x": x}), pd.DataFrame(values, columns=columns)], axis=1)


def pair(name: str, train: pd.DataFrame, known: tuple[int, ...]) -> tuple[CurvePredictor, CurvePredictor]:
    """Return a predictor that follows its models, and the same one as far as they are sure."""
    whole = make_predictor(name, PredictorsParams(), 0, known)
    shrunk = clone(whole).set_params(shrink=True)
    return whole.fit(train, final(train)), shrunk.fit(train, final(train))


@pytest.mark.parametrize("name", ["residual_ridge", "ridge", "svr", "residual_trees", "parametric"])
def test_a_predictor_goes_its_share_at_every_epoch_and_all_of_it_before_the_first(name) -> None:
    train, new = table(0), table(1)
    known = (0, 1, 3, 5)
    whole, shrunk = pair(name, train, known)
    shares = [model.share_ for model in shrunk.epoch_models_]
    assert [model.share_ for model in whole.epoch_models_] == [1.0] * len(known)
    assert shares[0] == 1.0
    assert all(0 <= share < 1 for share in shares[1:])
    for share, k in zip(shares, known, strict=True):
        prediction = shrunk.predict_interval(seen(new, k))
        model = whole.predict(seen(new, k))
        last = new[f"loss_{max(k, 1) - 1}"].to_numpy()
        np.testing.assert_allclose(prediction.mean, last ** (1 - share) * model**share, rtol=1e-12)
        assert (prediction.lower <= prediction.mean).all()
    restored = skops.io.loads(skops.io.dumps(shrunk), trusted=trusted_types())
    np.testing.assert_array_equal(restored.predict(seen(new, 3)), shrunk.predict(seen(new, 3)))


def test_the_surer_the_further() -> None:
    shares = [
        pair("residual_ridge", table(2, sense), (3,))[1].epoch_models_[0].share_ for sense in (0.0, 1.0, 4.0)
    ]
    assert shares[0] == 0.0
    assert 0.3 < shares[1] < shares[2] < 1.0


def test_who_knows_nothing_is_persistence_to_the_bit() -> None:
    train, new = table(2, sense=0.0), table(3)
    _, shrunk = pair("residual_ridge", train, (3,))
    np.testing.assert_array_equal(shrunk.predict(seen(new, 3)), new["loss_2"])


def test_intervals_are_those_of_what_is_predicted() -> None:
    train, new = table(4, sense=0.6, n=200), table(5, sense=0.6, n=2000)
    whole, shrunk = pair("residual_ridge", train, (3,))
    share = shrunk.epoch_models_[0].share_
    gone = train["loss_2"].to_numpy() ** (1 - share) * whole.epoch_models_[0].out_of_fold_ ** share
    np.testing.assert_allclose(shrunk.epoch_models_[0].out_of_fold_, gone)
    errors = shrunk.scale_.transform(final(train)) - shrunk.scale_.transform(gone)
    np.testing.assert_allclose(shrunk.epoch_models_[0].residuals_, errors, atol=1e-9)
    prediction = shrunk.predict_interval(seen(new, 3), 0.8)
    covered = (prediction.lower <= final(new)) & (final(new) <= prediction.upper)
    assert covered.mean() == pytest.approx(0.8, abs=0.06)


def test_without_curves_that_a_model_did_not_see_it_is_followed() -> None:
    train = table(0)
    alone = make_predictor("residual_ridge", PredictorsParams(), 0, (3,), folds=0, shrink=True)
    assert [model.share_ for model in alone.fit(train, final(train)).epoch_models_] == [1.0]


def test_curves_that_begin_below_zero_and_end_above_go_a_straight_way() -> None:
    train = table(6, sense=4.0)
    losses = [f"loss_{epoch}" for epoch in range(EPOCHS)]
    train[losses[:3]] -= 2.0
    whole, shrunk = pair("residual_ridge", train, (3,))
    share, last = shrunk.epoch_models_[0].share_, train["loss_2"].to_numpy()
    assert shrunk.log_scale_
    assert last.min() < 0 < share
    straight = last + share * (whole.predict(seen(train, 3)) - last)
    np.testing.assert_allclose(shrunk.predict(seen(train, 3)), np.maximum(straight, np.finfo(float).tiny))
