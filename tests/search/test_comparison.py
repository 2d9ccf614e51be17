"""The comparison of schedulers: its keys, families with hindsight, ratios and intervals."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search import comparison
from mlpf_hpo.search.anytime import AnytimeRegret, epochs_at
from mlpf_hpo.search.comparison import FIGURES, compare, families_for, untrained_best
from mlpf_hpo.search.draws import Draw, DrawPlan, Sizes
from mlpf_hpo.search.priors import DrawWithPrior
from mlpf_hpo.search.replay import ReplayedSearch, replay
from mlpf_hpo.search.resampling import Resampling
from mlpf_hpo.search.scheduler_spec import SchedulerSpec
from mlpf_hpo.search.stated_regret import Missed, StatedRegret
from mlpf_hpo.search.yardsticks import RATIO_TO, all_members
from mlpf_hpo.target_metric import TargetMetric
from tests.search.test_draws import table

FULL = SchedulerSpec("full")
HALVING = tuple(SchedulerSpec("asha", {"reduction_factor": float(eta)}) for eta in (2, 4))


def search(epochs, regrets) -> ReplayedSearch:
    anytime = AnytimeRegret(np.array(epochs), np.array(regrets, dtype=float))
    return ReplayedSearch(epochs[-1], regrets[-1], 2 * regrets[-1], 9.0, anytime, found=True)


def families(**others) -> dict:
    return dict.fromkeys(RATIO_TO, HALVING) | {"ours": (FULL,)} | others


REPLAYS = {
    str(FULL): [search([0, 10], [1, 0]), search([0, 20], [1, 0])],
    str(HALVING[0]): [search([0, 40], [1, 0]), search([0, 30], [1, 0.5])],
    str(HALVING[1]): [search([0, 50], [1, 0]), search([0, 60], [1, 0])],
}


def test_a_family_has_its_best_setting_and_ours_is_divided_by_it() -> None:
    found = compare({"one": FULL}, families(), REPLAYS, Sizes(4, 0, 8), n_epochs=100)
    for regret in ("0.02", "0.01"):
        assert found["epochs_at"][regret] == dict.fromkeys(RATIO_TO, 60.0) | {"ours": 20.0}
        assert found["best_setting"][regret]["best_null"] == "asha:reduction_factor=4.0"
        for name in RATIO_TO:
            ratio = found["ratio_to"][name][regret]
            assert ratio["mean"] == pytest.approx(1 / 3)
            assert ratio["low"] <= ratio["mean"] <= ratio["high"]
    # At .5 the first setting is as good as ours is slow: the mean of 0 and .5 after 40 epochs.
    at = found["frontier"]["regret"].index(0.5)
    assert found["frontier"]["cold_frontier"][at] == 40
    one = found["schedulers"]["one"]
    assert [one[name]["mean"] for name in FIGURES] == [15, 0, 0, 9]
    assert one["per_seed"]["epochs"] == [10, 20]


def test_calibration_is_the_mean_of_what_is_stated_and_of_what_came_true() -> None:
    stated = [
        StatedRegret(Missed(0.2, 0.1, 0.3, 0.04), Missed(1, 0, 2, 0.01)),
        StatedRegret(Missed(0.6, 0.3, 0.9, 0.08), Missed(0, 0, 0, 0.0)),
    ]
    full = [
        dataclasses.replace(one, stated=said) for one, said in zip(REPLAYS[str(FULL)], stated, strict=True)
    ]
    found = compare({"one": FULL}, families(), {**REPLAYS, str(FULL): full}, Sizes(4, 0, 8), n_epochs=100)
    by_field = found["schedulers"]["one"]["calibration"]
    means = {name: (one["nominal"]["mean"], one["actual"]["mean"]) for name, one in by_field.items()}
    assert means == {
        "best_abandoned": (pytest.approx(0.4), 0.5),
        "noticeably": (pytest.approx(0.2), 0.0),
        "better": (pytest.approx(0.6), 1.0),
        "regret": (pytest.approx(0.06), pytest.approx(0.005)),
    }
    assert by_field["better"]["actual"]["low"] < 1 < by_field["better"]["actual"]["high"]
    full[1] = REPLAYS[str(FULL)][1]  # of one search nothing is stated
    found = compare({"one": FULL}, families(), {**REPLAYS, str(FULL): full}, Sizes(4, 0, 8), n_epochs=100)
    assert found["schedulers"]["one"]["calibration"] is None


def test_what_is_never_reached_counts_as_training_everything() -> None:
    poor = {**REPLAYS, str(FULL): [search([0, 10], [1, 0.3])] * 2}
    found = compare({}, families(best_null=()), poor, Sizes(4, 0, 8), n_epochs=100)
    assert found["epochs_at"]["0.02"]["ours"] == 400 == found["never"]
    assert found["frontier"]["ours"][-1] is None
    assert found["epochs_at"]["0.02"]["best_null"] is None
    assert found["ratio_to"]["best_null"] == {"0.02": None, "0.01": None}
    assert found["frontier"]["best_null"] is None


def test_a_resampled_search_keeps_what_every_scheduler_did_with_it() -> None:
    """Where ours takes half of each search's epochs, it does in every resampled mean."""
    seeds = [int(epochs) for epochs in np.random.default_rng(0).integers(5, 90, 24)]
    replays = {
        str(FULL): [search([0, one], [1, 0]) for one in seeds],
        str(HALVING[0]): [search([0, 2 * one], [1, 0]) for one in seeds],
    }
    halves = families(**dict.fromkeys(RATIO_TO, HALVING[:1]))
    found = compare({}, halves, replays, Sizes(4, 0, 8), n_epochs=100)
    ratio = found["ratio_to"]["ray_asha"]["0.02"]
    assert [ratio[end] for end in ("mean", "low", "high")] == pytest.approx([0.5, 0.5, 0.5])


