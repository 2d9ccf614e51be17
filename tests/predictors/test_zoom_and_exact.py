"""Samplers that leave the lattice of the bits, against convex optimisation as the oracle."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVR

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import DualQubo, Encoding, Qubo, dual_objective, dual_qubo
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.samplers import make_sampler
from mlpf_hpo.predictors.samplers.base import signs_apart
from mlpf_hpo.predictors.samplers.exact import lowest_objective
from mlpf_hpo.predictors.samplers.zoom import CODES, Lattice, Zoom


def noisy_points(n_points: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(n_points)
    X = generator.uniform(size=(n_points, 3))
    return X, (np.sin(3 * X[:, 0]) + X[:, 1]) / 2 + 0.02 * generator.normal(size=n_points)


def problem(n_points: int, encoding: Encoding | None = None) -> DualQubo:
    """Return a regression whose solution has values within the box, not only 0 and its ends."""
    X, y = noisy_points(n_points)
    return dual_qubo(rbf_kernel(X, gamma=0.5), y, 0.02, 0.01, encoding or Encoding())


def objective(qubo: DualQubo, multipliers: np.ndarray) -> np.ndarray:
    return dual_objective(multipliers, qubo.kernel, qubo.y, qubo.epsilon, qubo.xi)


@pytest.mark.parametrize("name", ["zoom", "exact"])
def test_solutions_stay_in_the_box_and_come_with_their_objective(name):
    qubo = problem(8)
    result = make_sampler(name, reads=9).sample(qubo, seed=3)
    multipliers = result.multipliers(qubo.encoding)
    assert multipliers.shape == (9 if name == "zoom" else 1, 2, 8)
    assert multipliers.min() >= 0
    assert multipliers.max() <= qubo.encoding.upper_bound + 1e-12
    assert (multipliers.min(axis=1) == 0).all(), "no alpha stands against its alpha-hat"
    np.testing.assert_allclose(result.energies, objective(qubo, multipliers), atol=1e-12)
    assert all(type(value) in (int, float, str) for value in result.info.values())


def test_the_least_objective_is_that_of_another_optimiser():
    qubo = problem(6)
    bounds = [(0.0, qubo.encoding.upper_bound)] * 12
    found = minimize(
        lambda x: float(objective(qubo, x.reshape(2, 6))), np.full(12, 0.1), bounds=bounds, method="SLSQP"
    )
    assert lowest_objective(qubo) == pytest.approx(found.fun, abs=1e-5)
    assert lowest_objective(qubo) <= found.fun + 1e-9


@pytest.mark.parametrize("encoding", [Encoding(), Encoding(n_bits=1, base=2.0, k0=-1.0)])
def test_zoom_ends_within_two_percent_of_the_optimum(encoding):
    gaps = []
    for n_points in (3, 12, 20, 25):
        qubo = problem(n_points, encoding)
        lowest = lowest_objective(qubo)
        found = Zoom().sample(qubo, seed=0).energies
        assert (found >= lowest - 1e-8).all()
        gaps.append((found.min() - lowest) / abs(lowest))
    assert np.median(gaps) < 0.02
    assert max(gaps) < 0.05


def test_more_rounds_come_nearer():
    qubo = problem(20)
    energies = [Zoom(reads=20, rounds=rounds).sample(qubo, seed=0).energies.min() for rounds in (1, 5, 30)]
    assert energies[0] > energies[1] > energies[2]


@pytest.mark.parametrize("centre", [0.0, 0.3, -1.5])
def test_a_rounds_best_descent_is_the_least_of_all_choices(centre):
    """Brute force over all choices of three multipliers as the oracle."""
    qubo = problem(3)
    lattice = Lattice(qubo, np.full(3, centre), step=0.05)
    codes = np.array(list(itertools.product(range(-CODES // 2, CODES // 2), repeat=3)), dtype=float)
    choices = lattice.values(codes)
    found = lattice.descend(choices)
    energies = objective(qubo, signs_apart(choices))
    ends = objective(qubo, signs_apart(found))
    assert ends.min() == pytest.approx(energies.min(), abs=1e-12)
    assert (ends <= energies + 1e-12).all()
    among = np.abs(found[:, np.newaxis] - choices).max(axis=-1).min(axis=1)
    np.testing.assert_allclose(among, 0, atol=1e-12, err_msg="descents stay on the lattice")
    for end, energy in zip(found[::50], ends[::50], strict=True):
        moved = np.repeat(end[np.newaxis], 3 * CODES, axis=0)
        for point in range(3):
            moved[point * CODES : (point + 1) * CODES, point] = np.unique(choices[:, point])
        assert objective(qubo, signs_apart(moved)).min() >= energy - 1e-11, "no move is left"


def test_zoom_of_80_curves_is_the_minimum_and_predicts_like_the_exact_regression():
    """480 bits; libsvm and convex optimisation as the oracles."""
    X, y = noisy_points(200)
    train, test = slice(0, 80), slice(80, None)
    model = QSVR(gamma=0.5).fit(X[train], y[train])
    kernel = rbf_kernel(X[train], gamma=0.5)
    lowest = lowest_objective(dual_qubo(kernel, y[train], 0.02, 0.01, Encoding()))
    assert 0 <= (model.lowest_energy_ - lowest) / abs(lowest) < 0.01
    exact = SVR(C=Encoding().upper_bound, gamma=0.5, epsilon=0.02, tol=1e-6).fit(X[train], y[train])
    assert model.score(X[test], y[test]) == pytest.approx(exact.score(X[test], y[test]), abs=0.005)


def test_zoom_of_80_published_curves_predicts_like_the_exact_regression(published):
    for seed in range(4):
        X, X_test, y, y_test = published.split(seed)
        X, y = X[:80], y[:80]
        exact = SVR(C=Encoding().upper_bound, gamma=0.1, epsilon=0.02).fit(X, y)
        score = QSVR().fit(X, y).score(X_test, y_test)
        assert score == pytest.approx(exact.score(X_test, y_test), abs=0.005)


def test_zoom_is_fixed_by_its_seed():
    first, again, other = (Zoom(reads=3, rounds=3).sample(problem(10), seed).samples for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


def test_exact_is_the_support_vector_regression_of_the_same_box(sixty_points):
    X, y = sixty_points
    train, test = slice(0, 20), slice(20, None)
    encoding = Encoding()
    model = QSVR(sampler="exact", gamma=0.5).fit(X[train], y[train])
    svr = SVR(C=encoding.upper_bound, gamma=0.5, epsilon=0.02, tol=1e-6).fit(X[train], y[train])
    np.testing.assert_allclose(model.dual_coef_[svr.support_], svr.dual_coef_[0], atol=1e-12)
    assert model.dual_coef_.sum() == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(model.predict(X[test]), svr.predict(X[test]), atol=2e-2)  # biases differ
    assert (model.kept_alphas_ < encoding.upper_bound + 1e-12).all()


@pytest.mark.parametrize("name", ["zoom", "exact"])
def test_a_qubo_that_is_no_regression_is_refused(name):
    with pytest.raises(ConfigurationError, match=f"sampler = '{name}': works on regressions only"):
        make_sampler(name).sample(Qubo(np.eye(3)), seed=0)
