"""Conformal intervals: the finite-sample quantiles, and the promise that they make."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.predictors.intervals import LEAST_ERRORS, conformal_bounds, interval_offsets, repeat_error

residuals = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40).map(np.array)


@given(residuals, st.floats(0.05, 0.95))
def test_the_bounds_hold_the_share_that_was_asked_for(errors, coverage) -> None:
    low, high = conformal_bounds(errors, coverage)
    # Those at hand and one more: the promise is for a new error. Between errors a bound is interpolated.
    assert (((low <= errors) & (errors <= high)).sum() + 3) / (len(errors) + 1) >= coverage - 1e-9


@given(residuals, st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_more_coverage_is_never_narrower(errors, one, other) -> None:
    few, many = (conformal_bounds(errors, coverage) for coverage in sorted((one, other)))
    assert many[0] <= few[0]
    assert few[1] <= many[1]


@given(residuals, st.floats(0.05, 0.95), st.floats(-1e3, 1e3))
def test_a_bias_shifts_the_bounds_and_widens_nothing(errors, coverage, bias) -> None:
    low, high = conformal_bounds(errors, coverage)
    shifted = conformal_bounds(errors + bias, coverage)
    assert shifted == pytest.approx((low + bias, high + bias))


@pytest.mark.parametrize(("n", "finite"), [(0, False), (LEAST_ERRORS - 1, False), (LEAST_ERRORS, True)])
def test_too_few_residuals_promise_nothing(n, finite) -> None:
    assert all(math.isfinite(bound) is finite for bound in conformal_bounds(np.arange(float(n)), 0.9))


def held(bounds: np.ndarray, new: np.ndarray) -> float:
    return float(((bounds[:, 0] <= new) & (new <= bounds[:, 1])).mean())


def test_exchangeable_errors_are_covered_as_promised() -> None:
    generator = np.random.default_rng(0)
    draws = generator.standard_cauchy((4000, 20)) + 3.0
    bounds = np.array([conformal_bounds(row[:-1], 0.8) for row in draws])
    assert (
        0.78 <= held(bounds, draws[:, -1]) <= 0.82
    )  # ranks 2 and 18 of 19: 16 / 20, whatever the distribution


@pytest.mark.parametrize(("n", "tolerance"), [(20, 0.02), (200, 0.01)])
def test_the_sides_miss_as_their_shares_say_beyond_the_outermost_error_too(n, tolerance) -> None:
    generator = np.random.default_rng(1)
    draws = generator.normal(size=(4000, n + 1))
    bounds = np.array([conformal_bounds(row[:-1], 0.9, low_share=0.2) for row in draws])
    below, above = (draws[:, -1] < bounds[:, 0]).mean(), (draws[:, -1] > bounds[:, 1]).mean()
    assert below == pytest.approx(0.02, abs=tolerance)
    assert above == pytest.approx(0.08, abs=tolerance)


def test_intervals_are_wide_where_errors_are_large() -> None:
    generator = np.random.default_rng(2)
    left_out, new = generator.uniform(-2, 2, 400), generator.uniform(-2, 2, 2000)
    errors, later = (np.exp(at / 2) * generator.normal(size=len(at)) for at in (left_out, new))
    low, high = interval_offsets(new, left_out, errors, 0.9, low_is_better=True)
    bounds = np.column_stack([low, high])
    assert held(bounds, later) == pytest.approx(0.92, abs=0.03)
    for part in (new < -1, new > 1):  # a constant width would cover all of the former, too few of the latter
        assert 0.8 < held(bounds[part], later[part]) < 0.99
    assert (high - low)[new > 1].mean() > 2 * (high - low)[new < -1].mean()
    assert (-low > high).all()  # the better side misses less often
    mirrored = interval_offsets(-new, -left_out, -errors, 0.9, low_is_better=False)
    np.testing.assert_allclose(mirrored[1], -low)


def test_noise_between_repeats_is_found_and_bounds_the_width_from_below() -> None:
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(300), [1, 2, 3] * 100)
    scores = generator.normal(size=300)[groups] + 0.2 * generator.normal(size=600)
    found = repeat_error(scores, groups)
    assert found == pytest.approx(0.2 * math.sqrt(2 / math.pi), rel=0.1)
    assert repeat_error(scores, np.arange(600)) == 0.0
    left_out, errors = np.linspace(-1, 1, 50), 0.01 * generator.normal(size=50)
    narrow = interval_offsets(left_out, left_out, errors, 0.9, low_is_better=True)
    floored = interval_offsets(left_out, left_out, errors, 0.9, low_is_better=True, floor=0.3)
    assert (floored[1] - floored[0]).std() < 1e-12 < (narrow[1] - narrow[0]).std()
