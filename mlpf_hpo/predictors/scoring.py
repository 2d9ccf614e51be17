"""Scores of predictors (R2, Spearman, Kendall, top recall, log errors) and splits by configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import r2_score
from sklearn.preprocessing import QuantileTransformer

from mlpf_hpo.array_types import LARGEST_SQUARED, BoolArray, FloatArray, IntArray, apart_from_zero
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Mode

Scores = dict[str, float]

ROUNDING = 1e-12
"""Relative error of a value that went to a scale and back."""

METRICS = ("r2_loss", "r2_quantile", "spearman", "kendall", "top_recall", "log_mae", "coverage")

REGIONS = ("coverage_best_third", "coverage_best_tenth", "coverage_best_twentieth")
"""Coverage among the curves that a rung would keep, and among those that end best: see `region_scores`."""


def grouped_folds(groups: NDArray[Any], n_folds: int, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield (train, test) positions; all rows of a configuration stand on one side.

    Raises
    ------
    DataError
        If there are fewer configurations than folds.
    """
    distinct, member = np.unique(groups, return_inverse=True)
    if len(distinct) < n_folds:
        raise DataError(
            f"{len(distinct)} configurations cannot be split into {n_folds} folds; lower "
            "predictors.outer_folds or inner_folds"
        )
    fold_of = np.empty(len(distinct), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(distinct))
    fold_of[order] = np.arange(len(distinct)) % n_folds
    for fold in range(n_folds):
        test = fold_of[member] == fold
        yield np.flatnonzero(~test), np.flatnonzero(test)


def halves(groups: NDArray[Any], points: int, seed: int) -> tuple[IntArray, IntArray]:
    """Return the paper's kind of split: half of the configurations to test on, `points` rows to train on.

    Raises
    ------
    DataError
        If the training half has fewer rows than asked for.
    """
    train, test = next(grouped_folds(groups, 2, seed))
    shuffled = np.random.default_rng(derive_seed(seed, "training rows")).permutation(train)
    if len(shuffled) < points:
        raise DataError(
            f"{points} training curves asked for, half of the configurations have {len(shuffled)}"
        )
    return shuffled[:points], test


