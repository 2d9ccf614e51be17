"""`ValueAxis`: order is kept, the way back leads back, whatever the size of the costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf_hpo.search.freeze_thaw.value_axis import ValueAxis

COSTS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9)


def test_linear_near_the_best_and_logarithmic_beyond() -> None:
    axis = ValueAxis.of([5.0, 15.0, 7.0, 25.0, 15.0])  # best 5, median 15: a unit is 1
    assert axis.transform([5.0, 5.1, 4.9]) == pytest.approx([0, math.asinh(0.1), -math.asinh(0.1)])
    assert axis.transform([5 + 1e6]) == pytest.approx([math.log(2e6)], rel=1e-6)
    assert np.isnan(axis.transform([np.nan])[0])


@settings(max_examples=200)
@given(COSTS, COSTS)
def test_any_costs(of, others) -> None:
    axis = ValueAxis.of(of)
    assert axis.unit > 0
    both = np.sort(np.array([*of, *others]))
    values = axis.transform(both)
    assert np.isfinite(values).all()
    assert (np.diff(values) >= 0).all()
    back = axis.inverse_transform(values)
    assert np.isfinite(back).all()
    near = np.abs(both) < 1e150
    apart = np.abs(both - axis.best)
    assert (np.abs(back - both)[near] <= 1e-9 * (apart + abs(axis.best))[near] + axis.unit * 1e-9).all()


@pytest.mark.parametrize("value", [1e300, -1e300, 5e-324, 0.0, 3.0])
def test_costs_that_are_all_equal(value) -> None:
    axis = ValueAxis.of([value, value])
    assert axis.transform([value]).tolist() == [0.0]
    assert np.isfinite(axis.transform([1e300, -1e300, 0.0])).all()
    assert np.isfinite(axis.inverse_transform([1e9, -1e9])).all()


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (100.0, 7.0), (3.0, -1e3)])
def test_scale_and_shift_make_no_difference(scale, shift) -> None:
    costs = np.array([3.0, 1.0, 2.0, 10.0])
    expected = ValueAxis.of(costs).transform(costs)
    moved = scale * costs + shift
    assert ValueAxis.of(moved).transform(moved) == pytest.approx(expected, abs=1e-6)
