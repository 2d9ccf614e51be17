"""Predictions that a replay makes ahead are those that would be made one by one."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.draws import Draw
from mlpf_hpo.search.prior_predictor import PriorPredictor, rung_epochs
from mlpf_hpo.search.scheduler_spec import SchedulerSpec
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric

EPOCHS = 8


def campaign(n, seed) -> LearningCurves:
    generator = np.random.default_rng(seed)
    rows = [{"lr": float(rate), "width": float(i % 5)} for i, rate in enumerate(generator.uniform(size=n))]
    ends = np.array([(row["lr"] - 0.4) ** 2 for row in rows])
    values = ends[:, None] + generator.uniform(0.5, 1, (n, 1)) * 2.0 ** -np.arange(EPOCHS)
    return LearningCurves.from_arrays(rows, values, TargetMetric("loss", "min"))


def test_what_was_predicted_ahead_is_what_is_predicted_alone() -> None:
    prior, searched = campaign(30, 1), campaign(12, 2)
    searched.values[3, 5:] = np.nan
    searched.status[3] = "diverged"
    made = PriorPredictor(prior, searched)
    for known in (*rung_epochs(EPOCHS), 5):
        for row in range(12):
            one = searched.select([row]).frame(known)
            alone = made._predictor.predict_interval(one)
            assert made.predict_interval(one).mean == pytest.approx(alone.mean, abs=0)
    both = searched.frame(2)
    assert made.predict_interval(both).mean == pytest.approx(made._predictor.predict_interval(both).mean)


def test_one_predictor_serves_all_schedulers_of_a_draw() -> None:
    draw = Draw(0, campaign(12, 2), campaign(30, 1))
    specs = [SchedulerSpec("predicted_promotion", {"reduction_factor": eta}) for eta in (2.0, 3.0)]
    schedulers = [spec.make(draw) for spec in specs]
    assert schedulers[0].predictor is schedulers[1].predictor is draw.predictor
    found = simulate(draw.searched, schedulers[0], workers=2)
    assert found.best == draw.searched.final.min()


def test_few_complete_curves_are_refused() -> None:
    prior = campaign(6, 1)
    prior.values[:2, -1] = np.nan
    with pytest.raises(DataError, match="4 complete curves are too few for a predictor; needed are 5"):
        PriorPredictor(prior, campaign(5, 2))
