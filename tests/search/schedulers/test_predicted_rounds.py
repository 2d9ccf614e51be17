"""Swift- and Fast-Hyperband: against their pseudo-code as plain loops with one worker, and as published."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import NuSVR

from mlpf_hpo.curves.readers.csv_table import import_csv
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric

REFERENCE = os.environ.get("MLPF_HPO_REFERENCE_DIR", "")
R, ETA = 27, 3
BRACKETS = [(27, [1, 3, 9, 27]), (12, [3, 9, 27]), (6, [9, 27]), (4, [27])]
"""Sizes and levels of Hyperband for R = 27, eta = 3."""


def table(seed, mode="min", n=49) -> LearningCurves:
    generator = np.random.default_rng(seed)
    ends, rates = generator.uniform(1, 3, (n, 1)), generator.uniform(0.2, 1, (n, 1))
    values = ends + 3 * np.exp(-rates * np.arange(R)) + 0.1 * generator.normal(size=(n, R))
    rows = [{"lr": float(end + generator.normal())} for end in ends[:, 0]]
    return LearningCurves.from_arrays(rows, values if mode == "min" else -values, TargetMetric("loss", mode))


def scaled_svr():
    return make_pipeline(MinMaxScaler(), TransformedTargetRegressor(NuSVR(), transformer=MinMaxScaler()))


def plain_swift(costs, d=15, k=0.5, share=0.5) -> list[int]:
    """Return the epochs of each trial."""
    spent, full, models, begin = [0] * len(costs), {level: [] for level in (1, 3, 9, 27)}, {}, 0
    for n, levels in BRACKETS:
        trials, before = list(range(begin, begin + n)), 0
        begin += n
        for i, level in enumerate(levels):
            n_next = max(1, n // ETA ** (i + 1))
            p = before + math.ceil((level - before) * share)
            if p == level:
                finished, parked = trials, []
            else:
                first = max(math.ceil(k * n_next), d - len(full[level]), 0)
                finished, parked = trials[:first], trials[first:]
                full[level] += finished
                if len(full[level]) >= d and (level, p) not in models:
                    rows = list(full[level])
                    models[level, p] = scaled_svr().fit(costs[rows, :p], costs[rows, level - 1])
            for row in parked:
                spent[row] = p
            done = [costs[row, level - 1] for row in finished]
            if parked:
                predicted = dict(zip(parked, models[level, p].predict(costs[parked, :p]), strict=True))
                good = [row for row in parked if predicted[row] < np.quantile(done, 0.25)]
                if len(good) + len(done) < n_next:
                    good = sorted(parked, key=predicted.get)[: n_next - len(done)]
                finished = [*finished, *good]
            for row in finished:
                spent[row] = level
            trials = sorted(finished, key=lambda row: costs[row, level - 1])[:n_next]
            before = level
    return spent


def plain_fast(costs, lr, d=15, confidence=0.95) -> list[int]:
    """Return the epochs of each trial."""
    spent, full, models, begin = [0] * len(costs), {level: [] for level in (1, 3, 9, 27)}, {}, 0

    def features(rows, epoch):
        curves = np.log(costs[rows, :epoch])
        parts = [lr[rows, None], costs[rows, :epoch], np.diff(curves), np.diff(curves, n=2)]
        return np.hstack(parts)

    for n, levels in BRACKETS:
        trials, before = list(range(begin, begin + n)), 0
        begin += n
        for i, level in enumerate(levels):
            n_next, done = max(1, n // ETA ** (i + 1)), []
            for row in trials:
                for epoch in range(before + 1, level + 1):
                    spent[row] = epoch
                    if epoch == level:
                        done.append(row)
                        full[level].append(row)
                    elif len(done) >= n_next and len(full[level]) >= d:
                        rows = np.array(full[level])
                        if (level, epoch) not in models:
                            X, y = features(rows, epoch), costs[rows, level - 1]
                            errors = y - cross_val_predict(scaled_svr(), X, y, cv=5)
                            models[level, epoch] = (
                                scaled_svr().fit(X, y),
                                math.sqrt(np.mean(errors**2)),
                            )
                        svr, sigma = models[level, epoch]
                        limit = sorted(costs[done, level - 1])[n_next - 1]
                        (mean,) = svr.predict(features(np.array([row]), epoch))
                        if norm.cdf(limit, mean, sigma) < 1 - confidence:
                            break
            trials = sorted(done, key=lambda row: costs[row, level - 1])[:n_next]
            before = level
    return spent


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", ["min", "max"])
def test_swift_hyperband_is_its_pseudo_code(seed, mode) -> None:
    curves = table(seed, mode)
    settings = {"max_epochs": R, "mode": mode}
    found = simulate(curves, make_scheduler("swift_hyperband", **settings))
    expected = plain_swift(curves.values * (1 if mode == "min" else -1))
    assert [trial.epochs for trial in found.trials] == expected
    assert found.epochs < simulate(curves, make_scheduler("hyperband", **settings)).epochs


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("confidence", [0.7, 0.95])
def test_fast_hyperband_is_its_pseudo_code(seed, confidence) -> None:
    curves = table(seed)
    found = simulate(curves, make_scheduler("fast_hyperband", max_epochs=R, confidence=confidence))
    expected = plain_fast(curves.values, curves.configs["lr"].to_numpy(), confidence=confidence)
    assert [trial.epochs for trial in found.trials] == expected
    saved = simulate(curves, make_scheduler("hyperband", max_epochs=R)).epochs - found.epochs
    assert saved > 0 or confidence == 0.95


def test_the_regressor_may_be_trained_as_a_qubo() -> None:
    found = {
        regressor: simulate(
            table(0), make_scheduler("swift_hyperband", max_epochs=R, regressor=regressor), workers=4
        ).epochs
        for regressor in ("nu_svr", "qsvr")
    }
    plain = simulate(table(0), make_scheduler("hyperband", max_epochs=R)).epochs
    assert plain * 0.6 < found["qsvr"] < plain


def test_a_trial_that_diverges_holds_no_round_up() -> None:
    curves = table(0)
    curves.values[[0, 5, 20], 1] = math.nan
    curves.status[[0, 5, 20]] = "diverged"
    for name in ("swift_hyperband", "fast_hyperband"):
        found = simulate(curves, make_scheduler(name, max_epochs=R), workers=4)
        assert [trial.status for trial in found.trials].count("finished") >= 3


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("swift_hyperband", {"regressor": "svm"}, "regressor = 'svm': no such regressor"),
        ("swift_hyperband", {"least_curves": 4}, "least_curves must be a whole number of at least 5"),
        ("swift_hyperband", {"share_observed": 1.0}, "share_observed must be a number between 0 and 1"),
        ("swift_hyperband", {"share_trained": "all"}, "share_trained must be a number between 0 and 1"),
        ("fast_hyperband", {"confidence": 1}, "confidence must be a number between 0 and 1"),
        ("fast_hyperband", {"reduction_factor": 1.2}, "reduction_factor of Hyperband must be at least 2"),
    ],
)
def test_settings_without_sense_are_refused(name, wrong, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_scheduler(name, max_epochs=R, **wrong)


@pytest.mark.skipif(not REFERENCE, reason="MLPF_HPO_REFERENCE_DIR is not set")
def test_swift_hyperband_saves_what_was_published() -> None:
    """163 of the 296 published curves, R = 100, eta = 2, 24 workers: 3213 epochs become about 2926."""
    curves = import_csv(Path(REFERENCE) / "mlpf_learning_curves.csv", None, "loss_", "published", "min")
    spent = []
    for seed in range(2):
        rows = np.random.default_rng(seed).permutation(len(curves))[:163]
        made = make_scheduler("swift_hyperband", max_epochs=100, reduction_factor=2)
        spent.append(simulate(curves.select(rows), made, workers=24, seed=seed).epochs)
    assert 2800 < np.mean(spent) < 3050
