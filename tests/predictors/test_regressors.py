"""The regressors that a predictor is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.regressors import REGRESSORS, make_models
from mlpf_hpo.predictors.regressors.gaussian_process import GaussianProcess
from mlpf_hpo.predictors.regressors.half_shrinkage import HalfShrinkage
from mlpf_hpo.predictors.regressors.parametric import FAMILIES, ParametricCurve
from mlpf_hpo.predictors.regressors.persistence import Persistence
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.regressors.rank_transform import RankScale
from mlpf_hpo.predictors.regressors.residual import Residual
from mlpf_hpo.predictors.regressors.subsampled import Subsampled
from mlpf_hpo.predictors.settings import PredictorsParams


# The checks ask for a score on 200 rows, which 20 of them cannot give.
@parametrize_with_checks(
    [
        Persistence(),
        Subsampled(points=200),
        Residual(),
        Residual(SVR(), 1.0),
        HalfShrinkage(),
        HalfShrinkage(SVR()),
        GaussianProcess(),
        ParametricCurve(),
        RankScale(),
    ]
)
def test_scikit_learn_checks(estimator, check) -> None:
    check(estimator)


def test_persistence_is_the_last_column_whatever_it_was_fitted_on() -> None:
    X = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(Persistence().fit(X, -X[:, 0]).predict(X), [2, 5, 8, 11])


def test_subsampled_sees_no_more_rows_than_it_may() -> None:
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(50, 2)), generator.normal(size=50)
    made = Subsampled(LinearRegression(), points=7, random_state=3).fit(X, y)
    assert len(made.rows_) == len(set(made.rows_)) == 7
    expected = LinearRegression().fit(X[made.rows_], y[made.rows_])
    np.testing.assert_allclose(made.estimator_.coef_, expected.coef_)
    other = Subsampled(LinearRegression(), points=7, random_state=4).fit(X, y)
    assert made.rows_.tolist() != other.rows_.tolist()


def decaying(known: int, n: int, formula) -> tuple[np.ndarray, np.ndarray]:
    """Return curves a + b g(t), [n, known], and their values after the last of 60 epochs."""
    generator = np.random.default_rng(0)
    t = np.arange(1.0, 61.0)
    level, drop = generator.uniform(1, 2, (n, 1)), generator.uniform(0.5, 3, (n, 1))
    whole = level + drop * formula(t)
    return whole[:, :known], whole[:, -1]


TRUE = {
    "power_law": lambda t: t**-0.7,
    "exponential": lambda t: np.exp(-0.08 * t),
    "mmf": lambda t: 1 / (1 + (0.2 * t) ** 1.4),
    "weibull": lambda t: np.exp(-((0.1 * t) ** 0.8)),
}


GRID_ERROR = {"power_law": 0.03, "exponential": 0.06, "mmf": 0.25, "weibull": 0.25}
"""What the grid of shapes may leave of persistence's error on curves without noise; of two it is coarser."""


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_continues_its_own_curves(family) -> None:
    curves, end = decaying(20, 30, TRUE[family])
    predicted = ParametricCurve(family, n_epochs=60).fit(curves, end).predict(curves)
    assert np.abs(predicted - end).mean() < GRID_ERROR[family] * np.abs(curves[:, -1] - end).mean()


def test_the_combination_finds_the_family_and_a_wild_epoch_does_not_matter() -> None:
    for formula in TRUE.values():
        curves, end = decaying(20, 30, formula)
        persistence = np.abs(curves[:, -1] - end).mean()
        model = ParametricCurve(n_epochs=60).fit(curves, end)
        assert np.abs(model.predict(curves) - end).mean() < 0.65 * persistence
        spoilt = curves.copy()
        spoilt[:, 7] += 2.0
        assert np.abs(model.predict(spoilt) - end).mean() < 0.8 * persistence


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (-1.0, 1.0), (1.0, -50.0)])
def test_parametric_curves_do_not_depend_on_units(scale, shift) -> None:
    curves, end = decaying(20, 10, TRUE["power_law"])
    expected = ParametricCurve(n_epochs=60).fit(curves, end).predict(curves)
    moved = ParametricCurve(n_epochs=60).fit(curves, end).predict(scale * curves + shift)
    np.testing.assert_allclose((moved - shift) / scale, expected, rtol=1e-3)


