"""The choice among candidates: persistence stays unless it is beaten, in ranking or else in errors."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo import LearningCurves, PredictorsParams, TargetMetric
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.criteria import choose_by_predictions, fit_chosen

N = 60
GENERATOR = np.random.default_rng(0)
TRUE = np.exp(GENERATOR.normal(size=N))
NOISE = GENERATOR.normal(size=N)


def noisy(width: float) -> np.ndarray:
    return TRUE * np.exp(width * NOISE)


def chosen(predicted: dict[str, np.ndarray], criterion: str = "spearman", groups: np.ndarray | None = None):
    return choose_by_predictions(predicted, TRUE, np.arange(N) if groups is None else groups, criterion)


LUCKIER = TRUE * np.exp(0.3 * np.roll(NOISE, 3))
"""Ranks a little better than `noisy(0.3)`, by chance: its errors are the same ones."""


@pytest.mark.parametrize("criterion", ["spearman", "r2", "log_mae"])
def test_who_is_clearly_better_wins(criterion) -> None:
    found = chosen({"persistence": noisy(2.0), "good": noisy(0.1), "fair": noisy(1.0)}, criterion)
    assert found.winner == "good"
    assert found.reason.startswith(f"good is better than persistence by {criterion}")


def test_of_those_that_rank_alike_the_one_with_smaller_errors_wins() -> None:
    stretched = np.exp(3 * np.log(noisy(0.1)))  # the same order, other values
    found = chosen({"persistence": stretched, "good": noisy(0.1)})
    assert found.criterion["persistence"] == found.criterion["good"]
    assert found.winner == "good"
    assert found.reason.startswith("good is better than persistence by log error")


def test_who_ranks_worse_is_not_chosen_for_smaller_errors() -> None:
    biased, unbiased = 2.0 * noisy(0.1), noisy(0.3)
    errors = [np.abs(np.log(values / TRUE)).mean() for values in (biased, unbiased)]
    assert errors[1] < errors[0]
    assert chosen({"persistence": biased, "unbiased": unbiased}).winner == "persistence"


@pytest.mark.parametrize("names", [("persistence", "other"), ("other", "persistence")])
def test_persistence_stays_where_the_difference_is_within_its_error(names) -> None:
    found = chosen({name: {"persistence": noisy(0.3), "other": LUCKIER}[name] for name in names})
    assert found.criterion["other"] > found.criterion["persistence"]
    assert found.winner == "persistence"
    assert found.reason == (
        "nothing is better than persistence by more than a standard error and worse in no way"
    )


def test_without_persistence_the_first_is_what_stays() -> None:
    assert chosen({"first": noisy(0.3), "second": LUCKIER}).winner == "first"
    assert chosen({"second": LUCKIER, "first": noisy(0.3)}).winner == "second"


def test_copies_of_rows_prove_nothing() -> None:
    better = np.exp(0.29 * np.random.default_rng(13).normal(size=N)) * TRUE
    predicted = {"persistence": np.tile(noisy(0.3), 50), "better": np.tile(better, 50)}
    true, groups = np.tile(TRUE, 50), np.tile(np.arange(N), 50)
    assert choose_by_predictions(predicted, true, groups, "log_mae").winner == "persistence"
    assert choose_by_predictions(predicted, true, np.arange(50 * N), "log_mae").winner == "better"


def test_who_orders_the_best_worse_is_out_however_it_ranks_the_others() -> None:
    places = np.argsort(np.argsort(TRUE))
    best = places < 10
    turned = np.sort(TRUE)[np.abs(9 - places)]
    predicted = {"persistence": np.where(best, TRUE, noisy(0.2)), "other": np.where(best, turned, TRUE)}
    ranks = {name: np.argsort(np.argsort(values)) for name, values in predicted.items()}
    assert np.square(ranks["other"] - places).sum() < np.square(ranks["persistence"] - places).sum()
    assert choose_by_predictions(predicted, TRUE, np.arange(N), "spearman", "min").winner == "persistence"
    assert choose_by_predictions(predicted, TRUE, np.arange(N), "spearman", "max").winner == "other"


def test_who_is_far_off_for_one_curve_is_out_however_it_ranks() -> None:
    far = np.where(TRUE.max() == TRUE, 100 * TRUE, noisy(0.1))
    assert chosen({"persistence": noisy(0.5), "far": far}).winner == "persistence"
    assert chosen({"persistence": noisy(0.5), "near": noisy(0.1)}).winner == "near"


def test_the_criteria_by_hand() -> None:
    predicted = noisy(0.2)
    by_name = {name: chosen({"x": predicted}, name).criterion["x"] for name in ("spearman", "r2", "log_mae")}
    ranks = [np.argsort(np.argsort(values)) for values in (TRUE, predicted)]
    assert by_name["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert by_name["r2"] == pytest.approx(1 - np.square(TRUE - predicted).mean() / TRUE.var())
    assert by_name["log_mae"] == pytest.approx(-0.2 * np.abs(NOISE).mean())


def test_constant_predictions_rank_nothing() -> None:
    found = chosen({"flat": np.full(N, 1.0), "good": noisy(0.1)})
    assert found.criterion["flat"] == 0.0
    assert found.winner == "good"


@pytest.mark.parametrize("rates", [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4], [0.1] * 10 + [0.2] * 2])
def test_too_few_curves_for_a_choice_are_told_as_such(rates) -> None:
    configurations = [{"lr": rate} for rate in rates]
    losses = [[1.0 + row, 0.5 + row] for row in range(len(rates))]
    curves = LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))
    counts = f"{len(rates)} training curves of {len(set(rates))} configurations are too few to choose"
    with pytest.raises(DataError, match=counts):
        fit_chosen(curves, 1, PredictorsParams(), 0)
    assert fit_chosen(curves, 1, PredictorsParams(), 0, ["persistence"])[0].name == "persistence"
