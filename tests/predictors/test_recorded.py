"""Answers of a paid device on record, and the budget of its time."""

import json

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.errors import BudgetError, ConfigurationError, DataError
from mlpf_hpo.predictors.qubo import Encoding, dual_qubo
from mlpf_hpo.predictors.samplers import SampleResult
from mlpf_hpo.predictors.samplers.recorded import MARGIN, Recorded


def problem(number):
    X = np.random.default_rng(number).normal(size=(3, 2))
    return dual_qubo(rbf_kernel(X), X[:, 0], 0.02, 0.01, Encoding())


class Device:
    """Expects a second and charges `charge`; fails on request."""

    def __init__(self, charge=1.0, fails=None):
        self.charge, self.fails, self.asked = charge, fails, 0

    def expected_seconds(self, qubo):
        return 1.0

    def sample(self, qubo, seed):
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        samples = np.random.default_rng(self.asked).integers(0, 2, (7, qubo.n_variables), dtype=np.uint8)
        info = {"solver": "device", "chain_break_fraction": 0.25}
        charged = {} if self.charge is None else {"device_seconds": self.charge}
        return SampleResult(samples, qubo.energies(samples), 0.5, info | charged)


def test_an_answer_comes_back_from_another_process_and_is_not_asked_for_again(tmp_path):
    first = Recorded(Device(), 10.0, str(tmp_path)).sample(problem(0), seed=3)
    device = Device()
    again = Recorded(device, 10.0, str(tmp_path)).sample(problem(0), seed=3)
    assert device.asked == 0
    np.testing.assert_array_equal(again.samples, first.samples)
    assert again.samples.dtype == np.uint8
    np.testing.assert_allclose(again.energies, first.energies)
    assert (again.info, again.seconds) == (first.info, first.seconds)


def test_another_problem_seed_or_setting_is_asked_for(tmp_path):
    device = Device()
    for qubo, seed, settings in [
        (problem(0), 0, ""),
        (problem(1), 0, ""),
        (problem(0), 1, ""),
        (problem(0), 0, "20"),
    ]:
        Recorded(device, 100.0, str(tmp_path), settings).sample(qubo, seed)
    assert device.asked == 4


@pytest.mark.parametrize("charge", [0.5, 1.0, 1.15])
def test_the_budget_is_never_exceeded_and_a_larger_one_goes_on(tmp_path, charge):
    device = Device(charge)
    recorded = Recorded(device, 5.0, str(tmp_path))
    affordable = int((5.0 - MARGIN) // charge) + 1
    for number in range(affordable):
        recorded.sample(problem(number), seed=0)
    with pytest.raises(BudgetError, match=r"of 5 seconds .* are spent.*not sent.*device_seconds"):
        recorded.sample(problem(affordable), seed=0)
    assert recorded.spent_seconds() == pytest.approx(device.asked * charge)
    assert 5.0 - MARGIN < recorded.spent_seconds() <= 5.0
    asked = device.asked
    more = Recorded(device, 100.0, str(tmp_path))
    for number in range(20):
        more.sample(problem(number), seed=0)
    assert device.asked == 20 > asked


@pytest.mark.parametrize("end", [KeyboardInterrupt(), ConfigurationError("connection lost")])
def test_a_submission_without_an_answer_counts_as_expected(tmp_path, end):
    recorded = Recorded(Device(fails=end), 4.0, str(tmp_path))
    for _ in range(3):
        with pytest.raises(type(end)):
            recorded.sample(problem(0), seed=0)
    assert recorded.spent_seconds() == pytest.approx(3 * MARGIN)
    with pytest.raises(BudgetError):
        recorded.sample(problem(0), seed=0)


def test_a_device_that_does_not_tell_is_charged_as_expected(tmp_path):
    recorded = Recorded(Device(charge=None), 4.0, str(tmp_path))
    recorded.sample(problem(0), seed=0)
    assert recorded.spent_seconds() == pytest.approx(MARGIN)


def test_a_damaged_answer_is_noticed_and_not_paid_for_again(tmp_path):
    device = Device()
    recorded = Recorded(device, 10.0, str(tmp_path))
    recorded.sample(problem(0), seed=0)
    (answer,) = tmp_path.glob("*.json")
    record = json.loads(answer.read_text())
    record["bits"] = record["bits"][::-1]
    answer.write_text(json.dumps(record))
    for number in (0, 1):
        with pytest.raises(
            DataError, match=rf"{answer.name}.*remove it.*paid again by: dvc repro -f -s pred"
        ):
            recorded.sample(problem(number), seed=0)
    assert device.asked == 1
    answer.unlink()
    recorded.sample(problem(0), seed=0)
    assert device.asked == 2
