import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.bias import published_bias
from mlpf_hpo.predictors.combination import (
    COMBINATIONS,
    combination_weights,
    log_cosh_error,
    mean_squared_error,
)

PUBLISHED_NAMES = {
    "mse": "scores norm",
    "mse_softmax": "scores softmax",
    "log_cosh": "scores lc norm",
    "log_cosh_softmax": "scores lc softmax",
    "best": "best set of alphas",
    "mean": "simple mean",
    "min_energy": "min energy",
}
RESIDUALS = arrays(np.float64, (4, 6), elements=st.floats(-3, 3))


def test_all_seven_ways_give_the_published_solutions(published):
    assert [PUBLISHED_NAMES[name] for name in COMBINATIONS] == published.methods
    for member in published.members:
        kept, y = np.array(member["kept_samples"]).reshape(4, 2, 20), np.array(member["y_train"])
        kernel = rbf_kernel(member["X_train"], gamma=member["gamma"])
        left = y - (kept[:, 0] - kept[:, 1]) @ kernel
        predictions = y - left + published_bias(left, kept, member["epsilon"])[:, np.newaxis]
        errors = np.exp(y) - np.exp(predictions)  # the published code undid a logarithm that nobody had taken
        for name, stored in zip(COMBINATIONS, member["combined_alphas"], strict=True):
            weights = combination_weights(name, errors, np.arange(4.0))
            np.testing.assert_allclose(np.tensordot(weights, kept, axes=1), stored, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("name", COMBINATIONS)
@given(residuals=RESIDUALS, energies=arrays(np.float64, 4, elements=st.floats(-2, 2)))
def test_weights_are_a_mean_whatever_the_errors(name, residuals, energies):
    weights = combination_weights(name, residuals, energies)
    assert weights.shape == (4,)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0)


def test_the_ways_on_a_case_done_by_hand():
    residuals = np.array([[2.0, 2.0], [1.0, 1.0]])  # mean squares 4 and 1
    energies = np.array([-3.0, -2.0])
    expected = {
        "mse": [0.2, 0.8],
        "mse_softmax": np.exp([0.25, 1.0]) / np.exp([0.25, 1.0]).sum(),
        "best": [0, 1],
        "mean": [0.5, 0.5],
        "min_energy": [1, 0],
    }
    for name, weights in expected.items():
        np.testing.assert_allclose(combination_weights(name, residuals, energies), weights)
    scores = 1 / (2 * np.log2((2.0 ** np.array([2, 1]) + 2.0 ** np.array([-2, -1])) / 2))
    np.testing.assert_allclose(combination_weights("log_cosh", residuals, energies), scores / scores.sum())
    softmax = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(combination_weights("log_cosh_softmax", residuals, energies), softmax)


@pytest.mark.parametrize("name", ["mse", "mse_softmax", "log_cosh", "log_cosh_softmax"])
def test_samples_without_any_error_share_the_weight(name):
    residuals = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(combination_weights(name, residuals, np.zeros(3)), [0.5, 0.0, 0.5])


def test_scores_stay_finite_for_large_and_tiny_residuals():
    residuals = np.array([[1e5, -1e5], [1e-160, 0.0]])
    assert np.isfinite(log_cosh_error(residuals)).all()
    for name in COMBINATIONS:
        assert np.isfinite(combination_weights(name, residuals, np.zeros(2))).all()
    assert mean_squared_error(residuals)[0] == 1e10


def test_unknown_way_is_refused_with_a_hint():
    with pytest.raises(ConfigurationError, match=r"did you mean min_energy\?"):
        combination_weights("min_energie", np.ones((2, 2)), np.zeros(2))
