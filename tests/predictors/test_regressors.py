"""The regressors that a predictor is made of."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlpf_hpo.config import PredictorsParams
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.regressors import REGRESSORS, make_models
from mlpf_hpo.predictors.regressors.persistence import Persistence
from mlpf_hpo.predictors.regressors.subsampled import Subsampled


# The checks ask for a score on 200 rows, which 20 of them cannot give.
@parametrize_with_checks([Persistence(), Subsampled(points=200)])
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


@pytest.mark.parametrize("name", REGRESSORS)
def test_every_name_makes_models(name) -> None:
    model, _ = make_models(name, PredictorsParams(), 0)
    assert "features__known_epochs" in model.get_params()


def test_settings_reach_the_regressor() -> None:
    params = PredictorsParams.model_validate({"svr": {"C": 3.0}, "qsvr": {"points": 7, "reads": 11}})
    svr = make_models("svr", params, 0)[0].named_steps["regressor"].regressor
    assert (svr.C, svr.gamma, svr.epsilon) == (3.0, 0.1, 0.02)
    qsvr = make_models("qsvr", params, 5)[0].named_steps["regressor"].regressor
    assert (qsvr.points, qsvr.random_state, qsvr.estimator.reads) == (7, 5, 11)
    null = make_models("random_bits", params, 5)[0].named_steps["regressor"].regressor
    assert null.estimator.sampler == "random"


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(ConfigurationError, match=r"'persistense' \(did you mean persistence\?\)"):
        make_models("persistense", PredictorsParams(), 0)
