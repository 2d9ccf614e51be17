"""The mock's control errors: arithmetic by hand and an annealer without errors as the oracles."""

import dimod
import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import Encoding, dual_qubo
from mlpf_hpo.predictors.samplers import make_sampler, mock
from mlpf_hpo.predictors.samplers.control_error import ControlError, Ising, ProgrammedSampler
from mlpf_hpo.predictors.samplers.mock import MockAnnealer

RANGES = {"h_range": [-4.0, 4.0], "extended_j_range": [-2.0, 1.0], "per_qubit_coupling_range": [-18.0, 15.0]}


class Recording:
    """Returns one state; remembers the problem and the temperatures."""

    def __init__(self):
        self.parameters = self.properties = {}

    def sample(self, bqm, **settings):
        self.bqm, self.settings = bqm, settings
        return dimod.SampleSet.from_samples_bqm(dict.fromkeys(bqm.variables, 1), bqm)


@pytest.fixture
def small_devices(monkeypatch):
    monkeypatch.setattr(mock, "GRAPHS", {"pegasus": [4], "zephyr": [4, 4]})
    mock._device.cache_clear()
    yield
    mock._device.cache_clear()


def problem(n_points):
    generator = np.random.default_rng(n_points)
    kernel = rbf_kernel(generator.normal(size=(n_points, 3)), gamma=0.1)
    return dual_qubo(kernel, np.linspace(-1, 1, n_points), 0.02, 0.01, Encoding())


def programmed(bqm, control, seed=0):
    device = Recording()
    ProgrammedSampler(device, control, RANGES, seed).sample(bqm)
    return device.bqm


@pytest.mark.parametrize(
    ("h", "J", "factor"),
    [
        ({"a": 2.0, "b": 0.0}, {"ab": 0.1}, 2.0),  # by its field
        ({"a": 0.1, "b": 0.0}, {"ab": 4.0}, 1 / 4),  # by a positive coupling
        ({"a": 0.1, "b": 0.0}, {"ab": -4.0}, 1 / 2),  # a negative one may be twice as strong
        ({}, {("a", i): 1.0 for i in range(30)}, 1 / 2),  # by the sum of a qubit's couplings
    ],
)
def test_a_problem_is_scaled_until_it_fills_a_range(h, J, factor):
    bqm = dimod.BinaryQuadraticModel.from_ising(h, {tuple(pair): value for pair, value in J.items()})
    found = programmed(bqm, ControlError())
    for variable, value in h.items():
        assert found.linear[variable] == pytest.approx(factor * value)
    for pair, value in J.items():
        assert found.quadratic[tuple(pair)] == pytest.approx(factor * value)


def test_without_scaling_a_coefficient_out_of_its_range_is_refused():
    inside = dimod.BinaryQuadraticModel.from_ising({"a": 4.0}, {("a", "b"): -2.0})
    assert programmed(inside, ControlError(auto_scale=False)).linear["a"] == 4.0
    outside = dimod.BinaryQuadraticModel.from_ising({"a": 4.0}, {("a", "b"): -3.0})
    with pytest.raises(ConfigurationError, match=r"1\.5 times as large as extended_j_range \[-2\.0, 1\.0\]"):
        programmed(outside, ControlError(auto_scale=False))


def test_coefficients_are_rounded_to_steps_of_their_own_range():
    bqm = dimod.BinaryQuadraticModel.from_ising({"a": 1.3, "b": 4.0}, {("a", "b"): 0.4})
    found = programmed(bqm, ControlError(bits=3))
    assert found.linear == {"a": 1.0, "b": 4.0}  # steps of 8 / 8
    assert found.quadratic["a", "b"] == 0.375  # of 3 / 8
    assert programmed(bqm, ControlError(bits=2)).quadratic["a", "b"] == pytest.approx(0.75)


def test_errors_have_their_spread_and_are_one_draw_per_submission():
    pairs = [(i, j) for i in range(60) for j in range(i)]
    bqm = dimod.BinaryQuadraticModel.from_ising(dict.fromkeys(range(60), 1.0), dict.fromkeys(pairs, 0.1))
    control = ControlError(noise=0.01)
    exact, first, again, other = (
        Ising.of(programmed(bqm, each, seed))
        for each, seed in ((ControlError(), 0), (control, 1), (control, 1), (control, 2))
    )
    errors = first.J - exact.J
    assert errors.std() == pytest.approx(0.01 * 3.0, rel=0.1)
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(len(errors))
    assert (first.h - exact.h).std() == pytest.approx(0.01 * 8.0, rel=0.4)
    np.testing.assert_array_equal(first.J, again.J)
    assert (first.J != other.J).all()


def test_temperatures_are_those_of_the_problem_without_errors():
    bqm = dimod.BinaryQuadraticModel.from_ising({"a": 1.0, "b": 0.01}, {("a", "b"): 0.5, ("b", "c"): 0.2})
    device = Recording()
    ProgrammedSampler(device, ControlError(bits=2, noise=0.05), RANGES, 3).sample(bqm)
    cold = dimod.BinaryQuadraticModel(programmed(bqm, ControlError()))
    from dwave.samplers import SimulatedAnnealingSampler

    expected = SimulatedAnnealingSampler().sample(cold, num_reads=1, seed=1).info["beta_range"]
    np.testing.assert_allclose(device.settings["beta_range"], expected, rtol=1e-6)


def test_a_fine_precision_changes_no_read(small_devices):
    qubo = problem(3)
    perfect = MockAnnealer(20, 30, "zephyr").sample(qubo, seed=4)
    fine = MockAnnealer(20, 30, "zephyr", control=ControlError(bits=50)).sample(qubo, seed=4)
    np.testing.assert_array_equal(fine.samples, perfect.samples)
    np.testing.assert_allclose(fine.energies, qubo.energies(fine.samples), atol=1e-9)


def test_coarse_coefficients_and_large_errors_lose_the_ground_state(small_devices):
    qubo = problem(4)
    ground = min(make_sampler("mock_zephyr", 200, 200).sample(qubo, seed).energies.min() for seed in (0, 1))
    for settings in ({"control_bits": 2}, {"control_noise": 0.3}):
        found = make_sampler("mock_zephyr", 200, 200, **settings).sample(qubo, seed=0)
        assert found.energies.min() > ground + 1e-6
        np.testing.assert_allclose(found.energies, qubo.energies(found.samples), atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"bits": 0}, "control_bits = 0"), ({"bits": 60}, "1 to 52"), ({"noise": float("nan")}, "nan")],
)
def test_settings_without_sense_are_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        ControlError(**settings)
