"""The QPU sampler on Ocean's offline device: a real graph and real embeddings, classical samples."""

import copy
import re

import dimod
import dwave.embedding
import networkx
import numpy as np
import pytest
from dwave.samplers import SimulatedAnnealingSampler
from dwave.system.testing import MockDWaveSampler
from sklearn.base import clone
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import Encoding, dual_qubo
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.samplers import make_sampler
from mlpf_hpo.predictors.samplers.qpu import (
    CHAIN_STRENGTHS,
    PAPER_CHAIN_STRENGTH,
    QuantumAnnealer,
    clique_embedding,
)


class RecordingDevice(MockDWaveSampler):
    """A Pegasus device that remembers what it was asked for."""

    def __init__(self, **options):
        super().__init__(
            topology_type="pegasus",
            topology_shape=[4],
            substitute_sampler=SimulatedAnnealingSampler(),
            substitute_kwargs={"num_sweeps": 200, "seed": 1},
            parameter_warnings=False,
            **options,
        )
        self.calls = []

    def sample(self, bqm, **settings):
        self.calls.append((bqm, settings))
        return super().sample(bqm, **settings)


def problem(n_points):
    generator = np.random.default_rng(n_points)
    kernel = rbf_kernel(generator.normal(size=(n_points, 3)), gamma=0.1)
    return dual_qubo(kernel, np.linspace(-2.5, 2.5, n_points), 0.02, 0.01, Encoding())


def test_reads_come_back_with_settings_timings_and_chain_breaks():
    device, qubo = RecordingDevice(), problem(2)
    result = QuantumAnnealer(reads=40, chain_strength_factor=10.0, device=device).sample(qubo, seed=0)

    assert result.samples.shape == (40, 12)
    np.testing.assert_allclose(result.energies, qubo.energies(result.samples), atol=1e-9)

    embedded, settings = device.calls[0]
    assert settings["num_reads"] == 40
    assert settings["annealing_time"] == 20.0
    assert settings["answer_mode"] == "raw"
    assert set(embedded.variables) <= set(device.nodelist)
    strength = 10 * np.ceil(qubo.largest_coefficient)
    assert strength > 20  # so that the factor shows
    assert result.info["chain_strength"] == strength
    assert result.info["annealing_time"] == 20.0
    assert result.info["solver"] == "MockDWaveSampler"
    assert result.info["topology"] == "pegasus [4]"
    assert result.info["qubits"] == len(embedded.variables)
    assert result.info["timing.qpu_access_time"] > 0
    assert 0 <= result.info["chain_break_fraction"] <= result.info["chain_break_fraction_max"] <= 1
    assert all(type(value) in (int, float, str) for value in result.info.values())


def test_reads_reach_the_ground_state_of_a_small_problem():
    qubo = problem(2)
    result = QuantumAnnealer(reads=100, chain_strength_factor=0.3, device=RecordingDevice()).sample(
        qubo, seed=0
    )
    assert result.energies.min() == pytest.approx(dimod.ExactSolver().sample(qubo.bqm()).first.energy)


def test_chains_are_coupled_with_the_chain_strength():
    device, qubo = RecordingDevice(), problem(4)
    strength = QuantumAnnealer(reads=2, device=device).sample(qubo, seed=0).info["chain_strength"]
    embedded = device.calls[0][0].change_vartype(dimod.SPIN, inplace=False)
    assert min(embedded.quadratic.values()) == pytest.approx(-strength)


@pytest.mark.parametrize(("topology", "shape"), [("pegasus", [4]), ("zephyr", [4, 4]), ("chimera", [8])])
def test_the_default_chain_strength_is_the_topologys(topology, shape):
    annealing = SimulatedAnnealingSampler()
    device = MockDWaveSampler(
        topology_type=topology, topology_shape=shape, substitute_sampler=annealing, parameter_warnings=False
    )
    qubo = problem(2)
    expected = CHAIN_STRENGTHS.get(topology, PAPER_CHAIN_STRENGTH) * np.ceil(qubo.largest_coefficient)
    assert QuantumAnnealer(reads=2, device=device).sample(qubo, seed=0).info["chain_strength"] == expected
    assert CHAIN_STRENGTHS["pegasus"] != CHAIN_STRENGTHS["zephyr"]


