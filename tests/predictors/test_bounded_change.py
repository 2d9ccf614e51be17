"""Bounds of changes from the last observed value."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.predictors.regressors.bounded_change import bound_change, changes_of_others, largest_changes
from mlpf_hpo.predictors.value_scale import ValueScale


def test_others_are_rows_of_other_groups_that_count() -> None:
    changes = np.array([-9.0, -2.0, 1.0, 4.0, 7.0])
    rows = np.array([False, True, True, True, True])
    found = changes_of_others(changes, rows, np.array(["a", "b", "b", "c", "d"]))
    np.testing.assert_array_equal(found, [[-2, 4, 4, -2, -2], [7, 7, 7, 7, 4]])


def test_without_other_rows_nothing_is_bounded() -> None:
    assert np.isinf(largest_changes(np.array([1.0]), np.array([False]))).all()
    assert np.isinf(changes_of_others(np.array([1.0, 2.0]), np.ones(2, bool), np.zeros(2))).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_ratios_are_bounded_where_all_is_positive_else_differences(sign) -> None:
    scale = ValueScale().fit(sign * np.array([1.0, 2.0, 4.0]))
    last, predicted = sign * np.array([8.0, 8.0, 3.0]), sign * np.array([1.0, 7.0, 9.0])
    bounds = np.log([0.5, 2.0]) if sign > 0 else np.array([-2.0, 3.0])
    expected = [4.0, 7.0, 6.0] if sign > 0 else [-5.0, -7.0, -5.0]
    np.testing.assert_allclose(bound_change(predicted, last, bounds, scale), expected)
