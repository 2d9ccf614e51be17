"""Forests that are stored as a few arrays: the same trees come back, and foreign ones are refused."""

from __future__ import annotations

import copy
import pickle
import zipfile
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlpf_hpo.predictors.regressors.forest import ExtraTrees, Forest

TREES = 20


def not_promised(_estimator: Any) -> dict[str, str]:
    """Return the checks that scikit-learn's own forests fail, as it says itself."""
    kinds = ("dense", "sparse")
    return {
        f"check_sample_weight_equivalence_on_{kind}_data": "a bag draws rows, not weights" for kind in kinds
    }


@parametrize_with_checks([Forest(5), ExtraTrees(5, bootstrap=True)], expected_failed_checks=not_promised)
def test_scikit_learn_checks(estimator, check) -> None:
    check(estimator)


def fitted(kind: type = ExtraTrees, **settings: Any) -> Any:
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(80, 3)), generator.normal(size=80)
    return kind(TREES, bootstrap=True, oob_score=True, random_state=1, **settings).fit(X, y)


@pytest.mark.parametrize(
    ("kind", "own"), [(Forest, RandomForestRegressor), (ExtraTrees, ExtraTreesRegressor)]
)
def test_trees_are_those_of_scikit_learn(kind: type, own: type) -> None:
    settings = {"min_samples_leaf": 3, "max_features": 0.5, "max_depth": 4}
    for one, other in zip(
        fitted(kind, **settings).estimators_, fitted(own, **settings).estimators_, strict=True
    ):
        assert type(one) is type(other)
        assert one.get_params() == other.get_params()
        assert one.tree_.__getstate__()["nodes"].tobytes() == other.tree_.__getstate__()["nodes"].tobytes()


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("n", "d", "leaf"), [(3, 1, 2), (18, 12, 1), (70, 5, 2)])
def test_trees_grown_without_bootstrap_are_those_of_scikit_learn(
    n: int, d: int, leaf: int, seed: int
) -> None:
    generator = np.random.default_rng(n)
    X, y = np.round(generator.normal(size=(n, d)), 1), generator.normal(size=n)
    settings = {"min_samples_leaf": leaf, "random_state": seed}
    grown = ExtraTrees(TREES, **settings).grow(X, y, np.random.RandomState(5))
    own = ExtraTreesRegressor(TREES, **settings).fit(X, y)
    for one, other in zip(grown.estimators_, own.estimators_, strict=True):
        assert vars(one).keys() == vars(other).keys()
        assert one.get_params() == other.get_params()
        states = [tree.tree_.__getstate__() for tree in (one, other)]
        assert states[0]["nodes"].tobytes() == states[1]["nodes"].tobytes()
        np.testing.assert_array_equal(states[0]["values"], states[1]["values"])
    new = generator.normal(size=(9, d))
    np.testing.assert_array_equal(grown.predict(new), own.predict(new))
    np.testing.assert_array_equal(by_skops(grown).predict(new), own.predict(new))


def test_more_trees_are_added_to_those_that_are_there() -> None:
    forest = fitted(warm_start=True)
    first = forest.estimators_[0]
    forest.set_params(n_estimators=TREES + 5)
    generator = np.random.default_rng(0)
    forest.fit(generator.normal(size=(80, 3)), generator.normal(size=80))
    assert len(forest.estimators_) == TREES + 5
    assert forest.estimators_[0] is first
    assert len({tree.random_state for tree in forest.estimators_}) == TREES + 5


def by_skops(forest: Any) -> Any:
    data = skops.io.dumps(forest)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


@pytest.mark.parametrize("again", [by_skops, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
@pytest.mark.parametrize("kind", [Forest, ExtraTrees])
def test_the_same_forest_comes_back(kind, again) -> None:
    forest = fitted(kind, min_samples_leaf=2)
    X = np.random.default_rng(1).normal(size=(50, 3))
    before, back = forest.predict(X), again(forest)
    np.testing.assert_array_equal(back.predict(X), before)
    np.testing.assert_array_equal(forest.predict(X), before)  # writing took nothing away
    np.testing.assert_array_equal(back.oob_prediction_, forest.oob_prediction_)
    assert "_seedling" not in vars(back)  # of which fitting makes copies
    for one, other in zip(back.estimators_, forest.estimators_, strict=True):
        assert vars(one).keys() == vars(other).keys()
        assert one.get_params() == other.get_params()
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
        assert (one.get_depth(), one.get_n_leaves()) == (other.get_depth(), other.get_n_leaves())
    for one, other in zip(back.estimators_samples_, forest.estimators_samples_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_forest_that_was_not_fitted_is_stored_too() -> None:
    assert by_skops(Forest(7)).get_params() == Forest(7).get_params()


def test_its_file_does_not_grow_by_a_member_a_tree() -> None:
    def members(trees: int) -> int:
        forest = fitted().set_params(n_estimators=trees)
        X = np.random.default_rng(0).normal(size=(80, 3))
        with zipfile.ZipFile(BytesIO(skops.io.dumps(forest.fit(X, X[:, 0])))) as archive:
            return len(archive.namelist())

    assert members(5) == members(40)


@pytest.mark.parametrize(
    ("column", "value"),
    [("left_child", 10**6), ("right_child", 0), ("left_child", -2), ("feature", 10**6), ("feature", -2)],
)
def test_a_tree_that_leads_out_of_its_nodes_is_refused(column, value) -> None:
    forest = fitted()
    state = forest.__getstate__()
    root_of_the_last = state["packed"]["sizes"][:-1].sum()
    state["packed"]["nodes"][column][root_of_the_last] = value
    with pytest.raises(ValueError, match="a tree leads out of its own nodes"):
        ExtraTrees().__setstate__(state)


@pytest.mark.parametrize("sizes", [[0], [-1], [10**6], [3, 4]])
def test_sizes_that_do_not_fit_are_refused(sizes) -> None:
    state = fitted().__getstate__()
    state["packed"]["sizes"][: len(sizes)] = sizes
    with pytest.raises(ValueError, match="sizes are not those of their nodes"):
        ExtraTrees().__setstate__(state)


def test_a_tree_of_more_columns_than_its_forest_sees_is_refused() -> None:
    state = fitted().__getstate__()
    state["n_features_in_"] = 1  # and so its predictions' rows
    with pytest.raises(ValueError, match="a tree leads out of its own nodes"):
        ExtraTrees().__setstate__(state)
