import dimod
import dwave.samplers
import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import Encoding, Qubo, dual_qubo
from mlpf_hpo.predictors.samplers import SAMPLERS, Sampler, SampleResult, make_sampler
from mlpf_hpo.predictors.samplers.base import from_sample_set
from mlpf_hpo.predictors.samplers.classical import default_beta_range
from mlpf_hpo.predictors.samplers.mock import MockAnnealer

PAID = ("qpu", "leap_hybrid")
OFF_LATTICE = ("zoom", "exact")  # tests/predictors/test_zoom_and_exact.py
BITS = [name for name in SAMPLERS if name not in PAID + OFF_LATTICE]
SEEKERS = [name for name in BITS if name != "random" and not name.startswith("mock")]


def problem(n_points: int) -> Qubo:
    generator = np.random.default_rng(n_points)
    kernel = rbf_kernel(generator.normal(size=(n_points, 3)), gamma=0.1)
    return dual_qubo(kernel, generator.uniform(size=n_points), 0.02, 0.01, Encoding())


@pytest.mark.parametrize("name", BITS)
def test_samples_come_with_their_energies(name):
    qubo = problem(5)
    sampler = make_sampler(name, reads=9, sweeps=20)
    assert isinstance(sampler, Sampler)
    result = sampler.sample(qubo, seed=3)
    assert result.samples.shape == (9, 30)
    assert result.samples.dtype == np.uint8
    assert set(np.unique(result.samples)) <= {0, 1}
    np.testing.assert_allclose(result.energies, qubo.energies(result.samples), atol=1e-9)
    assert result.seconds > 0
    assert result.info["reads"] == 9
    assert all(type(value) in (int, float, str) for value in result.info.values())


@pytest.mark.parametrize("name", BITS)
def test_a_seed_fixes_the_samples_and_nothing_global_does(name):
    qubo = problem(6)
    sampler = make_sampler(name, reads=8, sweeps=10)
    # The legacy global state is what must stay untouched.
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (sampler.sample(qubo, seed).samples for seed in (11, 11, 12))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("name", SEEKERS)
def test_heuristics_find_the_ground_state_of_a_small_problem(name):
    qubo = problem(2)
    ground = dimod.ExactSolver().sample(qubo.bqm()).first.energy
    found = make_sampler(name, reads=50, sweeps=50).sample(qubo, seed=1).energies.min()
    assert found == pytest.approx(ground, abs=1e-9)


def test_annealing_beats_descent_beats_random_bits():
    lowest = {
        name: make_sampler(name, reads=100, sweeps=100).sample(problem(20), seed=0).energies.min()
        for name in ("random", "steepest_descent", "simulated_annealing")
    }
    assert lowest["simulated_annealing"] < lowest["steepest_descent"] < lowest["random"]


def test_sweeps_reach_the_annealer():
    qubo = problem(20)
    energies = [
        make_sampler("simulated_annealing", 20, sweeps).sample(qubo, 0).energies for sweeps in (1, 200)
    ]
    assert energies[1].mean() < energies[0].mean()


@pytest.mark.parametrize("n_points", [1, 3, 20])
def test_range_of_temperatures_is_oceans(n_points):
    qubo = problem(n_points)
    ocean = dwave.samplers.SimulatedAnnealingSampler().sample(qubo.bqm(), num_reads=30, num_sweeps=30, seed=4)
    assert default_beta_range(qubo) == pytest.approx(ocean.info["beta_range"], rel=1e-9)
    ours = make_sampler("simulated_annealing", 30, 30).sample(qubo, 4)
    np.testing.assert_array_equal(ours.samples, ocean.record.sample)


def test_a_problem_without_coefficients_has_no_range_of_temperatures():
    assert default_beta_range(Qubo(np.zeros((3, 3)))) is None


def test_distinct_drops_repetitions_and_settles_ties_by_the_bits():
    samples = np.array([[1, 1], [0, 1], [1, 1], [0, 0], [1, 0]], dtype=np.uint8)
    energies = np.array([-1.0, -2.0, -1.0, 0.0, -1.0])
    result = SampleResult(samples, energies, 0.0)
    found = result.distinct()
    np.testing.assert_array_equal(found.samples, [[0, 1], [1, 0], [1, 1], [0, 0]])
    np.testing.assert_array_equal(found.energies, [-2.0, -1.0, -1.0, 0.0])
    backwards = SampleResult(samples[::-1], energies[::-1], 0.0).distinct()
    np.testing.assert_array_equal(backwards.samples, found.samples)


def test_columns_follow_the_labels_and_not_the_order_of_the_sample_set():
    samples = (np.array([[1, 0, 0]]), [2, 0, 1])
    sample_set = dimod.SampleSet.from_samples(samples, vartype="BINARY", energy=[4.0], sort_labels=False)
    assert list(sample_set.variables) == [2, 0, 1]
    np.testing.assert_array_equal(from_sample_set(sample_set, 0.1, {}).samples, [[0, 0, 1]])


def test_tabu_search_is_not_stopped_by_the_clock(monkeypatch):
    search, asked = dwave.samplers.TabuSampler.sample, {}

    def record(self, bqm, **settings):
        asked.update(settings)
        return search(self, bqm, **settings)

    monkeypatch.setattr(dwave.samplers.TabuSampler, "sample", record)
    make_sampler("tabu", reads=2, sweeps=7).sample(problem(2), seed=0)
    assert asked["timeout"] is None
    assert asked["num_restarts"] == 0
    assert asked["coefficient_z_first"] == 7


def test_unknown_sampler_is_refused_with_a_hint():
    with pytest.raises(ConfigurationError, match=r"did you mean simulated_annealing\?"):
        make_sampler("simulated_anealing")


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_reads_are_refused(name):
    with pytest.raises(ConfigurationError, match="reads = 0"):
        make_sampler(name, reads=0)


def test_no_sweeps_are_refused():
    with pytest.raises(ConfigurationError, match="sweeps = 0"):
        make_sampler("tabu", sweeps=0)


@pytest.mark.parametrize(("topology", "longest"), [("pegasus", 12), ("zephyr", 9)])
def test_the_offline_devices_embed_the_papers_problem(topology, longest):
    result = make_sampler(f"mock_{topology}", reads=4, sweeps=20).sample(problem(20), seed=0)
    assert result.info["topology"].startswith(topology)
    assert result.info["chain_length"] <= longest
    assert result.info["qubits"] >= 120
    assert 0 <= result.info["chain_break_fraction"] <= 1
    assert not any("time" in name or "seconds" in name for name in result.info), "its timings are invented"


def test_only_known_topologies_are_mocked():
    with pytest.raises(ConfigurationError, match=r"did you mean zephyr\?"):
        MockAnnealer(topology="zefyr")