@pytest.mark.parametrize(("searched", "low", "high"), [(4, 0.25, 4.0), (2, 0.5, 2.0)])
def test_a_ratio_ends_at_one_full_training_against_all_of_them(searched, low, high) -> None:
    """One search is lost by ours, one by theirs: resamples of one alone have the ratios at the ends."""
    lost, at_once = search([0, 100], [1, 1]), search([0, 100], [1, 0])
    replays = {str(FULL): [lost, at_once], str(HALVING[0]): [at_once, lost]}
    sizes = Sizes(searched, 0, searched)  # all of the table: deviations are widened by the root of 2
    found = compare({}, families(**dict.fromkeys(RATIO_TO, HALVING[:1])), replays, sizes, n_epochs=100)
    ratio = found["ratio_to"]["cold_frontier"]["0.02"]
    assert (ratio["mean"], ratio["low"], ratio["high"]) == (1, low, high)


def test_more_seeds_make_no_more_configurations() -> None:
    """Half of the table in each search: the interval is that of two searches, however many there are."""
    widths = []
    for n in (20, 2000):
        values = np.random.default_rng(1).normal(100, 10, n)
        interval = Resampling.of(n, Sizes(30, 30, 60)).mean(values)
        widths.append((interval["high"] - interval["low"]) / values.std())
        assert interval["mean"] == pytest.approx(values.mean())
    normal = 2 * 1.96 / math.sqrt(2)
    assert widths == pytest.approx([normal, normal], rel=0.1)
    # Of a table of any size searches are independent.
    values = np.random.default_rng(1).normal(100, 10, 2000)
    interval = Resampling.of(2000, Sizes(30, 30, 10**9)).mean(values)
    assert interval["high"] - interval["low"] == pytest.approx(2 * 1.96 * 10 / math.sqrt(2000), rel=0.25)


