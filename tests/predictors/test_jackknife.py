"""The jackknife's values without each block, against one call of the measure for each."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlpf_hpo.predictors.jackknife import (
    BLOCKS,
    jackknife_difference,
    leave_out_blocks,
    negative_log_error,
    rank_correlation,
)


def spearman(true, predicted) -> float:
    return float(stats.spearmanr(true, predicted).statistic)


def log_error(true, predicted) -> float:
    if min(true.min(), predicted.min()) > 0:
        return -float(np.mean(np.abs(np.log(true) - np.log(predicted))))
    return -float(np.mean(np.abs(true - predicted)))


def curves(n: int, offset: float, digits: int) -> np.ndarray:
    generator = np.random.default_rng(n)
    true = generator.normal(size=n)
    return np.round(offset + true + np.array([[0.0], [1.0], [2.0]]) * generator.normal(size=(3, n)), digits)


@pytest.mark.parametrize(
    ("measure", "oracle"), [(rank_correlation, spearman), (negative_log_error, log_error)]
)
@pytest.mark.parametrize("offset", [0.0, 50.0])
@pytest.mark.parametrize(("n", "repeats", "digits"), [(7, 1, 9), (80, 1, 0), (130, 2, 9), (200, 1, 0)])
def test_all_blocks_at_once_are_one_at_a_time(measure, oracle, offset, n, repeats, digits) -> None:
    true, predicted, instead = curves(n, offset, digits)
    groups = np.random.default_rng(0).permutation(np.arange(n) // repeats)
    blocks = leave_out_blocks(groups)
    assert blocks.max() + 1 == min(BLOCKS, len(np.unique(groups)))
    assert all(len(np.unique(blocks[groups == group])) == 1 for group in groups)
    values = np.array(
        [
            oracle(true[kept], predicted[kept]) - oracle(true[kept], instead[kept])
            for kept in (blocks != block for block in range(blocks.max() + 1))
        ]
    )
    error = np.sqrt((len(values) - 1) * values.var())
    whole = oracle(true, predicted) - oracle(true, instead)
    found = jackknife_difference(measure, true, predicted, instead, blocks)
    assert found == pytest.approx((whole, error), rel=1e-9)
    assert jackknife_difference(measure, true, predicted, instead) == (pytest.approx(whole), 0.0)


def test_logarithms_are_taken_where_the_block_left_out_holds_what_has_none() -> None:
    true, predicted, instead = curves(30, 50.0, 9)
    true[4] = -1.0
    blocks = np.arange(30)
    values = [
        log_error(np.delete(true, i), np.delete(predicted, i))
        - log_error(np.delete(true, i), np.delete(instead, i))
        for i in blocks
    ]
    _, error = jackknife_difference(negative_log_error, true, predicted, instead, blocks)
    assert error == pytest.approx(np.sqrt(29 * np.var(values)))


def test_a_prediction_that_is_constant_without_a_block_orders_nothing_there() -> None:
    true, predicted = np.arange(6.0), np.array([0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    without = [0.0, *(spearman(np.delete(true, i), np.delete(predicted, i)) for i in range(1, 6))]
    _, error = jackknife_difference(rank_correlation, true, predicted, np.zeros(6), np.arange(6))
    assert error == pytest.approx(np.sqrt(5 * np.var(without)))


@pytest.mark.parametrize("measure", [rank_correlation, negative_log_error])
def test_a_prediction_that_is_no_number_is_no_better(measure) -> None:
    true, predicted, instead = curves(20, 50.0, 9)
    predicted[3] = np.nan
    difference, error = jackknife_difference(measure, true, predicted, instead, np.arange(20))
    assert np.isnan(difference)
    assert np.isnan(error)
