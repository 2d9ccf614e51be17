"""How the rest of a curve is predicted: errors against rows really left out, mean changes by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.search.freeze_thaw.extrapolation import (
    FIRST_SPREAD,
    LEAST_VARIANCE,
    PENALTY,
    PriorExtrapolation,
    mean_changes,
    usual_variance,
)
from mlpf_hpo.search.freeze_thaw.stopping_index import decision_epochs

NAN = np.nan


def curves(n: int, epochs: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    ends, rates = generator.uniform(0, 4, (n, 1)), generator.uniform(0.1, 0.6, (n, 1))
    return np.asarray(
        ends + 3 * np.exp(-rates * np.arange(1, epochs + 1)) + 0.05 * generator.normal(size=(n, epochs))
    )


def ridge(features, change, weights):
    """Return intercept and slopes of a weighted ridge regression by its normal equations."""
    mean = weights @ features
    spread = np.sqrt(weights @ (features - mean) ** 2)
    inputs = (features - mean) / spread
    scaled = weights * len(weights)
    left = np.zeros((features.shape[1] + 1,) * 2)
    right = np.zeros(len(left))
    for x, y, w in zip(inputs, change, scaled, strict=True):
        row = np.array([1.0, *x])
        left += w * np.outer(row, row)
        right += w * y * row
    left[1:, 1:] += PENALTY * np.eye(features.shape[1])
    return inputs, np.linalg.solve(left, right)


def test_variance_and_prediction_at_one_length() -> None:
    """The weighted mean of squared errors, each row left out of sums of the same scale, half drift."""
    values, epochs = curves(30, 8), decision_epochs(8)
    found = PriorExtrapolation(values, epochs)
    k = 4  # 4 epochs
    final, last = values[:, -1], values[:, 3]
    weights = 1 / (1 + (final / np.median(final)) ** 2)
    weights /= weights.sum()
    features = np.column_stack([last, last - values[:, 1], last - values[:, 2]])
    change = final - last
    inputs, coefficients = ridge(features, change, weights)
    drift = weights @ change
    regressed = coefficients[0] + inputs @ coefficients[1:]
    predicted = [found.final(row[:4], k) for row in values]
    assert predicted == pytest.approx(last + 0.5 * regressed + 0.5 * drift)

    scaled, errors = weights * 30, np.zeros(30)
    for i in range(30):  # really leave the row out, inputs scaled as before
        rows = np.column_stack([np.ones(30), inputs]) * np.sqrt(scaled)[:, np.newaxis]
        kept = np.arange(30) != i
        penalty = np.diag([0.0, PENALTY, PENALTY, PENALTY])
        right = rows[kept].T @ (change * np.sqrt(scaled))[kept]
        without = np.linalg.solve(rows[kept].T @ rows[kept] + penalty, right)
        errors[i] = 0.5 * (change[i] - without[0] - inputs[i] @ without[1:]) + 0.5 * (change[i] - drift)
    expected = max(weights @ errors**2, *found.variance[k + 1 :], LEAST_VARIANCE)
    assert found.variance[k] == pytest.approx(expected, rel=1e-6)


def test_variance_never_rises_and_a_whole_curve_is_known() -> None:
    values, epochs = curves(20, 23, seed=3), decision_epochs(23)
    found = PriorExtrapolation(values, epochs)
    assert found.variance[0] == np.inf
    assert found.variance[-1] == 0
    assert (np.diff(found.variance[1:]) <= 0).all()
    assert (found.variance[1:-1] >= LEAST_VARIANCE).all()
    assert found.final(values[5], len(epochs) - 1) == values[5, -1]


def test_curves_that_are_all_equal_are_no_trouble() -> None:
    found = PriorExtrapolation(np.tile([2.0, 1.0, 0.5, 0.0], (6, 1)), decision_epochs(4))
    assert found.variance[1:-1] == pytest.approx(LEAST_VARIANCE)
    assert found.final(np.array([2.0, 1.0]), 2) == pytest.approx(0.0)
    assert np.isfinite(found.final(np.array([1e9, 1.0]), 2))  # far from all of them


def test_mean_changes_by_hand() -> None:
    values = np.array([[NAN, 4.0, 2.0, 1.0], [NAN, 1.0, 0.0, NAN], [NAN, 3.0, NAN, NAN]])
    first = ((2 - 4) / (1 + 16) + (0 - 1) / (1 + 1)) / (1 / 17 + 1 / 2)
    second = 1 - 2
    assert mean_changes(values) == pytest.approx([first + second, first + second, second, 0])
    assert mean_changes(np.full((1, 3), NAN)).tolist() == [0, 0, 0]


def test_usual_variance() -> None:
    found = usual_variance(np.array([0, 1, 4, 9]))
    assert found == pytest.approx([np.inf, (FIRST_SPREAD * 2 / 3) ** 2, (FIRST_SPREAD / 3) ** 2, 0])
    assert usual_variance(np.array([0, 1])).tolist() == [np.inf, 0]