def test_a_replay_compares_in_pairs_and_in_any_number_of_processes() -> None:
    plan = DrawPlan(table(10, 1))
    members = {"a": FULL.make, "b": FULL.make, "c": HALVING[0].make}
    one = replay(plan.draw, members, workers=2, seeds=range(4))
    two = replay(plan.draw, members, workers=2, seeds=range(4), jobs=2)
    for name in members:
        assert [x.epochs for x in one[name]] == [x.epochs for x in two[name]]
        assert [x.makespan for x in one[name]] == [x.makespan for x in two[name]]
    assert [x.makespan for x in one["a"]] == [x.makespan for x in one["b"]]
    assert [x.epochs for x in one["a"]] == [10] * 4


def draw_of(n_epochs) -> LearningCurves:
    values = np.arange(2.0 * n_epochs).reshape(2, n_epochs)
    return LearningCurves.from_arrays([{"lr": 1.0}, {"lr": 2.0}], values, TargetMetric("loss", "min"))


def test_members_are_as_the_benchmark_defines_them() -> None:
    curves, other = draw_of(100), draw_of(50)
    found = families_for(Draw(0, curves, curves))
    assert {name: len(members) for name, members in found.items()} == {
        "cold_frontier": 9 + 9 + 27 + 9,
        "stopping_asha": 9,
        "promotion_asha": 9,
        "hyperband": 3,
        "ray_asha": 1,
        "best_null": 4 + 3 * (9 + 27),
        "predicted_promotion": 9,
        "ours": 1,
    }
    cold = found["cold_frontier"]
    assert {one.settings.get("budget_epochs") for one in cold} == {None, 100, 200, 400}
    assert set(map(str, found["stopping_asha"] + found["promotion_asha"])) < set(map(str, cold))
    without = families_for(Draw(0, curves))
    assert not without["best_null"]
    assert not without["predicted_promotion"]
    # A predictor is fitted for a number of epochs; hyperparameters say something of any other task.
    of_another = families_for(Draw(0, curves, other))
    assert of_another["best_null"]
    assert not of_another["predicted_promotion"]
    # Two epochs have one rung.
    assert {
        one.settings.get("grace_epochs", 1) for one in families_for(Draw(0, draw_of(2)))["cold_frontier"]
    } == {1}


def test_the_untrained_best_of_the_prior() -> None:
    plan = DrawPlan(table(10, 1))
    draws = [DrawWithPrior(plan, "same")(seed) for seed in range(5)]
    found = untrained_best(draws, plan.sizes)
    expected = []
    for one in draws:
        final = one.searched.final
        expected.append((one.prior.final.min() - final.min()) / (np.median(final) - final.min()))
    assert found["regret"]["mean"] == pytest.approx(np.mean(expected))
    assert found["epochs"]["mean"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ashe", "no scheduler 'ashe' .did you mean asha"),
        ("asha:grace_epoch=2", "no setting 'grace_epoch' .did you mean grace_epochs"),
        ("asha:grace_epochs", "must be NAME or NAME:key=value"),
        ("asha:max_epochs=3", "max_epochs is that of the curves"),
        ("asha:grace_epochs=1:grace_epochs=2", "must be NAME or"),
    ],
)
def test_a_scheduler_that_cannot_be_is_refused(text, message) -> None:
    with pytest.raises(ConfigurationError, match=rf"--schedulers: .*{message}"):
        SchedulerSpec.parse(text, "--schedulers")


def test_the_frontier_of_a_family_is_that_of_its_best_setting_at_each_regret() -> None:
    stairs = [[one.anytime for one in REPLAYS[str(spec)]] for spec in HALVING]
    found = compare({}, families(), REPLAYS, Sizes(4, 0, 8), n_epochs=100)["frontier"]
    for regret, epochs in zip(found["regret"], found["cold_frontier"], strict=True):
        assert epochs == min(epochs_at(one, regret, math.inf)[0] for one in stairs)
    assert all_members(families())[str(FULL)] == FULL
    assert comparison.OURS in families()
