"""`Beliefs` and `FreezeThaw`: what must make no difference, what must, and campaigns of every odd kind."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.freeze_thaw.beliefs import FOREIGN_TRIALS, Beliefs
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.priors import permuted
from mlpf_hpo.search.schedulers.freeze_thaw import LEAST_FINISHED, FreezeThaw
from mlpf_hpo.search.simulator import SimulatedSearch, simulate
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.target_metric import TargetMetric

EPOCHS = 9


def campaign(n=24, epochs=EPOCHS, seed=0, mode="min", source="") -> LearningCurves:
    """Return curves that fall to a bowl over two hyperparameters, with some noise."""
    generator = np.random.default_rng(seed)
    inputs = generator.uniform(-1, 1, (n, 2))
    final = 1 + (inputs[:, :1] - 0.3) ** 2 + 0.5 * (inputs[:, 1:] + 0.2) ** 2
    rest = generator.uniform(0.5, 1.5, (n, 1)) * np.exp(-np.arange(1, epochs + 1) / 3)
    values = final + rest + 0.01 * generator.normal(size=(n, epochs))
    configurations = [{"x": float(x), "y": float(y)} for x, y in inputs]
    target = TargetMetric("loss", mode)
    curves = LearningCurves.from_arrays(configurations, values if mode == "min" else -values, target)
    return replace(curves, source=source)


def configurations(curves: LearningCurves) -> list[dict]:
    return curves.configs[list(curves.hyperparameters)].to_dict("records")


def with_values(curves: LearningCurves, values) -> LearningCurves:
    return LearningCurves.from_arrays(configurations(curves), values, curves.target)


def believe(curves, prior=None, reports=(), scale=1.0, shift=0.0, order=None) -> Beliefs:
    """Return the beliefs after trials have reported so many epochs, by their row."""
    order = list(range(len(curves))) if order is None else order
    asked = configurations(curves)
    beliefs = Beliefs([asked[row] for row in order], curves.n_epochs, 0.5, prior)
    for row, epochs in reports:
        beliefs.observe(order.index(row), (scale * curves.values[row, :epochs] + shift).tolist())
    beliefs.update()
    return beliefs


REPORTS = [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (2, 2), (2, 4), (4, 2), (2, 9)]


def search(curves, prior=None, **settings) -> SimulatedSearch:
    scheduler = FreezeThaw(curves.n_epochs, curves.mode, prior, **settings)
    return simulate(curves, scheduler, workers=3, seed=1)


@pytest.mark.parametrize("prior", [None, campaign(seed=5)])
def test_the_order_of_trials_makes_no_difference(prior) -> None:
    curves = campaign()
    order = np.random.default_rng(0).permutation(len(curves)).tolist()
    straight, mixed = (believe(curves, prior, REPORTS, order=one) for one in (None, order))
    for name in ("mean", "variance", "index"):
        expected = getattr(straight, name)[order]
        assert getattr(mixed, name) == pytest.approx(expected, rel=1e-4, abs=1e-4), name


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (50.0, 3.0), (1.0, -7.0)])
def test_scale_and_shift_of_the_costs_make_no_difference(scale, shift) -> None:
    curves, prior = campaign(), campaign(seed=5)
    moved = with_values(prior, scale * prior.values + shift)
    for before, after in (
        (believe(curves, None, REPORTS), believe(curves, None, REPORTS, scale, shift)),
        (believe(curves, prior, REPORTS), believe(curves, moved, REPORTS, scale, shift)),
    ):
        assert after.own_axis == before.own_axis
        assert after.index == pytest.approx(before.index, abs=1e-4)


def test_a_prior_with_other_losses_lends_its_order_only() -> None:
    curves, prior = campaign(), campaign(seed=5)
    foreign = with_values(prior, 100 * prior.values)
    reports = [(row, 1) for row in range(FOREIGN_TRIALS)]
    assert not believe(curves, foreign, reports[:-1]).own_axis
    assert not believe(curves, prior, reports).own_axis
    found = believe(curves, foreign, reports)
    assert found.own_axis
    final = curves.values[FOREIGN_TRIALS:, -1]
    assert np.corrcoef(found.mean[FOREIGN_TRIALS:], final)[0, 1] > 0.6
    assert search(curves, foreign).best < np.quantile(curves.final, 0.1)


def test_a_prior_whose_best_values_are_out_of_reach_lends_its_order_only() -> None:
    """Its losses are like those of the search, but for the good ones: what it promises is never found."""
    curves, prior = campaign(), campaign(seed=5)
    promising = with_values(prior, 3 * prior.values - 8)
    scheduler = FreezeThaw(EPOCHS, prior=promising)
    found = simulate(curves, scheduler, workers=3, seed=1)
    assert scheduler._known().own_axis
    assert found.epochs < 0.7 * len(curves) * EPOCHS, "not everything, in vain"
    assert found.best < np.quantile(curves.final, 0.1)


def test_a_prior_of_the_same_task_is_seldom_taken_for_another_ones() -> None:
    """Each search goes on until all is trained, and asks after every trial."""
    taken = 0
    for seed in range(20):
        for prior in (campaign(8, seed=100 + seed), permuted(campaign(40, seed=200 + seed), seed)):
            scheduler = FreezeThaw(EPOCHS, prior=prior, ends=False)
            simulate(campaign(seed=seed), scheduler, workers=3, seed=seed)
            taken += scheduler._known().own_axis
    assert taken <= 3, "of 40"


@pytest.mark.parametrize("prior", [None, campaign(seed=5)])
def test_filled_workers_take_less_time_and_more_epochs(prior) -> None:
    def searched(workers: int, fill: bool, seed: int) -> SimulatedSearch:
        scheduler = FreezeThaw(EPOCHS, prior=prior, fill_workers=fill)
        return simulate(campaign(60, seed=seed), scheduler, workers=workers, seed=1)

    alone, filled_alone = searched(1, False, 0), searched(1, True, 0)
    assert filled_alone.rows.tolist() == alone.rows.tolist(), "there is no other worker to fill"
    waiting, filled = ([searched(24, fill, seed) for seed in range(4)] for fill in (False, True))
    assert sum(one.makespan for one in filled) < 0.8 * sum(one.makespan for one in waiting)
    epochs, more_epochs = (sum(one.epochs for one in found) for found in (waiting, filled))
    assert epochs < more_epochs < 4 * 60 * EPOCHS / 2, "the search still ends by itself"
    assert all(more.best <= less.best for more, less in zip(filled, waiting, strict=True))


def test_a_permuted_prior_is_unlearnt() -> None:
    curves, prior = campaign(30), campaign(40, seed=5)
    wrong = permuted(prior, seed=3)
    seen = [(row, 9) for row in range(15)]
    final = curves.values[15:, -1]
    before, after = (believe(curves, wrong, reports).mean[15:] for reports in ((), seen))
    right = believe(curves, prior, seen).mean[15:]
    assert np.corrcoef(before, final)[0, 1] < 0.4
    assert np.corrcoef(after, final)[0, 1] > 0.5
    assert np.corrcoef(right, final)[0, 1] > 0.8


@pytest.mark.parametrize("prior", [None, campaign(seed=5)])
def test_a_trial_that_diverges_lowers_the_chances_of_its_neighbours(prior) -> None:
    curves = campaign()
    x = curves.configs[["x", "y"]].to_numpy()
    near = np.argsort(np.square(x - x[7]).sum(axis=1))
    beliefs = believe(curves, prior, [(row, 1) for row in near[-6:]])
    before = beliefs.mean.copy()
    beliefs.end(7, failed=True)
    beliefs.update()
    worse = beliefs.mean - before
    assert worse[near[1]] > 0.05
    assert worse[near[1]] > 1.5 * worse[near[12]]


@pytest.mark.parametrize("epochs", [1, 2, 9])
@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("kind", ["bowl", "constant", "ties", "no hyperparameters", "texts", "huge", "tiny"])
@pytest.mark.parametrize("prior", [False, True])
def test_searches_of_every_kind_end(kind, n, epochs, prior) -> None:
    curves, earlier = campaign(n, epochs), campaign(12, epochs, seed=5)
    rows = configurations(curves)
    values = curves.values
    if kind == "constant":
        values = np.ones_like(values)
    elif kind == "ties":
        values = np.round(values)
    elif kind == "huge":
        values = values * 1e300
    elif kind == "tiny":
        values = values * 1e-310
    elif kind == "no hyperparameters":
        rows = [{} for _ in rows]
    elif kind == "texts":
        rows = [{**row, "opt": "ab"[i % 2], "bias": i % 3 == 0} for i, row in enumerate(rows)]
        more = [
            {**row, "opt": "abc"[i % 3], "bias": i % 2 == 0} for i, row in enumerate(configurations(earlier))
        ]
        earlier = LearningCurves.from_arrays(more, earlier.values, earlier.target)
    curves = LearningCurves.from_arrays(rows, values, curves.target)
    for ends in (True, False):
        found = search(curves, earlier if prior else None, ends=ends)
        assert "finished" in {trial.status for trial in found.trials}
        if not ends:
            assert {trial.status for trial in found.trials} == {"finished"}


@pytest.mark.parametrize("broken", [{0: 0}, {0: 0, 1: 0, 2: 0}, {3: 4, 5: 1}, dict.fromkeys(range(8), 0)])
def test_values_that_are_not_finite(broken) -> None:
    curves = campaign(8)
    for row, epoch in broken.items():
        curves.values[row, epoch:] = math.nan if row % 2 else math.inf
        curves.status[row] = "diverged"
    for prior in (None, campaign(seed=5)):
        found = search(curves, prior, ends=False)
        expected = ["diverged" if row in broken else "finished" for row in range(8)]
        assert [trial.status for trial in found.trials] == expected


@pytest.mark.parametrize("epochs", [4, 9, 20])
def test_priors_that_are_shorter_longer_and_have_gaps(epochs) -> None:
    curves, prior = campaign(), campaign(30, epochs, seed=5)
    prior.values[3, 2:] = math.nan
    prior.values[4, 0:] = math.nan
    prior.status[3] = prior.status[4] = "diverged"
    prior.values[6, 3:] = math.nan
    prior.status[6] = "stopped"
    found = search(curves, prior)
    assert found.best < np.quantile(curves.final, 0.2)
    assert found.epochs < 0.5 * curves.values.size
    assert Beliefs(configurations(curves), EPOCHS, 0.5, prior).own_axis == (epochs < EPOCHS)


def test_modes_mirror_each_other() -> None:
    found = [search(campaign(mode=mode), campaign(seed=5, mode=mode)) for mode in ("min", "max")]
    assert np.array_equal(found[0].rows, found[1].rows)
    assert found[0].best == -found[1].best


def test_trials_that_are_added_on_the_way_change_nothing_of_what_is_known() -> None:
    """Beliefs are made anew then, and must hold the curves and failures that came before."""
    curves, prior = campaign(), campaign(seed=5)
    for early in (24, 20):
        scheduler = FreezeThaw(EPOCHS, prior=prior)
        for row in range(early):
            scheduler.on_trial_add(f"t{row}", configurations(curves)[row])
        for row, epochs in ((0, 3), (1, 9), (2, 2)):
            for epoch in range(1, epochs + 1):
                scheduler.on_trial_result(f"t{row}", epoch, float(curves.values[row, epoch - 1]))
        scheduler.on_trial_error("t2")
        for row in range(early, 24):
            scheduler.on_trial_add(f"t{row}", configurations(curves)[row])
        found = scheduler._known()
        if early == 24:
            expected = found
    assert found.index == pytest.approx(expected.index, abs=1e-6)
    assert found.best_finished() == expected.best_finished()


@pytest.mark.parametrize("early", [20, 24])
def test_a_prior_stays_foreign_when_trials_are_added_on_the_way(early) -> None:
    """Beliefs that are made anew take the reports in their order: all first epochs were beyond the prior."""
    curves, prior = campaign(), campaign(seed=5)
    scheduler = FreezeThaw(EPOCHS, prior=prior)
    for row in range(early):
        scheduler.on_trial_add(f"t{row}", configurations(curves)[row])
    for epoch in range(1, 5):
        for row in range(FOREIGN_TRIALS):
            value = 1e9 if epoch == 1 else float(curves.values[row, epoch - 1])
            scheduler.on_trial_result(f"t{row}", epoch, value)
    for row in range(early, 24):
        scheduler.on_trial_add(f"t{row}", configurations(curves)[row])
    assert scheduler._known().own_axis


@pytest.mark.parametrize("price", [0, -1.0, math.inf, math.nan])
def test_prices_that_cannot_be(price) -> None:
    with pytest.raises(ConfigurationError, match="price must be finite and above 0"):
        FreezeThaw(EPOCHS, price=price)


def test_priors_that_cannot_be_are_refused_before_anything_starts() -> None:
    prior = campaign(seed=5, source="earlier.csv")
    with pytest.raises(ConfigurationError, match=r"freeze_thaw: mode max, but the prior's target is loss"):
        FreezeThaw(EPOCHS, mode="max", prior=prior)
    with pytest.raises(DataError, match=r"^prior earlier.csv: 4 of 4 curves have .*; needed are 5$"):
        FreezeThaw(EPOCHS, prior=prior.select(range(4)))
    scheduler = FreezeThaw(EPOCHS, prior=prior)
    trials = [Trial("t0", "t0", {"lr": 0.1})]
    with pytest.raises(
        ConfigurationError, match=r"earlier.csv shares no hyperparameter .* it has x, y, they"
    ):
        Ledger(trials, scheduler, EPOCHS, prior.target)


def test_curves_that_are_alike_at_first_are_not_judged_by_the_first_that_ends() -> None:
    """All curves are flat for most of their epochs; nothing but full trainings tells them apart."""
    generator = np.random.default_rng(3)
    final = generator.uniform(0, 1, 40)
    flat = 1 + 0.001 * generator.normal(size=(40, EPOCHS))
    flat[:, -1] = final
    curves = LearningCurves.from_arrays([{} for _ in final], flat, TargetMetric("loss", "min"))
    found = search(curves)
    assert sum(trial.status == "finished" for trial in found.trials) >= LEAST_FINISHED
    two = search(curves.select([0, 1]))
    assert [trial.status for trial in two.trials] == ["finished", "finished"]


def test_a_trial_that_another_rule_stopped_is_not_waited_for() -> None:
    """The price falls until something that may still run is worth it, whatever has ended meanwhile."""
    found = {}
    finals = [2.0, 1.0, 60.0, 70.0, 80.0, 90.0]
    for stopped in (True, False):
        beliefs = Beliefs([{"lr": 0.1 * row} for row in range(1, 7)], max_epochs=9, price=1e-4)
        for row, final in enumerate(finals):
            beliefs.observe(row, [final + 1 / epoch for epoch in range(1, 10 if row == 0 else 5)])
        if stopped:
            beliefs.end(1)
        beliefs.update()
        found[stopped] = beliefs.index[2:]
    assert (found[True] < found[False]).all()
