"""Equal values: no score, no choice and no evaluation depends on the order of the rows."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.curves.row_order import by_content
from mlpf_hpo.predictors.criteria import CRITERIA, choose_by_predictions, fit_chosen, measures
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.predictors.jackknife import jackknife_difference
from mlpf_hpo.predictors.regressors.ensemble import published_r2
from mlpf_hpo.predictors.repeated_splits import evaluate
from mlpf_hpo.predictors.scoring import METRICS, bootstrap, coverage, held_out, score, top_recall
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.predictors.shrinkage import shrinkage_factor
from tests.curves.tables import some_curves

FEW = st.sampled_from([0.5, 1.0, 1.5, 2.0, 7.25])  # ties in most draws
LOSSES = FEW | st.floats(1e-3, 1e4) | st.floats(-10, 10).map(lambda value: round(value, 6))
modes = st.sampled_from(["min", "max"])


def columns(n: int, values: st.SearchStrategy[float] = LOSSES) -> st.SearchStrategy[np.ndarray]:
    """Return tables [4, m] of true values, predictions, and two more columns, with ties in each."""
    rows = st.integers(2, n).flatmap(
        lambda m: st.lists(st.lists(values, min_size=m, max_size=m), min_size=4, max_size=4)
    )
    return rows.map(np.array)


def all_scores(table: np.ndarray, mode: str) -> dict[str, float]:
    """Return every score that the package has of true values and predictions."""
    true, predicted, low, high = table
    interval = Prediction(predicted, np.minimum(low, high), np.maximum(low, high), 0.9)
    instead = low
    return {
        **score(true, predicted, low, high, mode),
        "coverage": coverage(true, interval),
        "published R2": published_r2(true, predicted),
        **{f"measure {name}": measure(true, predicted) for name, measure in measures(mode).items()},
        **{
            f"gain in {name}": jackknife_difference(one, true, predicted, instead)[0]
            for name, one in measures(mode).items()
        },
    }


def instead_measures(table: np.ndarray, mode: str) -> list[float]:
    """Return the sizes of the measures that gains are over."""
    true, _, low, _ = table
    return [abs(measure(true, low)) for measure in measures(mode).values()]


@settings(max_examples=150)
@given(columns(14), modes, st.randoms(use_true_random=False))
def test_no_score_depends_on_the_order_of_the_rows(table, mode, random) -> None:
    order = list(range(table.shape[1]))
    random.shuffle(order)
    found, other = all_scores(table, mode), all_scores(table[:, order], mode)
    assert set(METRICS) | {f"measure {name}" for name in CRITERIA} <= set(found)
    gains = {name for name in found if name.startswith("gain in ")}
    assert {name: other[name] for name in other.keys() - gains} == pytest.approx(
        {name: found[name] for name in found.keys() - gains}, rel=1e-12, abs=1e-12
    )
    # A gain is the difference of two measures, and rounded as the larger of them is.
    largest = max(1.0, *(abs(value) for value in found.values()), *instead_measures(table, mode))
    assert {name: other[name] for name in gains} == pytest.approx(
        {name: found[name] for name in gains}, rel=1e-12, abs=1e-12 * largest
    )
    assert all(np.isfinite(value) for value in found.values())


@given(columns(10), modes)
def test_predicting_the_truth_is_perfect_with_and_without_ties(table, mode) -> None:
    true, _, quantile, _ = table
    assume(np.ptp(true) > 1e-9)
    perfect = score(true, true, quantile, quantile, mode)
    assert perfect == pytest.approx(
        {"r2_loss": 1, "r2_quantile": 1, "spearman": 1, "kendall": 1, "top_recall": 1, "log_mae": 0}
    )
    assert measures(mode)["order of the best"](true, true) == pytest.approx(1)


def recall_of_all_orders(true: np.ndarray, predicted: np.ndarray, top: int) -> float:
    """Return the mean recall over all orders of the rows, of a sort that keeps the order of equals."""
    limit = np.sort(true)[top - 1]
    found = []
    for order in itertools.permutations(range(len(true))):
        rows = np.array(order)
        chosen = rows[np.argsort(predicted[rows], kind="stable")[:top]]
        found.append(np.mean(true[chosen] <= limit))
    return float(np.mean(found))


@settings(max_examples=60)
@given(columns(6, FEW), st.data())
def test_recall_is_the_mean_over_all_orders_of_ties(table, data) -> None:
    true, predicted = table[:2]
    top = data.draw(st.integers(1, len(true)))
    assert top_recall(true, predicted, top) == pytest.approx(recall_of_all_orders(true, predicted, top))


def test_recall_of_constant_predictions_is_that_of_chance() -> None:
    true, constant = np.arange(40.0), np.full(40, 2.0)
    assert score(true, constant, true, constant)["top_recall"] == pytest.approx(10 / 40)
    assert score(true, constant, true, constant, "max")["top_recall"] == pytest.approx(10 / 40)
    half = np.where(true < 5, 0.0, 2.0)  # the best five for sure, five of the other 35 by chance
    assert score(true, half, true, half)["top_recall"] == pytest.approx((5 + 5 * 5 / 35) / 10)


def test_constant_values_order_nothing() -> None:
    true, constant = np.arange(1.0, 9.0), np.full(8, 3.0)
    for one, other in ((true, constant), (constant, true), (constant, constant)):
        found = score(one, other, one, other)
        assert (found["spearman"], found["kendall"]) == (0, 0)
        for name in ("spearman", "order of the best"):
            assert measures("min")[name](one, other) == 0
    assert score(constant, true, constant, true)["top_recall"] == 1, "of equal ones, each is as good"
    assert CRITERIA["r2"](constant, true) == 0


@given(columns(12))
def test_rank_correlations_give_equal_values_their_mean_rank(table) -> None:
    true, predicted = table[:2]
    assume(np.ptp(true) > 0)
    assume(np.ptp(predicted) > 0)
    ranks = [[np.mean([sum(b < a for b in row) + 1, sum(b <= a for b in row)]) for a in row]
             for row in (true, predicted)]  # fmt: skip
    expected = np.corrcoef(*ranks)[0, 1]
    assert score(true, predicted, true, predicted)["spearman"] == pytest.approx(expected, abs=1e-9)
    assert CRITERIA["spearman"](true, predicted) == pytest.approx(expected, abs=1e-9)
    assert score(true, predicted, true, predicted)["kendall"] == pytest.approx(
        stats.kendalltau(true, predicted, variant="b").statistic, abs=1e-12
    )


@settings(max_examples=20)
@given(st.permutations(range(12)))
def test_spread_choice_and_shrinkage_do_not_depend_on_the_order_either(order) -> None:
    generator = np.random.default_rng(1)
    groups = np.repeat(list("bafdce"), 2)
    true = np.repeat([1.0, 2.0, 2.0, 3.0, 3.0, 5.0], 2)
    flat, near = np.full(12, 2.0), true + 0.01 * generator.normal(size=12)

    def found(rows: np.ndarray) -> tuple:
        y, predicted, name = true[rows], near[rows], groups[rows]
        choice = choose_by_predictions(
            {"persistence": flat, "near": predicted, "same": predicted}, y, name, "spearman"
        )
        spread = bootstrap(
            lambda at: score(y[at], predicted[at], y[at], predicted[at]), name, seed=0, draws=20
        )
        return choice.winner, spread, shrinkage_factor(y, predicted, flat, name)

    winner, spread, share = found(np.arange(12))
    assert winner == "near", "of equal candidates the first is chosen"
    other = found(np.array(order))
    assert other[0] == winner
    assert other[2] == pytest.approx(share, rel=1e-12)
    for name, numbers in spread.items():
        assert other[1][name] == pytest.approx(numbers, rel=1e-9, abs=1e-12)


ORDERS = {
    "best first": lambda final: np.argsort(final),
    "best last": lambda final: np.argsort(-final),
    "shuffled": lambda final: np.random.default_rng(3).permutation(len(final)),
}
NAMES = ["persistence", "svr", "cautious_trees", "qsvr", "selected"]
FAST = PredictorsParams.model_validate(
    {"candidates": ["persistence", "svr", "cautious_trees"], "outer_folds": 3, "inner_folds": 2,
     "table_2_splits": 2, "table_2_points": 6, "qsvr": {"sampler": "random", "reads": 20, "points": 8}}
)  # fmt: skip


@pytest.fixture(scope="module", params=[False, True], ids=["distinct", "twice"])
def tables(request, tmp_path_factory) -> dict[str, Path]:
    """Write one table in three orders, its observed epochs equal; the last ten configurations stand twice."""
    curves = some_curves(40, 8, seed=5, warm_up=2)
    rows = curves.frame()
    if request.param:
        again = rows.tail(10).copy()
        again.loc[:, "loss_3":] += 0.25
        rows = pd.concat([rows, again], ignore_index=True)
    folder = tmp_path_factory.mktemp("orders")
    for name, order in ORDERS.items():
        rows.iloc[order(rows["loss_7"].to_numpy())].to_csv(folder / f"{name}.csv", index=False)
    return {name: folder / f"{name}.csv" for name in ORDERS}


def test_an_evaluation_does_not_depend_on_the_order_of_the_table(tables) -> None:
    found = [evaluate(read_table(path), NAMES, 2, 16, 3, FAST, seed=4) for path in tables.values()]
    assert found[0].scores["persistence"]["spearman"] == [0, 0, 0]
    of_chance = {(n // 4) / n for n in range(found[0].test, 34)}
    assert {min(abs(one - chance) for chance in of_chance) < 1e-12
            for one in found[0].scores["persistence"]["top_recall"]} == {True}  # fmt: skip
    assert found[1].scores == found[0].scores == found[2].scores
    assert found[1].chosen == found[0].chosen == found[2].chosen


def test_a_fit_does_not_depend_on_the_order_of_the_table(tables) -> None:
    fitted = [fit_chosen(read_table(path), 4, FAST, 0, ["cautious_trees"])[0] for path in tables.values()]
    seen = some_curves(9, 8, seed=6, warm_up=2).frame(4)
    predicted = [predictor.predict_interval(seen) for predictor in fitted]
    for name in ("mean", "lower", "upper"):
        np.testing.assert_array_equal(getattr(predicted[1], name), getattr(predicted[0], name))
        np.testing.assert_array_equal(getattr(predicted[2], name), getattr(predicted[0], name))


def test_rows_of_a_table_come_in_one_order_and_those_of_a_campaign_stay() -> None:
    curves = some_curves(12, 4)
    turned = curves.select(np.arange(12)[::-1])
    np.testing.assert_array_equal(by_content(turned).values, by_content(curves).values)
    assert list(by_content(turned).groups) == sorted(curves.groups)
    tracked = curves.select(np.arange(12))
    object.__setattr__(tracked, "run_ids", np.array([f"run {i}" for i in range(12)]))
    assert by_content(tracked) is tracked


@given(st.permutations(range(20)), st.integers(0, 5))
def test_training_rows_are_dealt_by_configuration(order, seed) -> None:
    groups = np.array([f"c{i:02d}" for i in range(20)])
    expected = [groups[part].tolist() for part in held_out(groups, 6, seed)]
    turned = groups[list(order)]
    assert [turned[part].tolist() for part in held_out(turned, 6, seed)] == expected
