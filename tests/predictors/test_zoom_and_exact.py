"""Samplers that leave the lattice of the bits, against convex optimisation as the oracle."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVR

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import DualQubo, Encoding, Qubo, dual_objective, dual_qubo
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.samplers import make_sampler
from mlpf_hpo.predictors.samplers.exact import lowest_objective
from mlpf_hpo.predictors.samplers.zoom import BITS, Zoom, _Lattice


def problem(n_points: int, encoding: Encoding | None = None) -> DualQubo:
    """Return a regression whose solution has values within the box, not only 0 and its ends."""
    generator = np.random.default_rng(n_points)
    X = generator.uniform(size=(n_points, 3))
    y = (np.sin(3 * X[:, 0]) + X[:, 1]) / 2 + 0.02 * generator.normal(size=n_points)
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
def test_a_rounds_qubo_is_the_objective_where_no_value_changes_its_sign(centre):
    qubo = problem(3)
    lattice = _Lattice(qubo, np.full(3, centre), step=0.05)
    states = (np.arange(2 ** (3 * BITS))[:, np.newaxis] >> np.arange(3 * BITS) & 1).astype(np.uint8)
    d = lattice.decode(states)
    truth = objective(qubo, np.stack([np.maximum(d, 0), np.maximum(-d, 0)], axis=1))
    found = lattice.qubo().energies(states)
    difference = found - truth
    np.testing.assert_allclose(
        difference, difference[0], atol=1e-12 if centre else 3 * 0.02 * 0.05, err_msg="up to a constant"
    )
    assert len(np.unique(d, axis=0)) == len(states)


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
