"""The scale of final values: normal scores, monotone without end, exact on the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlpf_hpo.predictors.value_scale import ValueScale

# Of two numbers that differ in their last digit the logarithms may be equal or not.
numbers = st.floats(1e-6, 1e6).map(lambda number: float(f"{number:.9g}"))
values = st.lists(numbers, min_size=1, max_size=40).map(np.array)


def test_training_values_are_normal_scores_of_their_ranks() -> None:
    y = np.array([0.3, 0.1, 0.9, 0.5, 0.7])
    expected = stats.norm.ppf((stats.rankdata(y) - 0.5) / 5)
    np.testing.assert_allclose(ValueScale().fit(y).transform(y), expected)


@given(values, st.lists(st.floats(1e-9, 1e9), min_size=2, max_size=20, unique=True).map(np.sort))
def test_order_is_kept_and_the_way_back_is_exact(y, new) -> None:
    scale = ValueScale().fit(y)
    scores = scale.transform(new)
    assert (np.diff(scores) >= 0).all()
    np.testing.assert_allclose(scale.inverse_transform(scores), new, rtol=1e-6)


@given(values, st.floats(0.01, 100.0))
def test_the_unit_of_positive_values_does_not_matter(y, unit) -> None:
    np.testing.assert_allclose(
        ValueScale().fit(unit * y).transform(unit * y), ValueScale().fit(y).transform(y), atol=1e-6
    )


def test_one_diverged_training_moves_no_other_score() -> None:
    y = np.linspace(0.1, 0.5, 15)
    with_outlier = np.append(y[:-1], 1e30)
    np.testing.assert_allclose(
        ValueScale().fit(with_outlier).transform(y[:-1]), ValueScale().fit(y).transform(y[:-1])
    )


def test_ties_have_the_mean_of_their_scores() -> None:
    y = np.array([1.0, 2.0, 2.0, 2.0, 3.0])
    assert ValueScale().fit(y).transform([2.0]) == pytest.approx([0.0])


@pytest.mark.parametrize("y", [[2.0], [2.0, 2.0, 2.0], [0.0, 0.0]])
def test_a_constant_is_a_scale_too(y) -> None:
    scale = ValueScale().fit(np.array(y))
    assert np.isfinite(scale.transform([y[0], y[0] + 1])).all()
    assert scale.inverse_transform(scale.transform([y[0]])) == pytest.approx([y[0]])


def test_negative_values_have_straight_lines() -> None:
    scale = ValueScale().fit(np.array([-4.0, -1.0, 2.0, 5.0]))
    assert not scale.log_
    middle = scale.transform([-1.0, 0.5, 2.0])
    assert middle[1] == pytest.approx((middle[0] + middle[2]) / 2)