def test_too_few_epochs_for_a_formula_are_continued_by_the_last() -> None:
    curves, end = decaying(3, 5, TRUE["power_law"])
    np.testing.assert_array_equal(ParametricCurve().fit(curves, end).predict(curves), curves[:, -1])


def test_a_family_that_nobody_has() -> None:
    with pytest.raises(ConfigurationError, match=r"'powerlaw'.*did you mean power_law"):
        ParametricCurve("powerlaw").fit(np.ones((3, 5)), np.ones(3))


def residual_rows(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return rows whose final value is the last seen, halved where a feature is 1, and noise of 1 %."""
    generator = np.random.default_rng(3)
    flag, last = generator.integers(0, 2, n), np.exp(generator.uniform(-1, 1, n))
    return np.column_stack([flag, last]), last * 0.5**flag * np.exp(0.01 * generator.normal(size=n))


def test_a_residual_model_adds_what_is_known_to_the_last_value() -> None:
    X, y = residual_rows()
    predicted = Residual(ExtraTreesRegressor(20, random_state=0)).fit(X, y).predict(X)
    np.testing.assert_allclose(predicted, X[:, 1] * 0.5 ** X[:, 0], rtol=0.1)


def test_within_the_dead_zone_it_is_persistence_to_the_digit() -> None:
    generator = np.random.default_rng(0)
    X = np.exp(generator.normal(size=(50, 2)))
    y = X[:, 1] * np.exp(0.1 * generator.normal(size=50))
    cautious = Residual(LinearRegression(), dead_zone=3.0).fit(X, y)
    np.testing.assert_array_equal(cautious.predict(X), X[:, 1])
    assert (Residual(LinearRegression()).fit(X, y).predict(X) != X[:, 1]).all()


@pytest.mark.parametrize("positive", [True, False])
def test_halfway_is_the_mean_of_persistence_and_the_model(positive: bool) -> None:
    X, y = residual_rows()
    if not positive:
        X[:, 1], y = X[:, 1] - 5, y - 5
    full = LinearRegression().fit(X, y).predict(X)
    half = HalfShrinkage(LinearRegression()).fit(X, y).predict(X)
    mean = np.sqrt(full.clip(np.finfo(float).tiny) * X[:, 1]) if positive else (full + X[:, 1]) / 2
    np.testing.assert_allclose(half, mean)
    assert (np.abs(half / X[:, 1] - 1) > 0.01).any()


def test_a_recipe_goes_half_of_the_way_of_another() -> None:
    """On curves, through features and scales of ranks: what the registry's line promises."""
    generator = np.random.default_rng(2)
    curves = pd.DataFrame(np.exp(generator.normal(size=(30, 3))), columns=["loss_1", "loss_2", "loss_3"])
    final = curves["loss_2"] * generator.uniform(0.5, 0.9, 30)

    def predicted(name: str) -> np.ndarray:
        model, _ = make_models(name, PredictorsParams(), 0)
        return model.set_params(features__known_epochs=2).fit(curves, final).predict(curves)

    np.testing.assert_allclose(predicted("halfway_ridge"), np.sqrt(predicted("ridge") * curves["loss_2"]))


def test_drift_is_persistence_moved_by_the_median_of_what_was_left_to_go() -> None:
    model, before = make_models("drift", PredictorsParams(), 0)
    generator = np.random.default_rng(2)
    curves = pd.DataFrame(np.exp(generator.normal(size=(9, 3))), columns=["loss_1", "loss_2", "loss_3"])
    final = curves.iloc[:, 1] * generator.uniform(0.5, 0.9, 9)
    predictions = model.set_params(features__known_epochs=2).fit(curves, final).predict(curves)
    np.testing.assert_allclose(predictions, curves.iloc[:, 1] * np.median(final / curves.iloc[:, 1]))
    assert isinstance(before[-1], DummyRegressor), "before the first epoch there is nothing to move"


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_residuals_do_not_depend_on_the_unit(unit) -> None:
    X, y = residual_rows()
    model, other = Residual(LinearRegression(), 1.0), Residual(LinearRegression(), 1.0)
    expected = model.fit(X, y).predict(X)
    np.testing.assert_allclose(other.fit(X * [1, unit], y * unit).predict(X * [1, unit]) / unit, expected)


def test_values_that_are_not_positive_are_learnt_as_they_are() -> None:
    X, y = residual_rows()
    X[:, 1], y = X[:, 1] - 5, y - 5
    assert not Residual().fit(X, y).log_scale_
    assert np.corrcoef(Residual().fit(X, y).predict(X), y)[0, 1] > 0.9


def test_no_residual_goes_far_beyond_what_was_seen() -> None:
    X, y = residual_rows()
    far = np.array([[1e9, 1.0]])
    assert Residual(LinearRegression()).fit(X, y).predict(far)[0] > 0.5 * 0.5 * 0.9


def test_forests_tell_what_they_say_out_of_bag() -> None:
    X, y = residual_rows()
    noise = np.random.default_rng(1).normal(size=len(y))
    forest = ExtraTreesRegressor(50, bootstrap=True, oob_score=True, random_state=0)
    model = Residual(forest).fit(np.column_stack([noise, X]), y)
    seen = np.abs(np.log(model.predict(np.column_stack([noise, X])) / y)).mean()
    assert seen < np.abs(np.log(model.oob_prediction_ / y)).mean() < 0.5
    assert not hasattr(Residual(DummyRegressor()).fit(X, y), "oob_prediction_")


def test_ranks_and_back_also_beyond_what_was_seen() -> None:
    seen = np.exp(np.random.default_rng(0).normal(size=(40, 1)))
    scale = RankScale().fit(seen)
    ranks = scale.transform(seen)
    np.testing.assert_allclose(np.sort(ranks[:, 0]), (np.arange(40) + 0.5) / 40)
    np.testing.assert_allclose(scale.inverse_transform(ranks), seen)
    beyond = seen.min() * np.array([[0.99], [0.98], [0.97]])
    assert (np.diff(scale.transform(beyond)[:, 0]) < 0).all(), "a new best is not tied with another"
    np.testing.assert_allclose(scale.inverse_transform(scale.transform(beyond)), beyond)
    far = scale.inverse_transform(np.array([[-50.0], [50.0]]))
    assert seen.min() / 10 < far[0, 0] < seen.min() < seen.max() < far[1, 0] < 10 * seen.max()


@pytest.mark.parametrize("steep_at", ["the end", "the beginning"])
def test_beyond_what_was_seen_values_go_on_with_the_gentler_slope_of_both_ends(steep_at: str) -> None:
    logarithms = np.concatenate([np.linspace(0.0, 0.9, 90), np.linspace(1.0, 10.0, 10)])
    if steep_at == "the beginning":
        logarithms = -logarithms
    scale = RankScale().fit(np.exp(logarithms)[:, np.newaxis])
    beyond = np.log(scale.inverse_transform(np.array([[-0.1], [1.1]]))[:, 0])
    ends = np.array([logarithms.min(), logarithms.max()])
    np.testing.assert_allclose(np.abs(beyond - ends), (0.1 + 0.005) * 100 * 0.9 / 89)


@pytest.mark.parametrize("name", REGRESSORS)
def test_every_name_makes_models(name) -> None:
    model, _ = make_models(name, PredictorsParams(), 0)
    assert PredictorsParams.model_validate({"candidates": [name]}).candidates == (name,)
    assert "features__known_epochs" in model.get_params()


def test_settings_reach_the_regressor() -> None:
    params = PredictorsParams.model_validate({"svr": {"C": 3.0}, "qsvr": {"points": 7, "reads": 11}})
    svr = make_models("svr", params, 0)[0].named_steps["regressor"].regressor
    assert (svr.C, svr.gamma, svr.epsilon) == (3.0, 0.1, 0.02)
    qsvr = make_models("qsvr", params, 5)[0].named_steps["regressor"].regressor
    assert (qsvr.points, qsvr.random_state, qsvr.estimator.reads) == (7, 5, 11)
    whole = PredictorsParams.model_validate({"qsvr": {"points": "all"}})
    assert isinstance(make_models("qsvr", whole, 5)[0].named_steps["regressor"].regressor, QSVR)
    null = make_models("random_bits", params, 5)[0].named_steps["regressor"].regressor
    assert null.estimator.sampler == "random"


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(ConfigurationError, match=r"'persistense' \(did you mean persistence\?\)"):
        make_models("persistense", PredictorsParams(), 0)
