import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.regressors.ensemble import (
    QSVREnsemble,
    coefficient_of_determination,
    out_of_bag_weights,
    published_weights,
)
from mlpf_hpo.predictors.regressors.qsvr import QSVR


@parametrize_with_checks(
    [
        QSVREnsemble(SVR()),
        QSVREnsemble(QSVR(sampler="steepest_descent", reads=5), weighting="out_of_bag"),
        QSVREnsemble(SVR(), weighting="paper"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_every_row_is_dealt_to_one_member(sixty_points):
    X, y = sixty_points
    model = QSVREnsemble(SVR(), members=7).fit(X, y)
    assert len(model.estimators_) == 7
    np.testing.assert_array_equal(np.sort(np.concatenate(model.subsets_)), np.arange(60))
    for member, subset in zip(model.estimators_, model.subsets_, strict=True):
        np.testing.assert_array_equal(member.predict(X), SVR().fit(X[subset], y[subset]).predict(X))


def test_the_seed_deals_the_rows_unless_they_stay_in_blocks(sixty_points):
    X, y = sixty_points
    first, again, other = (QSVREnsemble(SVR(), random_state=seed).fit(X, y).subsets_ for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (np.array(first) != np.array(other)).any()
    blocks = QSVREnsemble(SVR(), shuffle=False).fit(X, y).subsets_
    np.testing.assert_array_equal(np.concatenate(blocks), np.arange(60))


def test_plain_mean(sixty_points):
    X, y = sixty_points
    model = QSVREnsemble(SVR()).fit(X, y)
    mean = np.mean([member.predict(X) for member in model.estimators_], axis=0)
    np.testing.assert_allclose(model.predict(X), mean)


def test_out_of_bag_weights_follow_the_score_on_the_other_rows(sixty_points):
    X, y = sixty_points
    model = QSVREnsemble(SVR(), weighting="out_of_bag", members=3).fit(X, y)
    scores = []
    for member, subset in zip(model.estimators_, model.subsets_, strict=True):
        others = np.setdiff1d(np.arange(60), subset)
        scores.append(r2_score(y[others], member.predict(X[others])))
    np.testing.assert_allclose(model.weights_, np.array(scores) / np.sum(scores))
    prediction = sum(
        w * member.predict(X) for w, member in zip(model.weights_, model.estimators_, strict=True)
    )
    np.testing.assert_allclose(model.predict(X), prediction)


def test_a_members_own_rows_do_not_count_for_its_weight():
    y = np.arange(6.0)
    subsets = [np.array([0, 1, 2]), np.array([3, 4, 5])]
    predictions = np.stack([y + 0.3, y - 0.6])
    weights = out_of_bag_weights(predictions, y, subsets)
    spoiled = predictions.copy()
    spoiled[0, :3], spoiled[1, 3:] = 100.0, -100.0
    np.testing.assert_array_equal(out_of_bag_weights(spoiled, y, subsets), weights)
    assert weights[0] > weights[1] > 0


def test_a_member_worse_than_the_mean_has_no_weight_and_all_such_have_equal_ones():
    y = np.arange(6.0)
    subsets = [np.array([0, 1, 2]), np.array([3, 4, 5])]
    np.testing.assert_array_equal(out_of_bag_weights(np.stack([y, y - 9]), y, subsets), [1, 0])
    np.testing.assert_array_equal(out_of_bag_weights(np.stack([y + 9, y - 9]), y, subsets), [0.5, 0.5])
    np.testing.assert_array_equal(out_of_bag_weights(y[np.newaxis], y, [np.arange(6)]), [1.0])


def test_r2_is_scikit_learns_and_zero_for_a_constant_truth():
    truth, prediction = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    assert coefficient_of_determination(truth, prediction) == pytest.approx(r2_score(truth, prediction))
    assert coefficient_of_determination(np.ones(3), np.ones(3)) == 0.0


def test_published_r2_of_the_ensembles_comes_back(published):
    def their_r2(truth, prediction):
        return r2_score(prediction, truth)

    blocks = np.split(np.arange(80), 4)
    for ensemble in published.ensembles:
        X_train, X_test, y_train, y_test = published.split(ensemble["split_seed"])
        X_train, y_train = X_train[:80], y_train[:80]
        chosen = []
        for member, block in zip(ensemble["members"], blocks, strict=True):
            settings = {"gamma": member["gamma"], "epsilon": member["epsilon"], "bias": "paper"}
            others = np.setdiff1d(np.arange(80), block)
            ways = [
                QSVR.from_solution(member["X_train"], member["y_train"], alphas, **settings)
                for alphas in member["combined_alphas"]
            ]
            chosen.append(max(ways, key=lambda way: their_r2(y_train[others], way.predict(X_train[others]))))
        predictions = np.stack([member.predict(X_train) for member in chosen])
        weights = published_weights(predictions, y_train, blocks)
        mean = weights @ np.stack([member.predict(X_test) for member in chosen])
        assert r2_score(mean, y_test) == pytest.approx(ensemble["r2_pred_true"], abs=1e-10)


def test_members_have_seeds_of_their_own(sixty_points):
    X, y = sixty_points
    estimator = QSVR(sampler="random", reads=4, random_state=3)
    model = QSVREnsemble(estimator, random_state=1).fit(X, y)
    seeds = [member.random_state for member in model.estimators_]
    assert len(set(seeds)) == 4
    assert estimator.random_state == 3
    again = QSVREnsemble(estimator, random_state=1).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_members_are_qsvrs_by_default_and_as_many_as_there_are_rows(sixty_points):
    X, y = sixty_points
    model = QSVREnsemble().fit(X[:3], y[:3])
    assert len(model.estimators_) == 3
    assert all(isinstance(member, QSVR) for member in model.estimators_)
    assert QSVREnsemble(LinearRegression()).fit(X, y).score(X, y) > 0.5


def test_a_fitted_ensemble_is_stored_by_skops(sixty_points):
    X, y = sixty_points
    model = QSVREnsemble(QSVR(sampler="steepest_descent", reads=5)).fit(X, y)
    stored = skops.io.dumps(model)
    unknown = skops.io.get_untrusted_types(data=stored)
    assert unknown == [
        "mlpf_hpo.predictors.regressors.ensemble.QSVREnsemble",
        "mlpf_hpo.predictors.regressors.qsvr.QSVR",
    ]
    loaded = skops.io.loads(stored, trusted=unknown)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"weighting": "out_of_bags"}, r"did you mean out_of_bag\?"), ({"members": 0}, "members = 0")],
)
def test_parameters_without_sense_are_refused(sixty_points, parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        QSVREnsemble(SVR(), **parameters).fit(*sixty_points)
