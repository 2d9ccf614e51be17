"""The hybrid sampler on a stand-in for Leap's own, which answers with an exact solution."""

from types import SimpleNamespace

import dimod
import numpy as np
import pytest

from mlpf_hpo.errors import BudgetError, ConfigurationError
from mlpf_hpo.predictors.qubo import Qubo
from mlpf_hpo.predictors.samplers.leap import LeapHybrid
from mlpf_hpo.predictors.samplers.recorded import Recorded

QUBO = Qubo(np.array([[1.0, -2.0, 0.0], [-2.0, 3.0, 0.25], [0.0, 0.25, -3.5]]), offset=7.0)


class Service:
    """Takes at least 3 seconds, and charges what it is allowed."""

    solver = SimpleNamespace(name="hybrid_binary_quadratic_model_version2p")

    def __init__(self, failure=None):
        self.failure, self.limits = failure, []

    def min_time_limit(self, bqm):
        return 3.0

    def sample(self, bqm, time_limit):
        self.limits.append(time_limit)
        if self.failure is not None:
            raise self.failure
        found = dimod.ExactSolver().sample(bqm).truncate(1)
        timings = {"run_time": 3_004_000, "charge_time": 3_000_000, "qpu_access_time": 42_000}
        found.info.update(timings)
        return found


def test_the_answer_comes_with_what_it_took():
    service = Service()
    result = LeapHybrid(device=service).sample(QUBO, seed=0)
    states = np.array([[i >> k & 1 for k in range(3)] for i in range(8)])
    assert result.energies == pytest.approx([QUBO.energies(states).min()])
    np.testing.assert_allclose(QUBO.energies(result.samples), result.energies)
    assert service.limits == [3.0]
    assert result.info["device_seconds"] == 3.0
    assert result.info["timing.qpu_access_time"] == 42_000
    assert result.info["solver"] == "hybrid_binary_quadratic_model_version2p"


def test_a_limit_of_ones_own_is_passed_on_unless_the_service_takes_longer():
    service = Service()
    LeapHybrid(time_limit=5.0, device=service).sample(QUBO, seed=0)
    assert service.limits == [5.0]
    with pytest.raises(ConfigurationError, match="at least 3 seconds for 3 variables"):
        LeapHybrid(time_limit=1.0, device=service).sample(QUBO, seed=0)


def test_a_refusal_and_the_budget(tmp_path):
    with pytest.raises(ConfigurationError, match=r"leap_hybrid: the service did not answer: no minutes left"):
        LeapHybrid(device=Service(ValueError("no minutes left"))).sample(QUBO, seed=0)
    service = Service()
    with pytest.raises(BudgetError, match=r"may take 3\.600"):
        Recorded(LeapHybrid(device=service), 3.5, str(tmp_path)).sample(QUBO, seed=0)
    assert service.limits == []


def test_a_missing_token_says_how_to_set_one(monkeypatch, tmp_path):
    monkeypatch.delenv("DWAVE_API_TOKEN", raising=False)
    (tmp_path / "dwave.conf").write_text("")
    monkeypatch.setenv("DWAVE_CONFIG_FILE", str(tmp_path / "dwave.conf"))
    with pytest.raises(ConfigurationError, match=r"no hybrid solver can be reached.*DWAVE_API_TOKEN"):
        LeapHybrid().sample(QUBO, seed=0)
