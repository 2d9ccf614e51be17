"""make_scheduler: what it hands to the scheduler that a name stands for."""

from __future__ import annotations

import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.schedulers import SCHEDULERS, check_settings, make_scheduler
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.predictive import PredictiveScheduler
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.target_metric import TargetMetric


class WithPrior(FullTraining):
    """Keeps the prior that it gets."""

    def __init__(self, prior: LearningCurves | None = None) -> None:
        self.prior = prior


@pytest.fixture
def prior() -> LearningCurves:
    return LearningCurves.from_arrays([{"lr": 0.1}], [[1.0, 2.0]], TargetMetric("loss", "min"))


def test_the_prior_goes_to_those_that_take_it(monkeypatch, prior) -> None:
    monkeypatch.setitem(SCHEDULERS.builtin, "with_prior", WithPrior)
    assert make_scheduler("with_prior", prior=prior).prior is prior
    assert make_scheduler("with_prior").prior is None
    assert isinstance(make_scheduler("asha", prior=prior, max_epochs=9), StoppingASHA)
    composed = make_scheduler("with_prior", predictor=object(), prior=prior, max_epochs=9)
    assert isinstance(composed, PredictiveScheduler)
    assert composed.scheduler.prior is prior
    with pytest.raises(ConfigurationError, match="no setting 'prior'; it has: budget_epochs"):
        check_settings("with_prior", {"prior": "file"})
