"""Conformal intervals: the finite-sample quantiles, and the promise that they make."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.predictors.intervals import conformal_bounds

residuals = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40).map(np.array)


@given(residuals, st.floats(0.05, 0.95))
def test_the_bounds_hold_the_share_that_was_asked_for(errors, coverage) -> None:
    low, high = conformal_bounds(errors, coverage)
    # Those at hand and one more: the promise is for a new error.
    assert (((low <= errors) & (errors <= high)).sum() + 1) / (len(errors) + 1) >= coverage - 1e-9


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


@pytest.mark.parametrize(("n", "finite"), [(0, False), (18, False), (19, True)])
def test_too_few_residuals_promise_nothing(n, finite) -> None:
    assert all(math.isfinite(bound) is finite for bound in conformal_bounds(np.ones(n), 0.9))


def test_exchangeable_errors_are_covered_as_promised() -> None:
    generator = np.random.default_rng(0)
    draws = generator.standard_cauchy((4000, 20)) + 3.0
    bounds = np.array([conformal_bounds(row[:-1], 0.8) for row in draws])
    held = (bounds[:, 0] <= draws[:, -1]) & (draws[:, -1] <= bounds[:, 1])
    assert 0.78 <= held.mean() <= 0.82  # ranks 2 and 18 of 19: 16 / 20 exactly, whatever the distribution