def held_out(groups: NDArray[Any], points: int, seed: int) -> tuple[IntArray, IntArray]:
    """Return `points` rows to train on, and rows of other configurations to test on.

    Half of the configurations are tested, as by `halves`; fewer where the other half has too few rows. Both
    are dealt, and come, in an order that the names of the configurations decide, not the order of the rows.

    Raises
    ------
    DataError
        If less than a tenth of the configurations would be left to test on.
    """
    distinct, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    needed = int(np.searchsorted(np.cumsum(sizes[order]), points)) + 1
    training = max(needed, len(distinct) - len(distinct) // 2)
    if len(distinct) - training < max(2, len(distinct) // 10):
        raise DataError(
            f"{points} training curves asked for: of {len(groups)} curves of {len(distinct)} configurations "
            "too few would be left to test on; ask for fewer"
        )
    by_name = np.argsort(member, kind="stable")
    outside = np.isin(member, order[training:])[by_name]
    rows = np.random.default_rng(derive_seed(seed, "training rows")).permutation(by_name[~outside])
    return rows[:points], by_name[outside]


def quantile_space(train: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return the map from losses to quantiles of the training losses, [0, 1]."""
    # All rows: which ones a subsample has would depend on their order.
    transformer = QuantileTransformer(n_quantiles=min(50, len(train)), subsample=None)
    transformer.fit(apart_from_zero(np.asarray(train)).reshape(-1, 1))

    def transform(values: FloatArray) -> FloatArray:
        out: FloatArray = transformer.transform(np.asarray(values).reshape(-1, 1)).ravel()
        return out

    return transform


def score(
    true: FloatArray,
    predicted: FloatArray,
    true_quantile: FloatArray,
    quantile: FloatArray,
    mode: Mode = "min",
) -> Scores:
    """Return the scores of point predictions; none depends on the order of the rows.

    `r2_loss` and `r2_quantile` are R2(true, predicted) in units of the loss and in quantiles of the training
    losses; `spearman` and `kendall` (tau-b) give equal values their mean rank, and are 0 where either side is
    constant, which orders nothing; `top_recall` is that of the best min(10, n // 4); `log_mae` is the mean
    absolute error of log(loss), or of the loss where some are not positive.

    Parameters
    ----------
    true, predicted : array [n]
        Final losses.
    true_quantile, quantile : array [n]
        The same in quantiles of the training losses.
    mode : {"min", "max"}
        Whether small or large values are best.
    """
    order = np.lexsort((true_quantile, quantile, predicted, true))  # sums, too, to the last digit
    true, predicted, true_quantile, quantile = (
        np.asarray(values)[order] for values in (true, predicted, true_quantile, quantile)
    )
    sign = 1.0 if mode == "min" else -1.0
    varied = np.ptp(predicted) > 0 and np.ptp(true) > 0
    return {
        "r2_loss": float(r2_score(*squarable(true, predicted))),
        "r2_quantile": float(r2_score(true_quantile, quantile)),
        "spearman": float(stats.spearmanr(true, predicted).statistic) if varied else 0.0,
        "kendall": float(stats.kendalltau(true, predicted).statistic) if varied else 0.0,
        "top_recall": top_recall(sign * true, sign * predicted, max(1, min(10, len(true) // 4))),
        "log_mae": float(np.abs(log_errors(true, predicted)).mean()),
    }


def top_recall(true: FloatArray, predicted: FloatArray, top: int) -> float:
    """Return the share of the `top` rows with the smallest predictions that are among the best `top`.

    A row is among the best if its true value is not above the `top`-th smallest: of equal ones, each is as
    good. Where equal predictions compete for the last places, every choice among them is as likely as any
    other, and the expectation over all of them is returned: a constant prediction has the recall of chance.

    Parameters
    ----------
    true, predicted : array [n]
        Values, the smaller the better.
    top : int
        From 1 to n.

    Examples
    --------
    >>> top_recall(np.array([1.0, 2.0, 3.0, 4.0]), np.array([7.0, 7.0, 7.0, 7.0]), 1)
    0.25
    """
    best = true <= np.partition(true, top - 1)[top - 1]
    limit = np.partition(predicted, top - 1)[top - 1]
    chosen, tied = predicted < limit, predicted == limit
    places = top - chosen.sum()
    return float((best[chosen].sum() + places * best[tied].mean()) / top)


def squarable(true: FloatArray, predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both in a unit in which squares are finite and not 0: a power of two, which changes no digit."""
    largest = max(float(np.abs(true).max()), float(np.abs(predicted).max()))
    if not math.isfinite(largest) or largest == 0 or 1 / LARGEST_SQUARED <= largest <= LARGEST_SQUARED:
        return true, predicted
    shift = -math.frexp(largest)[1]
    return np.ldexp(true, shift), np.ldexp(predicted, shift)


def log_errors(true: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return log(true / predicted), or the differences where some values are not positive."""
    if min(true.min(), predicted.min()) > 0:
        return np.asarray(np.log(true / predicted))
    return true - predicted


def coverage(true: FloatArray, prediction: Prediction) -> float:
    """Return the share of final losses that lie within their intervals, or at a bound but for rounding."""
    return float(_held(true, prediction).mean())


def _held(true: FloatArray, prediction: Prediction) -> BoolArray:
    """Return which values lie within their intervals.

    Where many values are equal, an interval may end at them, or be of no width.
    """
    margin = ROUNDING * np.abs(true)
    return np.asarray((prediction.lower <= true + margin) & (true - margin <= prediction.upper))


def region_scores(
    true: FloatArray, prediction: Prediction, last: FloatArray | None, mode: Mode = "min"
) -> Scores:
    """Return the coverage among the best third at the time, and among the eventual best tenth and twentieth.

    An interval that holds its promise for all curves may break it for those that a search is about.

    Parameters
    ----------
    true : array [n]
        Final values.
    prediction : Prediction
    last : array [n] or None
        The last observed values, by which a rung ranks; None before the first epoch, when predictions rank.
    mode : {"min", "max"}
        Whether small or large values are best.
    """
    sign = 1.0 if mode == "min" else -1.0
    held = _held(true, prediction)

    def among_best(values: FloatArray, share: float) -> float:
        count = max(1, round(share * len(values)))
        return float(held[values <= np.partition(values, count - 1)[count - 1]].mean())

    now = sign * (prediction.mean if last is None else last)
    return {
        "coverage_best_third": among_best(now, 1 / 3),
        "coverage_best_tenth": among_best(sign * true, 1 / 10),
        "coverage_best_twentieth": among_best(sign * true, 1 / 20),
    }


def bootstrap(
    evaluate: Callable[[IntArray], Scores], groups: NDArray[Any], seed: int, draws: int = 500
) -> dict[str, dict[str, float]]:
    """Return each score with its spread when configurations are drawn again with replacement.

    Parameters
    ----------
    evaluate : callable
        From row positions to scores.
    groups : array [n]
        Configuration of each row.
    seed, draws : int
        Of the bootstrap.

    Returns
    -------
    dict of {mean, std, low, high}
        "mean" is the score on all rows; low and high are the 95 % interval.
    """
    distinct, member = np.unique(groups, return_inverse=True)
    rows_of = [np.flatnonzero(member == i) for i in range(len(distinct))]
    generator = np.random.default_rng(seed)
    central = evaluate(np.arange(len(groups)))
    samples: dict[str, list[float]] = {name: [] for name in central}
    for _ in range(draws):
        drawn = np.concatenate([rows_of[i] for i in generator.integers(len(distinct), size=len(distinct))])
        for name, value in evaluate(drawn).items():
            samples[name].append(value)
    return {
        name: {
            "mean": central[name],
            "std": float(np.std(values)),
            "low": float(np.quantile(values, 0.025)),
            "high": float(np.quantile(values, 0.975)),
        }
        for name, values in samples.items()
    }
