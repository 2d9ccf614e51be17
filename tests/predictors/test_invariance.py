"""What `evaluate` must not depend on: units, order of rows and columns, direction, monotone transforms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.repeated_splits import Evaluation, evaluate
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.target_metric import TargetMetric

N, EPOCHS, KNOWN = 28, 6, 3
NAMES = ["persistence", "ridge"]
RANKS = ("spearman", "kendall", "top_recall")
KINDS = ("falling", "rising", "negative", "both signs", "heavy-tailed", "tied")
FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])


def curves_of(kind: str, seed: int) -> LearningCurves:
    """Return curves of a kind; configurations of two rows each, in part."""
    generator = np.random.default_rng(seed)
    lr, width = generator.uniform(1, 2, N), generator.integers(1, 5, N)
    lr[1::4], width[1::4] = lr[::4], width[::4]
    level = 5 + 3 * lr + width + 0.3 * generator.normal(size=N)
    fall = generator.uniform(1, 3, N)[:, None] * np.exp(-0.7 * np.arange(EPOCHS))
    values = level[:, None] + fall + 0.05 * generator.normal(size=fall.shape)
    values = {
        "falling": lambda: values,
        "rising": lambda: 30 - values,
        "negative": lambda: values - 40,
        "both signs": lambda: values * (-1.0) ** width[:, None],
        "heavy-tailed": lambda: np.exp(4 * (values - 12)),
        "tied": lambda: np.round(values / 2),
    }[kind]()
    configurations = [{"lr": float(a), "width": int(b)} for a, b in zip(lr, width, strict=True)]
    target = TargetMetric("it", "max" if kind == "rising" else "min")
    return LearningCurves.from_arrays(configurations, values, target)


def scored(curves: LearningCurves, names=NAMES, known: int = KNOWN, folds: int = 2) -> Evaluation:
    return evaluate(curves, names, known, 10, 2, PredictorsParams(outer_folds=folds), seed=0)


def with_values(curves: LearningCurves, values: np.ndarray, mode: str | None = None) -> LearningCurves:
    target = TargetMetric("it", mode or curves.mode)
    return replace(curves, metrics={"it": values}, target=target)


def assert_same(left: Evaluation, right: Evaluation, metrics, names=NAMES) -> None:
    for name in names:
        for metric in metrics:
            found, expected = left.scores[name][metric], right.scores[name][metric]
            np.testing.assert_allclose(found, expected, 1e-6, 1e-6, err_msg=f"{name} {metric}")


@FEW
@given(st.sampled_from(KINDS), st.integers(0, 9))
def test_the_order_of_rows(kind, seed) -> None:
    curves = curves_of(kind, seed)
    shuffled = curves.select(np.random.default_rng(seed + 1).permutation(N))
    assert scored(shuffled).scores == scored(curves).scores


@FEW
@given(st.sampled_from(KINDS), st.integers(0, 9))
def test_the_order_of_columns(kind, seed) -> None:
    curves = curves_of(kind, seed)
    swapped = replace(curves, configs=curves.configs[["config_id", "seed", "width", "lr"]])
    assert_same(scored(swapped), scored(curves), (*RANKS, "r2_loss", "r2_quantile", "coverage"))


@FEW
@given(st.sampled_from(KINDS), st.integers(0, 9), st.sampled_from([2.0**-40, 0.5, 3.0, 2.0**40]))
def test_the_unit(kind, seed, unit) -> None:
    """Of positive values, logarithms are taken: their differences are the same in any unit."""
    curves = curves_of(kind, seed)
    scaled = scored(with_values(curves, unit * curves.values))
    assert_same(scaled, scored(curves), (*RANKS, "r2_loss", "r2_quantile", "coverage"))


@FEW
@given(st.sampled_from(["negative", "both signs"]), st.integers(0, 9), st.floats(-30, -5))
def test_a_shift_of_values_that_are_not_all_positive(kind, seed, shift) -> None:
    curves = curves_of(kind, seed)
    shifted = scored(with_values(curves, curves.values + shift))
    # Ten rows of both signs may be positive throughout: their intervals then are of logarithms.
    intervals = ("coverage",) if kind == "negative" else ()
    assert_same(shifted, scored(curves), (*RANKS, "r2_loss", "r2_quantile", *intervals))


@FEW
@given(st.integers(0, 9))
def test_the_direction(seed) -> None:
    """Values of both signs, as mirrored ones are not all positive either; models of ranks are not symmetric.

    Of several trainings of one configuration, their order by value decides which are trained on.
    """
    curves, names = curves_of("both signs", seed), ["persistence", "drift", "residual_ridge"]
    curves = curves.select(~curves.duplicated)
    # With two folds a half of ten rows may be positive throughout, where logarithms are taken.
    mirrored = scored(with_values(curves, -curves.values, "max"), names, folds=5)
    assert_same(mirrored, scored(curves, names, folds=5), (*RANKS, "r2_loss", "coverage"), names)


@FEW
@given(st.sampled_from(KINDS), st.integers(0, 9), st.sampled_from(["cube", "arctan", "ranks"]))
def test_monotone_transforms_change_no_rank_of_persistence(kind, seed, transform) -> None:
    curves, values = curves_of(kind, seed), curves_of(kind, seed).values
    size = np.abs(values).max()
    found = {
        "cube": lambda: (values / size) ** 3,
        "arctan": lambda: np.arctan(values / np.median(np.abs(values))),
        "ranks": lambda: pd.Series(values.ravel()).rank(method="dense").to_numpy().reshape(values.shape),
    }[transform]()
    names = ["persistence"]
    assert_same(scored(with_values(curves, found), names), scored(curves, names), RANKS, names)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("known", [0, EPOCHS - 1])
def test_scores_of_all_kinds_are_finite(kind, known) -> None:
    for scores in scored(curves_of(kind, 0), known=known).scores.values():
        assert all(np.isfinite(values).all() for values in scores.values())


def test_equal_observed_values_rank_by_chance() -> None:
    """Persistence predicts one value for all: the top k are any k, of which k / n are among the best."""
    curves = curves_of("falling", 0)
    values = curves.values.copy()
    values[:, :KNOWN] = 7.0
    found = scored(with_values(curves, values), ["persistence"])
    assert found.scores["persistence"]["spearman"] == [0.0, 0.0]
    assert found.scores["persistence"]["top_recall"] == pytest.approx([1 / 4, 1 / 4], abs=0.04)


def test_constant_final_values_are_refused() -> None:
    curves = curves_of("falling", 0)
    values = curves.values.copy()
    values[:, -1] = -3.0
    with pytest.raises(DataError, match="all final values are -3"):
        scored(with_values(curves, values))
