"""Restarts: the published table, restarts put into clean curves, and noise that must not look like one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import r2_score

from mlpf_hpo.curves.restarts import first_restarts

EPOCHS = 100


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    folder = os.environ.get("MLPF_HPO_REFERENCE_DIR")
    if not folder:
        pytest.skip("MLPF_HPO_REFERENCE_DIR is not set: the published curves are not at hand")
    curves = pd.read_csv(Path(folder, "mlpf_learning_curves.csv"))
    return curves[[f"loss_{epoch}" for epoch in range(EPOCHS)]].to_numpy()


def nearly_monotone(table: np.ndarray) -> np.ndarray:
    """Return the rows of which a falling curve explains 99 %: clean by a measure that knows no restarts."""
    epochs, fit = np.arange(table.shape[1]), IsotonicRegression(increasing=False)
    explained = [r2_score(row, fit.fit(epochs, row).predict(epochs)) for row in table]
    return table[np.array(explained) > 0.99]


def learning(n: int, noise: float, seed: int, epochs: int = EPOCHS) -> np.ndarray:
    generator = np.random.default_rng(seed)
    drop, rate = generator.uniform(0.2, 1.2, (n, 1)), generator.uniform(0.02, 1.0, (n, 1))
    curves = 1 + drop * np.exp(-rate * np.arange(epochs))
    return curves + noise * generator.normal(size=(n, epochs))


def test_published_restarts(table) -> None:
    first = first_restarts(table)
    marked = first[first >= 0]
    assert len(marked) == 97
    assert np.percentile(marked, [25, 50, 75]).tolist() == [23, 49, 71]
    assert (first[[1, 4, 7]] >= 0).all()
    assert first[[4, 7]].tolist() == [91, 50]


def test_no_false_alarm_on_published_curves_that_fall(table) -> None:
    clean = nearly_monotone(table)
    assert len(clean) == 119
    assert (first_restarts(clean) == -1).all()


def test_a_spike_is_no_restart() -> None:
    """A single bad epoch, as bad as the first one, after which the training goes on where it stood."""
    generator = np.random.default_rng(3)
    curves = learning(500, 0.01, seed=0)
    at = generator.integers(20, EPOCHS - 3, len(curves))
    curves[np.arange(len(curves)), at] = curves[:, 0]
    assert (first_restarts(curves) >= 0).mean() <= 0.004


@pytest.mark.parametrize("epochs", [16, EPOCHS])
def test_finds_restarts_put_into_clean_curves(table, epochs) -> None:
    generator = np.random.default_rng(1)
    clean = nearly_monotone(table)[:, :epochs]
    at = generator.integers(2, epochs - 1, len(clean))
    restarted = np.stack([np.r_[row[:t], row[: epochs - t]] for row, t in zip(clean, at, strict=True)])
    restarted += 0.01 * np.ptp(clean, axis=1, keepdims=True) * generator.normal(size=clean.shape)
    assert (first_restarts(restarted) == at).mean() > 0.97


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03, 0.1])
@pytest.mark.parametrize("epochs", [16, EPOCHS])
def test_noise_is_no_restart(noise, epochs) -> None:
    assert (first_restarts(learning(500, noise, seed=0, epochs=epochs)) >= 0).mean() <= 0.004


def test_curves_of_noise_alone_are_rarely_marked() -> None:
    generator = np.random.default_rng(0)
    white = generator.normal(size=(500, EPOCHS))
    for curves in (white, np.cumsum(white, axis=1), learning(500, 0.3, seed=0)):
        assert (first_restarts(curves) >= 0).mean() <= 0.01


@given(
    hnp.arrays(float, (3, 12), elements=st.integers(-50, 50).map(float)),
    st.sampled_from([-1.0, 1.0, 0.25, -8.0]),
    st.integers(-64, 64),
)
def test_units_and_mode_do_not_matter(curves, scale, shift) -> None:
    assert first_restarts(curves * scale + shift).tolist() == first_restarts(curves).tolist()


def test_mixed_rows_are_independent_and_curves_may_end(table) -> None:
    ended = table[:20].copy()
    ended[4, 90:] = np.nan  # ends before it restarts at 91
    ended[7, 60:] = np.nan
    ended[8, 30] = np.inf
    first = first_restarts(ended)
    assert first[4] == -1
    assert first[7] == 50
    assert first.tolist() == [int(first_restarts(row[np.newaxis])[0]) for row in ended]


@pytest.mark.parametrize("n_epochs", [0, 1, 2])
def test_curves_too_short_to_restart(n_epochs) -> None:
    assert first_restarts(np.ones((4, n_epochs))).tolist() == [-1] * 4


def test_flat_and_unknown_curves() -> None:
    assert first_restarts(np.vstack([np.ones(20), np.full(20, np.nan)])).tolist() == [-1, -1]


def test_one_curve_is_not_a_table() -> None:
    with pytest.raises(ValueError, match="table"):
        first_restarts(np.ones(10))
