"""Replayed searches by predicted values: epochs by hand, decisions of `predicted_promotion`."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from mlpf_hpo import LearningCurves, PromotionASHA, PromotionReplay, TargetMetric, simulate
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.predicted_searches import EndlessPromotion, PairedEpochs, _with_predictions
from mlpf_hpo.search.resampling import Resampling
from mlpf_hpo.search.schedulers.predicted_values import predicted_promotion
from mlpf_hpo.space import Mode

GENERATOR = np.random.default_rng(5)


def table(values: np.ndarray, mode: Mode = "min") -> LearningCurves:
    rows = [{"lr": float(row)} for row in range(len(values))]
    return LearningCurves.from_arrays(rows, values, TargetMetric("loss", mode))


def test_epochs_by_hand() -> None:
    # One rung, after the first of 3 epochs. Misled, promotion trains all from the worst to the best one:
    # 3 + 3 x 2 epochs; who knows the ends trains the best one: 3 + 2.
    curves = table(np.array([[3.0, 3.0, 1.0], [2.0, 2.0, 2.0], [1.0, 1.0, 3.0]]))
    predicted = {"exact": {1: curves.final}, "last": {1: curves.values[:, 0]}}
    found = PromotionReplay(orders=5).replay(curves, predicted, [np.arange(3)], seed=0)
    np.testing.assert_allclose(found.logarithms["exact"], math.log(5 / 9))
    np.testing.assert_array_equal(found.logarithms["last"], 0.0)
    assert found.ratio("last", "exact")["mean"] == pytest.approx(9 / 5)


def test_a_final_value_near_the_best_is_enough() -> None:
    # Unit: median minus best, 100. The second best is .01 of it from the best: trained alone, it is enough.
    curves = table(np.array([[9.0, 9.0, 0.0], [1.0, 1.0, 1.0], [5.0, 5.0, 100.0], [6.0, 6.0, 300.0], [7.0] * 2 + [400.0]]))  # fmt: skip  # noqa: E501
    predicted = {"exact": {1: curves.final}}
    found = PromotionReplay(orders=4).replay(curves, predicted, [np.arange(5)], seed=0)
    assert set(found.logarithms["exact"]) == {0.0}


@pytest.mark.parametrize("mode", ["min", "max"])
def test_decisions_are_those_of_promotion_by_predicted_values(mode: Mode) -> None:
    values = GENERATOR.uniform(1, 2, (30, 9))
    predictions = {1: GENERATOR.uniform(size=30), 3: GENERATOR.uniform(size=30)}
    predictions[3][4] = np.nan  # then the value itself counts

    class Given:
        def predict_interval(self, X, coverage=None):
            seen = int(X.filter(like="loss_").notna().sum(axis=1).item())
            return Prediction(*[predictions[seen][[int(X["lr"].item())]]] * 3, 0.9)

    curves = table(values, mode)
    told = simulate(curves, predicted_promotion(9, mode=mode, predictor=Given()))
    ours = simulate(_with_predictions(curves, predictions, (1, 3)), EndlessPromotion(9, mode=mode))
    np.testing.assert_array_equal(ours.rows[: told.epochs], told.rows)
    assert ours.epochs == 30 * 9 > told.epochs


def test_without_predictions_it_begins_as_promotion_by_last_values() -> None:
    curves = table(GENERATOR.uniform(size=(40, 16)))
    plain, ours = simulate(curves, PromotionASHA(16)), simulate(curves, EndlessPromotion(16))
    np.testing.assert_array_equal(ours.rows[: plain.epochs], plain.rows)


def test_larger_is_better_turned_around_is_the_same() -> None:
    curves = table(GENERATOR.uniform(size=(20, 9)))
    predicted = {"x": {known: GENERATOR.uniform(size=20) for known in (1, 3)}}
    turned = {"x": {known: -values for known, values in predicted["x"].items()}}
    other = replace(
        curves,
        metrics=MappingProxyType({"loss": -curves.values}),
        target=TargetMetric("loss", "max"),
    )
    parts = [np.arange(10), np.arange(10, 20)]
    ours = PromotionReplay().replay(curves, predicted, parts, seed=1)
    np.testing.assert_array_equal(
        ours.logarithms["x"], PromotionReplay().replay(other, turned, parts, seed=1).logarithms["x"]
    )
    assert ours.searches == 16


def test_intervals_are_of_as_many_searches_as_there_are_parts() -> None:
    # 8 orders of each of 3 parts are no more configurations: as wide as of 3 searches, on average over draws.
    logs = GENERATOR.normal(size=4000)
    weights = np.random.default_rng(0).multinomial(4000, np.full(4000, 1 / 4000), size=300) / 4000
    found = PairedEpochs({"x": logs, "y": np.zeros(4000)}, Resampling(weights, 2.0))
    spread = math.log(found.ratio("x")["high"] / found.ratio("x")["low"])
    assert spread == pytest.approx(2.0 * 2 * 1.96 * logs.std() / math.sqrt(4000), rel=0.15)
    assert found.ratio("x") == found.ratio("x", "y")
    curves = table(GENERATOR.uniform(size=(12, 9)))
    predicted = {"x": dict.fromkeys((1, 3), curves.final)}
    parts = np.array_split(np.arange(12), 3)
    assert PromotionReplay(orders=8).replay(curves, predicted, parts, 0).resampling.widening == math.sqrt(8)