def test_chains_avoid_broken_qubits_and_are_found_once_per_graph():
    device = RecordingDevice(broken_nodes=[30, 31, 40, 77])
    embedding = clique_embedding(device, 20)
    dwave.embedding.verify_embedding(embedding, networkx.complete_graph(20), device.to_networkx_graph())
    assert clique_embedding(RecordingDevice(broken_nodes=[30, 31, 40, 77]), 20) is embedding
    assert clique_embedding(device, 12) is not embedding
    assert clique_embedding(RecordingDevice(), 20) is not embedding


def test_the_papers_problem_fits_on_a_full_pegasus_graph():
    device = MockDWaveSampler(topology_type="pegasus", topology_shape=[16])
    chains = clique_embedding(device, Encoding().n_variables(20)).values()
    assert len(chains) == 120
    assert max(map(len, chains)) <= 12
    assert sum(map(len, chains)) <= 1418


def test_a_problem_too_large_for_the_graph_is_refused_and_told_what_fits():
    message = r"120 fully connected variables do not fit on MockDWaveSampler.*qubits take (\d+);"
    with pytest.raises(ConfigurationError, match=message) as refused:
        QuantumAnnealer(device=RecordingDevice()).sample(problem(20), seed=0)
    fits = int(re.search(message, str(refused.value))[1])
    assert len(clique_embedding(RecordingDevice(), fits)) == fits
    with pytest.raises(ConfigurationError, match=f"qubits take {fits};"):
        clique_embedding(RecordingDevice(), fits + 1)


def test_more_reads_than_the_device_takes_are_refused():
    with pytest.raises(ConfigurationError, match=r"reads = 10001.*10000"):
        QuantumAnnealer(reads=10001, device=RecordingDevice()).sample(problem(2), seed=0)


def test_a_refused_problem_names_the_solver_and_the_reason():
    class RefusingDevice(RecordingDevice):
        def sample(self, bqm, **settings):
            raise ValueError("quota exhausted")

    with pytest.raises(ConfigurationError, match=r"MockDWaveSampler did not answer: quota exhausted"):
        QuantumAnnealer(device=RefusingDevice()).sample(problem(2), seed=0)


@pytest.fixture
def ocean_configuration(monkeypatch, tmp_path):
    """Return a function that makes a file Ocean's only configuration."""
    monkeypatch.chdir(tmp_path)  # where answers on record lie
    for name in ("DWAVE_API_TOKEN", "DWAVE_API_ENDPOINT", "DWAVE_PROFILE", "DWAVE_METADATA_API_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)

    def configure(text):
        path = tmp_path / "dwave.conf"
        path.write_text(text)
        monkeypatch.setenv("DWAVE_CONFIG_FILE", str(path))

    return configure


def test_a_missing_token_says_how_to_set_one(ocean_configuration):
    ocean_configuration("")
    with pytest.raises(ConfigurationError, match=r"token.*DWAVE_API_TOKEN.*dwave config create"):
        make_sampler("qpu", reads=10).sample(problem(2), seed=0)


def test_an_unreachable_endpoint_says_what_to_check(ocean_configuration):
    endpoint = "http://127.0.0.1:9/sapi"
    ocean_configuration(f"[defaults]\ntoken = unused\nendpoint = {endpoint}\nhttp_retry_total = 0\n")
    with pytest.raises(ConfigurationError, match=r"no D-Wave solver can be reached.*DWAVE_API_TOKEN"):
        make_sampler("qpu", reads=10).sample(problem(2), seed=0)


def test_a_regressor_shares_its_device_with_its_clones():
    X = np.linspace(0, 1, 4)[:, np.newaxis]
    sampler = QuantumAnnealer(reads=20, device=RecordingDevice())
    model = clone(QSVR(sampler=sampler, gamma=2.0))
    assert model.sampler is sampler
    assert copy.deepcopy(sampler) is sampler
    model.fit(X, X.ravel())
    assert model.score(X, X.ravel()) > 0.8
    assert model.sampling_info_["solver"] == "MockDWaveSampler"
