"""Conformal intervals: the finite-sample quantile, and the promise that it makes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.predictors.intervals import conformal_radius

residuals = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40).map(np.array)


@given(residuals, st.floats(0.05, 0.95))
def test_the_radius_holds_the_share_that_was_asked_for(errors, coverage) -> None:
    radius = conformal_radius(errors, coverage)
    assert (np.abs(errors) <= radius).mean() >= coverage


@given(residuals, st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_more_coverage_is_never_narrower(errors, one, other) -> None:
    few, many = sorted((one, other))
    assert conformal_radius(errors, few) <= conformal_radius(errors, many)


@pytest.mark.parametrize(("n", "finite"), [(0, False), (8, False), (9, True)])
def test_too_few_residuals_promise_nothing(n, finite) -> None:
    assert math.isfinite(conformal_radius(np.ones(n), 0.9)) is finite


def test_exchangeable_errors_are_covered_as_promised() -> None:
    generator = np.random.default_rng(0)
    draws = generator.standard_cauchy((4000, 20))
    held = [abs(row[-1]) <= conformal_radius(row[:-1], 0.8) for row in draws]
    assert 0.78 <= np.mean(held) <= 0.82  # ceil(20 * 0.8) / 20 = 0.8 exactly, whatever the distribution
