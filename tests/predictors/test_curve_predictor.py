"""`CurvePredictor`: partial curves at any epochs, intervals that cover, and nothing seen that must not be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline

from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.intervals import LEAST_ERRORS
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.regressors import REGRESSORS
from mlpf_hpo.predictors.settings import PredictorsParams
from tests.predictors.partial import final, seen

EPOCHS = 10
FAST = PredictorsParams.model_validate(
    {"outer_folds": 4, "qsvr": {"sampler": "random", "reads": 20, "points": 8}}
)


def curves(n: int, seed: int, sign: float = 1.0) -> pd.DataFrame:
    """Return full curves whose end depends on a hyperparameter, on their start and on chance."""
    generator = np.random.default_rng(seed)
    lr, dropout = np.exp(generator.uniform(-10, -4, n)), generator.uniform(0, 0.5, n)
    end = 1 + (np.log(lr) + 7) ** 2 / 9 + 0.1 * generator.normal(size=n) ** 2
    drop, rate = generator.uniform(0.5, 2, n), generator.uniform(0.3, 1, n)
    values = end[:, None] + drop[:, None] * np.exp(-rate[:, None] * np.arange(EPOCHS))
    values += 0.01 * generator.normal(size=values.shape)
    table = pd.DataFrame(sign * values, columns=[f"loss_{epoch}" for epoch in range(EPOCHS)])
    return pd.concat([pd.DataFrame({"lr": lr, "dropout": dropout}), table], axis=1)


def fitted(name: str, n: int = 40, known: tuple[int, ...] = (0, 2, 5), seed: int = 1) -> CurvePredictor:
    train = curves(n, seed)
    return make_predictor(name, FAST, 0, known).fit(train, final(train))


NAMES = ["persistence", "svr", "qsvr", "parametric", "gaussian_process", "cautious_svr", "residual_trees"]


@pytest.fixture(scope="module", params=NAMES)
def predictor(request) -> CurvePredictor:
    return fitted(request.param)


def test_rows_may_stand_at_different_epochs(predictor) -> None:
    frame = curves(12, seed=2)
    known = np.arange(12) % (EPOCHS + 1)
    mixed = predictor.predict_interval(seen(frame, known))
    for i, epochs in enumerate(known):
        alone = predictor.predict_interval(seen(frame.iloc[[i]], epochs))
        for name in ("mean", "lower", "upper"):
            assert getattr(mixed, name)[i] == pytest.approx(getattr(alone, name)[0], rel=1e-12)


def test_a_row_between_the_grid_uses_the_grid_epoch_below(predictor) -> None:
    frame = curves(5, seed=2)
    np.testing.assert_array_equal(predictor.predict(seen(frame, 4)), predictor.predict(seen(frame, 2)))
    np.testing.assert_array_equal(predictor.predict(seen(frame, 1)), predictor.predict(seen(frame, 0)))


def test_the_value_to_be_predicted_is_never_read(predictor) -> None:
    frame = curves(5, seed=2).assign(loss_6=np.nan)  # a complete curve has nothing to be predicted
    changed = frame.assign(**{f"loss_{EPOCHS - 1}": 99.0})
    np.testing.assert_array_equal(predictor.predict(frame), predictor.predict(changed))


def test_a_gap_hides_what_comes_after_it(predictor) -> None:
    frame = curves(5, seed=2)
    gap = frame.assign(loss_2=np.nan)
    np.testing.assert_array_equal(predictor.predict(gap), predictor.predict(seen(frame, 2)))


def test_columns_are_found_by_name_and_the_order_of_rows_does_not_matter(predictor) -> None:
    frame = seen(curves(9, seed=2), 5)
    expected = predictor.predict(frame)
    np.testing.assert_array_equal(predictor.predict(frame[frame.columns[::-1]]), expected)
    np.testing.assert_allclose(predictor.predict(frame.iloc[::-1])[::-1], expected, rtol=1e-12)
    with pytest.raises(DataError, match="dropout"):
        predictor.predict(frame.drop(columns="dropout"))


def test_persistence_is_the_last_known_value_and_the_median_before_there_is_one() -> None:
    made, frame = fitted("persistence", known=tuple(range(EPOCHS))), curves(6, seed=2)
    for known in range(1, EPOCHS):
        np.testing.assert_array_equal(made.predict(seen(frame, known)), frame[f"loss_{known - 1}"])
    np.testing.assert_array_equal(made.predict(seen(frame, 0)), np.median(final(curves(40, seed=1))))


@pytest.mark.parametrize("name", ["persistence", "svr", "cautious_svr", "residual_trees", "extra_trees"])
@pytest.mark.parametrize("known", [0, 2, 5])
def test_intervals_cover_new_curves(name, known) -> None:
    new = curves(200, seed=99)
    held = []
    for seed in range(6):
        prediction = fitted(name, seed=seed, known=(known,)).predict_interval(seen(new, known))
        assert np.isfinite(prediction.upper).all()
        held.append(np.mean((prediction.lower <= final(new)) & (final(new) <= prediction.upper)))
    assert 0.85 <= np.mean(held) <= 0.98


def test_wider_where_less_is_known_and_where_more_is_promised() -> None:
    made, frame = fitted("svr"), curves(20, seed=3)

    def width(known: int, coverage: float) -> float:
        prediction = made.predict_interval(seen(frame, known), coverage)
        assert prediction.coverage == coverage
        return float(np.mean(prediction.upper - prediction.lower))

    assert width(5, 0.5) < width(5, 0.9) < width(0, 0.9)


def test_too_few_curves_for_the_coverage_leave_the_bounds_open() -> None:
    made = fitted("svr", n=LEAST_ERRORS - 1)
    prediction = made.predict_interval(seen(curves(2, seed=3), 2))
    assert np.isfinite(prediction.mean).all()
    assert np.isinf(prediction.upper).all()
    few = fitted("svr", n=LEAST_ERRORS + 1).predict_interval(seen(curves(2, seed=3), 2))
    assert np.isfinite(few.upper).all()


def test_values_below_zero_are_predicted_on_their_own_scale() -> None:
    train, new = curves(40, seed=1, sign=-1.0), curves(50, seed=2, sign=-1.0)
    prediction = make_predictor("svr", FAST, 0, (5,)).fit(train, final(train)).predict_interval(seen(new, 5))
    assert (prediction.lower <= prediction.mean).all()
    assert np.corrcoef(prediction.mean, final(new))[0, 1] > 0.8


def test_forests_are_calibrated_out_of_bag_where_no_configuration_stands_twice() -> None:
    train = curves(30, seed=1)
    made = make_predictor("residual_trees", FAST, 0, (2,)).fit(train, final(train))
    out_of_bag = made.epoch_models_[0].model_[-1].oob_prediction_
    np.testing.assert_array_equal(made.epoch_models_[0].out_of_fold_, out_of_bag)
    twice = pd.concat([train, train], ignore_index=True)
    grouped = clone(made).fit(twice, final(twice), np.tile(np.arange(30), 2))
    assert (
        np.abs(grouped.epoch_models_[0].residuals_).mean()
        > np.abs(made.epoch_models_[0].residuals_).mean() / 2
    )


def test_so_are_forests_that_learn_ranks() -> None:
    train = curves(30, seed=1)
    made = make_predictor("extra_trees", FAST, 0, (2,)).fit(train, final(train))
    features, scale, regressor = (step for _, step in made.epoch_models_[0].model_.steps)
    rows = scale.transform(features.transform(train)).astype(np.float32)
    forest = regressor.regressor_
    said = np.full((len(forest.estimators_), len(train)), np.nan)
    for tree, bag, out in zip(forest.estimators_, forest.estimators_samples_, said, strict=True):
        outside = np.setdiff1d(np.arange(len(train)), bag)
        out[outside] = tree.predict(rows[outside])
    expected = regressor.transformer_.inverse_transform(np.nanmean(said, axis=0)[:, None])[:, 0]
    np.testing.assert_allclose(made.epoch_models_[0].out_of_fold_, expected)


@pytest.mark.parametrize("name", ["cautious_svr", "residual_trees", "parametric"])
@pytest.mark.parametrize(("epochs", "unit"), [(16, 1e-6), (1000, 1e6)])
def test_any_length_and_unit(name, epochs, unit) -> None:
    generator = np.random.default_rng(0)
    t, drop = np.arange(epochs) / epochs, generator.uniform(1, 3, (30, 1))
    values = unit * (1 + drop * np.exp(-5 * t))
    columns = [f"loss_{epoch}" for epoch in range(epochs)]
    table = pd.concat([pd.DataFrame({"x": drop[:, 0]}), pd.DataFrame(values, columns=columns)], axis=1)
    known = epochs // 4
    made = make_predictor(name, FAST, 0, (known,), folds=0).fit(table, values[:, -1])
    error = np.abs(made.predict(table) - values[:, -1])
    assert error.mean() < np.abs(values[:, known - 1] - values[:, -1]).mean() * 0.7


def test_duplicates_of_a_configuration_do_not_narrow_the_interval() -> None:
    train = pd.concat([curves(12, seed=1)] * 3, ignore_index=True)
    nearest = Pipeline([("features", CurveFeatures()), ("regressor", KNeighborsRegressor(1))])
    groups = np.tile(np.arange(12), 3)
    # Three blocks, three unshuffled folds: without groups every row finds itself in another fold.
    made = CurvePredictor(nearest, known_epochs=(2,), folds=3)
    leaking = clone(made).fit(train, final(train)).epoch_models_[0].residuals_
    honest = clone(made).fit(train, final(train), groups).epoch_models_[0].residuals_
    assert np.abs(leaking).max() == 0
    assert np.abs(honest).min() > 0


def test_curves_without_a_finite_end_are_left_out_and_counted() -> None:
    train = curves(30, seed=1)
    y = final(train).copy()
    y[[3, 7]] = np.nan, np.inf
    made = make_predictor("svr", FAST, 0, (2,)).fit(train, y)
    kept = np.isfinite(y)
    without = make_predictor("svr", FAST, 0, (2,)).fit(train[kept], y[kept])
    assert made.n_dropped_ == 2
    frame = seen(curves(5, seed=2), 2)
    np.testing.assert_array_equal(made.predict(frame), without.predict(frame))


def test_curves_that_end_early_teach_only_what_they_know() -> None:
    train = curves(30, seed=1)
    partial = train.copy()
    partial.loc[:9, "loss_3"] = np.nan
    made = make_predictor("svr", FAST, 0, (2, 5)).fit(partial, final(train))
    late = make_predictor("svr", FAST, 0, (5,)).fit(train.iloc[10:], final(train)[10:])
    frame = curves(5, seed=2)
    np.testing.assert_array_equal(made.predict(seen(frame, 5)), late.predict(seen(frame, 5)))


@pytest.mark.parametrize("n", [0, 2])
def test_too_few_curves(n) -> None:
    train = curves(n, seed=1)
    with pytest.raises(DataError, match="at least 3"):
        make_predictor("svr", FAST, 0, (2,)).fit(train, final(train))


def test_a_row_before_the_first_grid_epoch() -> None:
    with pytest.raises(DataError, match="row 2 has 1 observed epochs"):
        fitted("svr", known=(2,)).predict(seen(curves(2, seed=2), np.array([2, 1])))


@pytest.mark.parametrize("name", REGRESSORS)
def test_targets_that_are_all_the_same(name) -> None:
    train = curves(20, seed=1)
    made = make_predictor(name, FAST, 0, (0, 2)).fit(train, np.full(20, 2.0))
    prediction = made.predict_interval(seen(curves(4, seed=2), 0))
    np.testing.assert_allclose(prediction.mean, 2.0)
    assert np.isfinite(made.predict(seen(curves(4, seed=2), 2))).all()


def test_n_epochs_is_the_epoch_that_is_predicted(predictor) -> None:
    assert predictor.n_epochs == EPOCHS


def test_a_model_file_brings_back_the_same_predictions(predictor) -> None:
    data = skops.io.dumps(predictor)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(trusted_types())
    again = skops.io.loads(data, trusted=trusted_types())
    frame = seen(curves(9, seed=2), np.arange(9))
    before, after = predictor.predict_interval(frame), again.predict_interval(frame)
    for name in ("mean", "lower", "upper"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_clone_is_unfitted_and_keeps_settings(predictor) -> None:
    copy = clone(predictor)
    assert not hasattr(copy, "models_")
    assert copy.known_epochs == predictor.known_epochs
    assert copy.coverage == FAST.coverage
