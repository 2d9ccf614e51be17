"""Intervals against their definitions: binomial sums, and numpy on values as often as they count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf_hpo.evaluation.intervals import (
    LEVEL,
    EventBootstrap,
    Resampled,
    clopper_pearson,
    percentile_interval,
)


def binomial(k: int, n: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


@settings(max_examples=60)
@given(total=st.integers(1, 60), share=st.floats(0, 1))
def test_the_bounds_of_a_fraction_are_those_of_the_definition(total: int, share: float) -> None:
    passed = round(share * total)
    value, low, high = clopper_pearson(passed, total)
    assert value == passed / total
    outside = (1 - LEVEL) / 2
    at_least = sum(binomial(k, total, low) for k in range(passed, total + 1))
    at_most = sum(binomial(k, total, high) for k in range(passed + 1))
    assert low == 0 if passed == 0 else at_least == pytest.approx(outside)
    assert high == 1 if passed == total else at_most == pytest.approx(outside)


def test_closed_forms_at_the_ends() -> None:
    """None of n: 1 - (outside)^(1/n); all of n mirrors it; of nothing, nothing is known."""
    outside = (1 - LEVEL) / 2
    assert clopper_pearson(0, 7) == pytest.approx((0, 0, 1 - outside ** (1 / 7)))
    assert clopper_pearson(7, 7) == pytest.approx((1, outside ** (1 / 7), 1))
    assert all(math.isnan(number) for number in clopper_pearson(0, 0))


def test_percentiles_of_the_replicas() -> None:
    values = np.concatenate([[0.3], np.linspace(0, 1, 1001)])
    assert percentile_interval(values) == pytest.approx((0.3, (1 - LEVEL) / 2, (1 + LEVEL) / 2))
    few = np.array([0.3, 0.1, np.nan, np.nan])
    assert percentile_interval(few)[0] == 0.3
    assert all(math.isnan(bound) for bound in percentile_interval(few)[1:])


@settings(max_examples=80)
@given(
    values=st.lists(st.tuples(st.floats(-5, 5, width=16), st.integers(0, 3)), min_size=1, max_size=40),
    weights=st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=1, max_size=5),
)
def test_every_row_is_its_values_written_out(
    values: list[tuple[float, int]], weights: list[tuple[int, ...]]
) -> None:
    """Also with equal values, with events that are not drawn, and with blocks that are not full."""
    table, event = np.array([v for v, _ in values], dtype=float), np.array([e for _, e in values])
    drawing = np.array([row for row in weights if sum(row[e] for e in event)]).reshape(-1, 4)
    if not len(drawing):
        return
    resampled = Resampled(table, event, drawing)
    written = [np.repeat(table, row[event]) for row in drawing]
    q = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
    for row, drawn in zip(resampled.quantiles(q), written, strict=True):
        assert row == pytest.approx(np.quantile(drawn, q))
    low, high = np.full(len(drawing), table[0]), np.full(len(drawing), table.max())
    counted = [((drawn >= table[0]) & (drawn <= table.max())).sum() for drawn in written]
    assert resampled.between(low, high).tolist() == counted
    assert resampled.total.tolist() == [len(drawn) for drawn in written]


def test_resamples_draw_whole_events() -> None:
    bootstrap = EventBootstrap(9, seed=1, replicas=50)
    assert bootstrap.weights[0].tolist() == [1] * 9
    assert (bootstrap.weights.sum(axis=1) == 9).all()
    assert (EventBootstrap(9, seed=1, replicas=50).weights == bootstrap.weights).all()
    assert (EventBootstrap(9, seed=2, replicas=50).weights != bootstrap.weights).any()


def test_each_replica_is_its_events_written_out() -> None:
    """Fraction, mean, median, width and tails of every replica, one by one with plain numpy."""
    generator = np.random.default_rng(0)
    event = np.sort(generator.integers(0, 6, 80))
    values = generator.standard_cauchy(80)
    passed, total = generator.integers(0, 5, 6), generator.integers(5, 9, 6)
    bootstrap = EventBootstrap(6, seed=3, replicas=40)
    spread = bootstrap.spread(values, event)
    fraction, mean = bootstrap.fraction(passed, total), bootstrap.mean(passed)
    for i, times in enumerate(bootstrap.weights):
        drawn = np.repeat(np.arange(6), times)
        assert fraction[i] == pytest.approx(passed[drawn].sum() / total[drawn].sum())
        assert mean[i] == pytest.approx(passed[drawn].mean())
        all_values = np.concatenate([values[event == e] for e in drawn])
        low, median, high = np.quantile(all_values, [0.25, 0.5, 0.75])
        width = (high - low) / 1.349
        tails = (np.abs(all_values - median) > 3 * width).mean()
        assert spread[i] == pytest.approx([median, width, tails])


def test_a_gaussian_has_its_width_and_tails() -> None:
    """Within five standard errors; the interval of the median is about that of its standard error."""
    n = 40_000
    values = np.random.default_rng(2).normal(1.0, 2.0, n)
    spread = EventBootstrap(200, seed=0, replicas=100).spread(values, np.arange(n) % 200)
    median, width, tails = spread[0]
    assert median == pytest.approx(1.0, abs=5 * 2 * 1.2533 / math.sqrt(n))
    assert width == pytest.approx(2.0, rel=0.03)
    assert tails == pytest.approx(0.0027, abs=5 * math.sqrt(0.0027 / n))
    _, low, high = percentile_interval(spread[:, 0])
    assert (high - low) / 2 == pytest.approx(2 * 1.2533 / math.sqrt(n), rel=0.35)


def test_replicas_without_a_value_say_nothing() -> None:
    bootstrap = EventBootstrap(3, seed=0, replicas=60)
    spread = bootstrap.spread(np.array([1.0, 2.0]), np.array([0, 0]))
    absent = bootstrap.weights[:, 0] == 0
    assert absent.any()
    assert np.isnan(spread[absent]).all()
    assert np.isfinite(spread[~absent]).all()
    assert np.isnan(bootstrap.fraction(np.array([1, 0, 0]), np.array([1, 0, 0]))[absent]).all()
    assert np.isnan(bootstrap.spread(np.zeros(0), np.zeros(0, dtype=int))).all()


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Fractions in events that are not independent: 300 samples, the bootstrap's interval of each."""
    generator = np.random.default_rng(7)
    covered = 0
    for seed in range(300):
        passed = generator.binomial(20, generator.beta(4, 4, 60))  # each event with an efficiency of its own
        bounds = percentile_interval(EventBootstrap(60, seed, replicas=150).fraction(passed, np.full(60, 20)))
        covered += bounds.low <= 0.5 <= bounds.high
    assert covered / 300 == pytest.approx(LEVEL, abs=4 * math.sqrt(LEVEL * (1 - LEVEL) / 300))
