"""The QPU sampler through D-Wave's real client, against a local stand-in for the service."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.errors import BudgetError, ConfigurationError
from mlpf_hpo.predictors.qubo import Encoding, dual_qubo
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.samplers import make_sampler
from mlpf_hpo.predictors.samplers.qpu import _connect
from tests.predictors.cloud import ACCESS_TIME, TOKEN, fake_cloud


def problem(n_points):
    generator = np.random.default_rng(n_points)
    kernel = rbf_kernel(generator.normal(size=(n_points, 3)), gamma=0.1)
    return dual_qubo(kernel, np.linspace(-2.5, 2.5, n_points), 0.02, 0.01, Encoding())


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    """Start the service, and make it what Ocean is configured for."""
    for name in ("DWAVE_API_TOKEN", "DWAVE_API_SOLVER", "DWAVE_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with fake_cloud() as server:
        configuration = tmp_path / "dwave.conf"
        configuration.write_text(f"[defaults]\ntoken = {TOKEN}\nendpoint = {server.endpoint}\n")
        monkeypatch.setenv("DWAVE_CONFIG_FILE", str(configuration))
        _connect.cache_clear()
        yield server
        _connect.cache_clear()


@pytest.mark.parametrize("topology", ["pegasus", "zephyr"])
def test_a_problem_travels_to_the_solver_asked_for_and_back(cloud, topology):
    qubo = problem(2)
    result = make_sampler("qpu", reads=25, solver=topology, annealing_time=35.0).sample(qubo, seed=0)
    assert result.samples.shape == (25, 12)
    np.testing.assert_allclose(result.energies, qubo.energies(result.samples), atol=1e-9)
    (job,) = cloud.jobs
    assert job["solver"]["name"] == f"Advantage-{topology}"
    assert job["params"]["num_reads"] == 25
    assert job["params"]["annealing_time"] == 35.0
    assert result.info["solver"] == f"Advantage-{topology}"
    assert result.info["timing.qpu_access_time"] == ACCESS_TIME
    assert result.info["device_seconds"] == pytest.approx(ACCESS_TIME / 1e6)
    assert 0 <= result.info["chain_break_fraction"] <= 1


def test_a_solver_is_chosen_by_name_and_an_unknown_one_is_told(cloud):
    make_sampler("qpu", reads=2, solver="Advantage-zephyr").sample(problem(2), seed=0)
    assert cloud.jobs[0]["solver"]["name"] == "Advantage-zephyr"
    with pytest.raises(ConfigurationError, match="no solver Advantage-9 online; `dwave solvers` lists"):
        make_sampler("qpu", reads=2, solver="Advantage-9").sample(problem(2), seed=0)


def test_a_wrong_token_says_how_to_set_another(cloud, monkeypatch):
    monkeypatch.setenv("DWAVE_API_TOKEN", "expired")
    with pytest.raises(ConfigurationError, match=r"no D-Wave solver can be reached.*DWAVE_API_TOKEN"):
        make_sampler("qpu", reads=2).sample(problem(2), seed=0)
    assert not cloud.jobs


def test_what_the_service_refuses_is_told(cloud):
    cloud.refusal = "quota exhausted"
    with pytest.raises(ConfigurationError, match=r"Advantage-\w+ did not answer: quota exhausted"):
        make_sampler("qpu", reads=2).sample(problem(2), seed=0)


def test_the_budget_holds_by_the_solvers_own_model_and_a_second_run_sends_nothing(cloud, tmp_path):
    X = np.linspace(0, 1, 4)[:, np.newaxis]
    # 100 reads: the model foresees 14 ms of programming and 0.2 ms per read, a little above what is charged
    settings = {"sampler": "qpu", "reads": 100, "solver": "zephyr", "device_seconds": 0.08, "gamma": 2.0}
    first = [QSVR(**settings, random_state=seed).fit(X, X.ravel()) for seed in (0, 1)]
    with pytest.raises(BudgetError, match=r"of 0\.08 seconds"):
        QSVR(**settings, random_state=2).fit(X, X.ravel())
    assert len(cloud.jobs) == 2
    charged = [json.loads(path.read_text())["charged_seconds"] for path in tmp_path.glob(".state/qpu/*.json")]
    assert sum(charged) == pytest.approx(2 * ACCESS_TIME / 1e6)
    again = [QSVR(**settings, random_state=seed).fit(X, X.ravel()) for seed in (0, 1)]
    assert len(cloud.jobs) == 2
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.alphas_, other.alphas_)
        assert other.sampling_info_["device_seconds"] == pytest.approx(ACCESS_TIME / 1e6)
