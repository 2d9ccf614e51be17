import numpy as np
import pytest
import skops.io
from sklearn.metrics import r2_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors.qubo import Encoding, dual_objective, dual_qubo
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.samplers import SampleResult
from mlpf_hpo.predictors.samplers.classical import SimulatedAnnealing, SteepestDescent
from mlpf_hpo.predictors.samplers.zoom import Zoom

PUBLISHED = ("gamma", "epsilon", "n_bits", "base", "k0")


@parametrize_with_checks(
    [
        QSVR(sampler=SteepestDescent(reads=4)),
        QSVR(sampler=SteepestDescent(reads=4), bias="paper", combination="log_cosh_softmax"),
        QSVR(sampler="simulated_annealing", reads=2, sweeps=5),
        QSVR(sampler=Zoom(reads=4, rounds=4), combination="mean"),
        QSVR(sampler="exact"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def rebuilt(solution, alphas):
    parameters = {name: solution[name] for name in PUBLISHED}
    return QSVR.from_solution(solution["X_train"], solution["y_train"], alphas, bias="paper", **parameters)


def test_published_r2_of_every_way_comes_back(published):
    for single in published.singles:
        _, X_test, _, y_test = published.split(single["split_seed"])
        for method, alphas in zip(published.methods, single["combined_alphas"], strict=True):
            prediction = rebuilt(single, alphas).predict(X_test)
            stored = single["r2_pred_true"][method]
            assert r2_score(prediction, y_test) == pytest.approx(
                stored, abs=1e-10
            )  # their order of arguments


def test_published_simple_mean_and_min_energy_follow_from_the_kept_samples(published):
    class Replay:
        """Returns the samples on record, worst first."""

        def __init__(self, member):
            kept = np.array(member["kept_samples"]).reshape(4, 2, 20)
            self.bits = Encoding(*(member[name] for name in PUBLISHED[2:])).encode(kept)[::-1]

        def sample(self, qubo, seed):
            return SampleResult(self.bits, qubo.energies(self.bits), 0.0)

    for member in published.members:
        stored = dict(zip(published.methods, np.array(member["combined_alphas"]), strict=True))
        parameters = {name: member[name] for name in PUBLISHED}
        for combination, method in {"mean": "simple mean", "min_energy": "min energy"}.items():
            model = QSVR(sampler=Replay(member), combination=combination, kept_by="energy", **parameters)
            model.fit(member["X_train"], member["y_train"])
            np.testing.assert_allclose(model.alphas_, stored[method], rtol=0, atol=1e-14)


def test_fit_keeps_the_lowest_samples_in_the_papers_way_and_combines_them(twenty_points):
    X, y = twenty_points
    settings = {"sampler": "simulated_annealing", "combination": "mse", "reads": 30, "sweeps": 20}
    model = QSVR(**settings, kept_by="energy").fit(X, y)
    assert model.kept_alphas_.shape == (4, 2, 20)
    assert (np.diff(model.kept_energies_) >= 0).all()
    kernel = rbf_kernel(X, gamma=0.1)
    energies = dual_objective(model.kept_alphas_, kernel, y, 0.02, 0.01)
    np.testing.assert_allclose(model.kept_energies_, energies, atol=1e-9)
    np.testing.assert_allclose(model.alphas_, np.tensordot(model.weights_, model.kept_alphas_, axes=1))
    assert model.alphas_.min() >= 0
    assert model.alphas_.max() <= Encoding().upper_bound
    assert model.sampling_seconds_ > 0
    assert model.sampling_info_ == {"reads": 30, "sweeps": 20}


@pytest.mark.parametrize("sampler", ["random", "simulated_annealing"])
def test_samples_of_least_training_error_are_kept_from_all_reads(twenty_points, sampler):
    X, y = twenty_points
    model = QSVR(sampler=sampler, reads=40, sweeps=5, kept=3).fit(X, y)
    every = model._sampler().sample(
        dual_qubo(rbf_kernel(X, gamma=0.1), y, 0.02, 0.01, Encoding()),
        int(np.random.RandomState(0).randint(2**31 - 1)),
    )
    errors = sorted(
        (np.mean((QSVR.from_solution(X, y, alphas).predict(X) - y) ** 2), energy)
        for alphas, energy in zip(Encoding().decode(every.samples), every.energies, strict=True)
    )
    np.testing.assert_allclose(model.kept_energies_, [energy for _, energy in errors[:3]])
    assert np.mean((model.predict(X) - y) ** 2) == pytest.approx(errors[0][0])
    assert model.lowest_energy_ == every.energies.min()
    by_energy = QSVR(sampler=sampler, reads=40, sweeps=5, kept=3, kept_by="energy").fit(X, y)
    assert by_energy.kept_energies_.max() < model.kept_energies_.max(), "the two orders differ here"


def test_best_is_the_kept_sample_of_lowest_training_error(twenty_points):
    X, y = twenty_points
    model = QSVR(sampler="steepest_descent", kept=10, kept_by="energy").fit(X, y)
    errors = [
        np.mean((QSVR.from_solution(X, y, alphas).predict(X) - y) ** 2) for alphas in model.kept_alphas_
    ]
    np.testing.assert_array_equal(model.weights_, np.arange(10) == np.argmin(errors))
    assert np.mean((model.predict(X) - y) ** 2) == pytest.approx(min(errors))


def test_annealing_comes_near_the_exact_solution_in_the_same_box(sixty_points):
    X, y = sixty_points
    train, test = slice(0, 20), slice(20, None)
    exact = SVR(C=Encoding().upper_bound, gamma=0.5, epsilon=0.02).fit(X[train], y[train])
    sampled = QSVR(gamma=0.5, sampler=SimulatedAnnealing(100, 200)).fit(X[train], y[train])
    null = QSVR(gamma=0.5, sampler="random").fit(X[train], y[train])

    def distance(model):
        return np.abs(model.predict(X[test]) - exact.predict(X[test])).mean()

    assert distance(sampled) < 0.08
    assert distance(sampled) < distance(null) / 2
    assert sampled.score(X[test], y[test]) > 0.75


def test_default_bias_minimises_the_training_loss(twenty_points):
    X, y = twenty_points
    model = QSVR(sampler="steepest_descent").fit(X, y)
    errors = y - model.predict(X)

    def loss(shift):
        return np.maximum(0, np.abs(errors - shift) - 0.02).sum()

    assert loss(0.0) <= min(loss(shift) for shift in np.linspace(-0.5, 0.5, 1001)) + 1e-12


def test_a_fitted_model_is_rebuilt_from_its_multipliers(twenty_points):
    X, y = twenty_points
    model = QSVR(gamma=0.7, epsilon=0.05, sampler="steepest_descent").fit(X, y)
    again = QSVR.from_solution(X, y, model.alphas_, gamma=0.7, epsilon=0.05)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_seed_fixes_the_fit(twenty_points):
    X, y = twenty_points
    first, again, other = (QSVR(reads=5, sweeps=5, random_state=seed).fit(X, y) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.alphas_, again.alphas_)
    assert (first.alphas_ != other.alphas_).any()


def test_fewer_distinct_samples_than_kept_are_enough():
    X, y = np.array([[0.0], [1.0]]), np.array([0.0, 1.0])
    model = QSVR(sampler="simulated_annealing", reads=1, combination="mean").fit(X, y)
    assert len(model.weights_) == 1


def test_a_fitted_model_is_stored_by_skops(twenty_points):
    X, y = twenty_points
    model = QSVR(reads=5, sweeps=5).fit(X, y)
    stored = skops.io.dumps(model)
    unknown = skops.io.get_untrusted_types(data=stored)
    assert unknown == ["mlpf_hpo.predictors.regressors.qsvr.QSVR"]
    loaded = skops.io.loads(stored, trusted=unknown)
    rows = X.copy()  # scikit-learn computes the kernel of an array with itself in another order
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))
    assert loaded.sampling_info_ == model.sampling_info_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"combination": "beste"}, r"did you mean best\?"),
        ({"bias": "papers"}, r"did you mean paper\?"),
        ({"kept_by": "energies"}, r"did you mean energy\?\); known: training_error, energy"),
        ({"sampler": "mock_zephyr", "control_bits": 0}, "control_bits = 0"),
        ({"sampler": "mock_zephyr", "control_noise": -0.1}, "control_noise = -0.1"),
        ({"sampler": "tabuu"}, r"did you mean tabu\?"),
        ({"kept": 0}, "kept = 0"),
        ({"epsilon": -0.1}, "epsilon = -0.1"),
        ({"gamma": float("nan")}, "gamma = nan"),
        ({"gamma": float("inf")}, "gamma = inf: must be finite"),
        ({"n_bits": 0}, "n_bits = 0"),
    ],
)
def test_parameters_without_sense_are_refused(twenty_points, parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        QSVR(**parameters).fit(*twenty_points)


def test_a_kernel_that_is_not_finite_is_refused(twenty_points):
    X, y = twenty_points
    with pytest.raises(DataError, match=r"kernel is not finite.*scale the features"):
        QSVR().fit(X * 1e200, y)


def test_constant_targets_and_equal_points_are_learnt():
    X = np.ones((5, 2))
    np.testing.assert_allclose(QSVR().fit(X, np.full(5, 3.0)).predict(X), 3.0, atol=0.03)
    spread = np.linspace(0, 1, 5)
    assert QSVR().fit(X, spread).predict(X) == pytest.approx(np.full(5, 0.5), abs=0.05)


def test_multipliers_of_another_size_are_refused(twenty_points):
    with pytest.raises(DataError, match=r"\(2, 19\), not \(2, 20\)"):
        QSVR.from_solution(*twenty_points, np.zeros((2, 19)))
