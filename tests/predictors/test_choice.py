"""The choice among candidates: the criterion, ties, and the interval score that decides among them."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.predictors.choice import choose_by_predictions
from mlpf_hpo.predictors.intervals import interval_score

N = 60
GENERATOR = np.random.default_rng(0)
TRUE = np.exp(GENERATOR.normal(size=N))
NOISE = GENERATOR.normal(size=N)


def noisy(width: float) -> np.ndarray:
    return TRUE * np.exp(width * NOISE)


def chosen(predicted: dict[str, np.ndarray], criterion: str = "spearman", groups: np.ndarray | None = None):
    return choose_by_predictions(predicted, TRUE, np.arange(N) if groups is None else groups, criterion, 0.9)


@pytest.mark.parametrize("criterion", ["spearman", "r2", "log_mae"])
def test_who_is_clearly_better_wins_whatever_its_intervals_are(criterion) -> None:
    found = chosen({"poor": noisy(2.0), "good": noisy(0.1)}, criterion)
    assert (found.winner, found.tied) == ("good", ("good",))


def test_of_those_that_rank_alike_the_one_with_the_better_intervals_wins() -> None:
    stretched = np.exp(3 * np.log(noisy(0.1)))  # the same order, other values
    found = chosen({"stretched": stretched, "good": noisy(0.1)})
    assert found.criterion["stretched"] == found.criterion["good"]
    assert found.tied == ("stretched", "good")
    assert found.winner == "good"
    assert found.interval_scores["good"] < found.interval_scores["stretched"]


def test_a_difference_within_its_error_is_a_tie() -> None:
    other = np.exp(0.3 * np.random.default_rng(7).normal(size=N)) * TRUE
    found = chosen({"one": noisy(0.3), "other": other})
    assert found.criterion["one"] != found.criterion["other"]
    assert found.tied == ("one", "other")


def test_copies_of_rows_do_not_break_a_tie() -> None:
    other = np.exp(0.3 * np.random.default_rng(7).normal(size=N)) * TRUE
    copies = [np.tile(values, 50) for values in (noisy(0.3), other, TRUE)]
    predicted = {"one": copies[0], "other": copies[1]}
    groups = np.tile(np.arange(N), 50)
    assert len(choose_by_predictions(predicted, copies[2], groups, "spearman", 0.9).tied) == 2
    assert len(choose_by_predictions(predicted, copies[2], np.arange(50 * N), "spearman", 0.9).tied) == 1


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


def test_the_interval_score_is_least_for_the_quantiles() -> None:
    errors = np.random.default_rng(1).normal(size=2000)

    def score(low: float, high: float) -> float:
        missed = np.maximum(0, low - errors) + np.maximum(0, errors - high)
        return high - low + missed.mean() / 0.05

    assert interval_score(errors, 0.9) <= min(score(-c, c) for c in np.linspace(0.5, 3, 26)) + 1e-3
    assert interval_score(10 * errors, 0.9) == pytest.approx(10 * interval_score(errors, 0.9))
