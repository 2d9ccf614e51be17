"""What a scheduler states that it missed: against posteriors given by hand, and what came true."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.anytime import RegretScale
from mlpf_hpo.search.draws import Draw
from mlpf_hpo.search.replay import replay
from mlpf_hpo.search.schedulers.freeze_thaw import FreezeThaw
from mlpf_hpo.search.schedulers.random_search import RandomSearch
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.search.stated_regret import DEVIATIONS, NOTICEABLE, expected, stated_regret
from mlpf_hpo.target_metric import TargetMetric

FINALS = (5.0, 3.0, 4.99, 9.0, 4.0)
"""The first one is trained in full; the scale is 3 at the best, 4.99 at the median."""

UNIT = 1.99


def curves(mode: str) -> LearningCurves:
    sign = 1 if mode == "min" else -1
    rows = [{"lr": 0.1 * (i + 1)} for i in range(len(FINALS))]
    values = [[sign * 20.0, sign * final] for final in FINALS]
    return LearningCurves.from_arrays(rows, values, TargetMetric("loss", mode))


class Stating(RandomSearch):
    """Trains the first trials, and expects of the others what a test says, (mean, spread) of the cost."""

    expects = ()

    def quantiles(self, deviations):
        sign = 1 if self.mode == "min" else -1
        return {
            f"t{row:03d}": tuple(sign * (mean + z * spread) for z in deviations)
            for row, (mean, spread) in self.expects.items()
        }


def stated(expects, mode="min", trained=1):
    table = curves(mode)
    scheduler = Stating(max_epochs=2, mode=mode, n_trials=trained)
    scheduler.expects = expects
    search = simulate(table, scheduler)
    assert [trial.status for trial in search.trials] == ["finished"] * trained + ["stopped"] * (5 - trained)
    return stated_regret(scheduler, search.trials, table, RegretScale.of(table))


def normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


@pytest.mark.parametrize("mode", ["min", "max"])
def test_what_came_true_is_counted(mode) -> None:
    """Of the finished one's 5, the others are better by 2, .01 and 1; the second is hardly noticed."""
    found = stated({0: (5.0, 0.0), 1: (6.0, 1.0)}, mode).actual
    assert found == pytest.approx((1, 1, 3, 2 / UNIT))
    only_hardly = stated({0: (5.0, 0.0)}, mode, trained=2).actual
    assert only_hardly == (0, 0, 0, 0), "the second one is the best of all"


@pytest.mark.parametrize("mode", ["min", "max"])
def test_one_trial_is_missed_as_often_as_its_normal_distribution_says(mode) -> None:
    found = stated({0: (5.0, 0.3), 2: (5.5, 0.8)}, mode).nominal
    z = -0.5 / 0.8
    density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    assert found.best_abandoned == pytest.approx(normal(z), abs=1e-3)
    assert found.noticeably == pytest.approx(normal((-0.5 - NOTICEABLE * UNIT) / 0.8), abs=1e-3)
    assert found.better == pytest.approx(normal(z), abs=1e-3)
    assert found.regret == pytest.approx(0.8 * (density + z * normal(z)) / UNIT, rel=0.01)


def test_several_trials_are_missed_as_often_as_draws_of_them_say() -> None:
    """Of skewed distributions too: quantiles are all that is asked."""
    generator = np.random.default_rng(0)
    mean, spread = np.array([0.3, 0.0, 1.5]), np.array([0.5, 0.2, 2.0])
    values = np.sinh(mean + spread * generator.normal(size=(200_000, 3)))
    found = expected(np.sinh(mean[:, np.newaxis] + spread[:, np.newaxis] * np.array(DEVIATIONS)))
    least = values.min(axis=1)
    assert found.best_abandoned == pytest.approx((least < 0).mean(), abs=0.005)
    assert found.noticeably == pytest.approx((least < -NOTICEABLE).mean(), abs=0.005)
    assert found.better == pytest.approx((values < 0).sum(axis=1).mean(), abs=0.01)
    assert found.regret == pytest.approx(np.maximum(-least, 0).mean(), rel=0.02)


def test_nothing_is_missed_where_all_are_worse_or_trained_and_nothing_said_where_nothing_is_known() -> None:
    assert stated({1: (9.0, 0.1)}).nominal == pytest.approx((0, 0, 0, 0), abs=1e-12)
    assert stated({1: (3.0, 0.0)}).nominal == pytest.approx((1, 1, 1, 2 / UNIT))
    assert stated({}) is None
    table = curves("min")
    everything = replay(
        lambda seed: Draw(seed, table), {"ours": lambda _: FreezeThaw(2, ends=False)}, seeds=[0]
    )
    (search,) = everything["ours"]
    assert search.stated.nominal == search.stated.actual == (0, 0, 0, 0)


def test_true_final_values_drawn_from_what_is_stated_are_missed_as_stated() -> None:
    """The exactly known case: nominal and actual means agree where the posterior is the truth."""
    generator = np.random.default_rng(1)
    pairs = []
    for _ in range(400):
        mean, spread = generator.normal(6, 1, 5), generator.uniform(0.1, 1.5, 5)
        finals = mean + spread * generator.normal(size=5)
        table = LearningCurves.from_arrays(
            [{"lr": 0.1 * (i + 1)} for i in range(5)], finals[:, np.newaxis], TargetMetric("loss", "min")
        )
        scheduler = Stating(max_epochs=1, n_trials=1)
        scheduler.expects = dict(enumerate(zip(mean, spread, strict=True)))
        search = simulate(table, scheduler)
        pairs.append(
            stated_regret(scheduler, search.trials, table, RegretScale(finals.min(), finals.max(), 1.0))
        )
    nominal, actual = np.array([(one.nominal, one.actual) for one in pairs]).transpose(1, 0, 2)
    error = (nominal - actual).std(axis=0) / np.sqrt(len(pairs))
    assert (np.abs((nominal - actual).mean(axis=0)) < 4 * error).all()
    assert 0.2 < nominal[:, 0].mean() < 0.9


def test_freeze_thaw_states_what_it_left_in_both_modes() -> None:
    found = []
    for mode in ("min", "max"):
        generator = np.random.default_rng(3)
        rates = generator.uniform(size=(30, 1))
        values = 1 + (rates - 0.4) ** 2 + 0.5 ** np.arange(1, 9) + 0.02 * generator.normal(size=(30, 1))
        values = values if mode == "min" else -values
        rows = [{"lr": float(rate)} for rate in rates[:, 0]]
        table = LearningCurves.from_arrays(rows, values, TargetMetric("loss", mode))
        (search,) = replay(
            lambda seed, table=table: Draw(seed, table),
            {"ours": lambda _, mode=mode: FreezeThaw(8, mode)},
            seeds=[0],
        )["ours"]
        assert search.stated.actual.regret == pytest.approx(search.regret)
        assert 0 < search.stated.nominal.best_abandoned < 1
        found.append([*search.stated.nominal, *search.stated.actual])
    assert found[0] == pytest.approx(found[1])
