import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlpf_hpo.predictors.bias import loss_minimising_bias, published_bias

RESIDUALS = arrays(np.float64, st.integers(1, 12), elements=st.floats(-5, 5))


def loss(residuals, bias, epsilon):
    return np.maximum(0, np.abs(residuals - bias) - epsilon).sum()


@given(residuals=RESIDUALS, epsilon=st.floats(0, 2))
def test_no_breakpoint_has_a_lower_loss(residuals, epsilon):
    bias = float(loss_minimising_bias(residuals, np.empty(0), epsilon))
    breakpoints = np.concatenate([residuals - epsilon, residuals + epsilon])
    lowest = min(loss(residuals, point, epsilon) for point in breakpoints)
    assert loss(residuals, bias, epsilon) == pytest.approx(lowest, abs=1e-9)


@given(residuals=RESIDUALS, epsilon=st.floats(0, 2), shift=st.floats(-3, 3))
def test_bias_follows_a_shift_and_a_change_of_sign(residuals, epsilon, shift):
    bias = loss_minimising_bias(residuals, np.empty(0), epsilon)
    assert loss_minimising_bias(residuals + shift, np.empty(0), epsilon) == pytest.approx(
        bias + shift, abs=1e-9
    )
    assert loss_minimising_bias(-residuals, np.empty(0), epsilon) == pytest.approx(-bias, abs=1e-9)


def test_published_rule_counts_a_point_once_per_multiplier_and_takes_epsilon_off_for_both():
    residuals = np.array([1.0, 2.0, 4.0, 8.0])
    multipliers = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 1.0, 1e-9, 0.25]])
    assert published_bias(residuals, multipliers, 0.1) == pytest.approx((1 + 2 + 2 + 8) / 4 - 0.1)


def test_published_rule_without_support_takes_the_minimum_of_the_loss():
    residuals = np.array([1.0, 2.0, 9.0])
    assert published_bias(residuals, np.zeros((2, 3)), 0.1) == loss_minimising_bias(
        residuals, np.empty(0), 0.1
    )


def test_rules_work_on_many_solutions_at_once():
    residuals = np.random.default_rng(0).normal(size=(5, 8))
    multipliers = np.random.default_rng(1).integers(0, 2, size=(5, 2, 8)).astype(float)
    for rule in (loss_minimising_bias, published_bias):
        together = rule(residuals, multipliers, 0.1)
        one_by_one = [float(rule(r, m, 0.1)) for r, m in zip(residuals, multipliers, strict=True)]
        np.testing.assert_array_equal(together, one_by_one)
