"""The joint Gaussian process: against scikit-learn's, and its out-of-fold predictions against refits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from mlpf_hpo.predictors.regressors import joint_process
from mlpf_hpo.predictors.regressors.joint_process import JointProcess, _Kernel


def rows(n: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, columns))
    return X, np.sin(X[:, 0]) + X[:, -1] + 0.1 * generator.normal(size=n)


def test_predictions_are_those_of_scikit_learn_at_the_same_parameters() -> None:
    X, y = rows(30, 3)
    made = JointProcess().fit(X, y)
    lengths, amplitude = np.exp(made.parameters_[:3]), np.exp(made.parameters_[3:])
    kernel = ConstantKernel(amplitude[0] ** 2) * Matern(lengths, nu=2.5) + WhiteKernel(
        amplitude[1] ** 2 + joint_process.JITTER
    )
    oracle = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0, normalize_y=True).fit(X, y)
    new, _ = rows(10, 3, seed=1)
    np.testing.assert_allclose(made.predict(new), oracle.predict(new), rtol=1e-8)


@pytest.mark.parametrize("curve_columns", [0, 1])
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_the_gradient_is_that_of_differences(curve_columns, columns, monkeypatch) -> None:
    X, y = rows(15, columns)
    kernel, found = _Kernel(columns, curve_columns), {}

    def minimize(loss, begin, **_options):
        found["loss"] = loss
        return type("Result", (), {"x": begin})

    monkeypatch.setattr(joint_process, "minimize", minimize)
    joint_process._maximum(kernel, X, (y - y.mean()) / y.std(), kernel.means, 1)
    at = kernel.means + 0.3
    off = check_grad(lambda p: found["loss"](p)[0], lambda p: found["loss"](p)[1], at, epsilon=1e-6)
    assert off < 1e-3 * np.linalg.norm(found["loss"](at)[1])


def test_left_out_rows_in_closed_form_are_those_of_fits_without_them(monkeypatch) -> None:
    X, y = rows(12, 3)
    monkeypatch.setattr(joint_process, "EXACT_FOLDS", 0)
    made = JointProcess(1).fit(X, y)
    kernel = _Kernel(3, 1)
    for row in range(len(y)):
        others = np.arange(len(y)) != row
        z = (y[others] - made.mean_) / made.spread_
        matrix = kernel.matrix(made.parameters_, X[others], X[others])
        weights = joint_process._inverse(matrix, kernel.noise(made.parameters_)) @ z
        expected = kernel.matrix(made.parameters_, X[[row]], X[others]) @ weights
        assert made.oob_prediction_[row] == pytest.approx(made.mean_ + made.spread_ * expected[0])


def test_out_of_fold_predictions_do_not_know_their_row() -> None:
    X, y = rows(20, 3)
    changed = y.copy()
    changed[-1] += 5.0
    fits = [JointProcess(1, folds=20).fit(X, target) for target in (y, changed)]
    # Only the common mean and spread, and where the optimisation began, know of the last row.
    assert abs(fits[1].oob_prediction_[-1] - fits[0].oob_prediction_[-1]) < 0.5
    assert abs(fits[1].predict(X)[-1] - fits[0].predict(X)[-1]) > 0.5


def test_the_line_carries_a_prediction_beyond_all_rows() -> None:
    generator = np.random.default_rng(3)
    last = generator.normal(size=40)
    X = np.column_stack([generator.normal(size=40), last])
    made = JointProcess(1).fit(X, 2 * last)
    assert made.predict([[0.0, 6.0]]) == pytest.approx([12.0], abs=0.5)


def test_many_rows_are_tuned_on_a_part_and_all_used() -> None:
    X, y = rows(joint_process.TUNED_ROWS + 50, 2)
    made = JointProcess(1).fit(X, y)
    assert len(made.weights_) == len(y)
    assert np.corrcoef(made.oob_prediction_, y)[0, 1] > 0.99
