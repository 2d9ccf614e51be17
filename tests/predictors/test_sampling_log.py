import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from mlpf_hpo.predictors.regressors.ensemble import QSVREnsemble
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.sampling_log import sampling_log


class Device:
    """Tells of each run what a QPU would."""

    def __init__(self, shares):
        self.shares = list(shares)

    def __deepcopy__(self, memo):
        return self

    def sample(self, qubo, seed):
        result = QSVR(sampler="random", reads=4)._sampler().sample(qubo, seed)
        share = self.shares.pop()
        result.info.update(
            solver="Advantage", problem_id=f"{share}", chain_break_fraction=share, device_seconds=0.25
        )
        return result


def test_all_fits_within_a_predictor_are_told(sixty_points):
    X, y = sixty_points
    members = QSVREnsemble(QSVR(sampler=Device([0.1, 0.2, 0.6])), members=3)
    model = make_pipeline(StandardScaler(), TransformedTargetRegressor(members)).fit(X, y)
    numbers, words = sampling_log(model)
    assert words == {"sampling.solver": "Advantage"}
    assert numbers["sampling/fits"] == 3
    assert numbers["sampling/device_seconds"] == 0.75
    assert numbers["sampling/chain_break_fraction"] == pytest.approx(0.3)
    assert numbers["sampling/reads"] == 4
    fitted = model[-1].regressor_.estimators_
    assert numbers["sampling/seconds"] == pytest.approx(sum(member.sampling_seconds_ for member in fitted))


def test_predictors_without_a_sampler_tell_nothing(sixty_points):
    X, y = sixty_points
    assert sampling_log(SVR().fit(X, y)) == ({}, {})
    rebuilt = QSVR.from_solution(X, y, np.zeros((2, 60)))
    assert sampling_log(rebuilt) == ({}, {})
