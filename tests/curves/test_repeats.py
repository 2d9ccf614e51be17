"""Noise between trainings of one configuration."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.curves.repeats import repeat_noise
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.target_metric import TargetMetric


def curves_of(values, configurations, seeds=None) -> LearningCurves:
    rows = [{"lr": float(one)} for one in configurations]
    table = np.column_stack([np.full(len(rows), 9.0), values])
    return LearningCurves.from_arrays(rows, table, TargetMetric("loss", "min"), seeds=seeds)


def test_pooled_over_configurations_on_a_log_scale() -> None:
    """Against variances computed one by one: 3 values, 2 values, and a configuration trained once."""
    logs = np.array([0.1, 0.4, 0.2, 2.0, 2.2, 5.0])
    noise = repeat_noise(curves_of(np.exp(logs), [1, 1, 1, 2, 2, 3]))
    assert noise is not None
    expected = np.sqrt((2 * np.var(logs[:3], ddof=1) + np.var(logs[3:5], ddof=1)) / 3)
    assert noise.std == pytest.approx(expected)
    assert (noise.degrees_of_freedom, noise.configurations, noise.log_scale) == (3, 2, True)


def test_values_that_are_not_positive_stay_as_they_are() -> None:
    noise = repeat_noise(curves_of([-1.0, 1.0, 4.0, 4.0], [1, 1, 2, 2], seeds=[1, 2, 1, 2]))
    assert noise is not None
    assert not noise.log_scale
    assert noise.std == pytest.approx(1.0), "variances 2 and 0, one degree of freedom each"


@pytest.mark.parametrize("sigma", [0.02, 0.5])
def test_noise_is_found_again(sigma) -> None:
    generator = np.random.default_rng(0)
    configurations = np.repeat(np.arange(200), 3)
    values = np.exp(configurations / 40 + sigma * generator.normal(size=600))
    noise = repeat_noise(curves_of(values, configurations))
    assert noise is not None
    assert noise.std == pytest.approx(sigma, rel=4 / np.sqrt(2 * 400))
    assert noise.deviations.std() == pytest.approx(sigma, rel=0.15)


def test_copies_are_no_repeats_and_unfinished_curves_do_not_count() -> None:
    assert repeat_noise(curves_of([1.0, 2.0, 3.0], [1, 2, 3])) is None
    assert repeat_noise(curves_of([1.0, 1.0, 3.0], [1, 1, 3])) is None, "one training, written down twice"
    assert repeat_noise(curves_of([1.0, np.nan, 3.0], [1, 1, 3])) is None
    equal = repeat_noise(curves_of([1.0, 1.0, 3.0], [1, 1, 3], seeds=[0, 1, 0]))
    assert equal is not None
    assert equal.std == 0


@pytest.mark.parametrize("values", [[-1.7e308, 1.7e308, 3.0, 4.0], [-1e200, 1e200, -3e200, 1e200]])
def test_noise_of_any_size_is_finite(values) -> None:
    noise = repeat_noise(curves_of(values, [1, 1, 2, 2]))
    assert noise is not None
    assert 1e200 < noise.std < np.inf
    assert np.isfinite(noise.deviations).all()
