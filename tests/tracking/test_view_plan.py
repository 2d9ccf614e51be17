"""Views show what their labels promise, of however many trials: at most a hundred runs each."""

from __future__ import annotations

import json
import random
import re
import sqlite3

import pytest

from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric
from mlpf_hpo.tracking.view_plan import LIMIT, TrialMark, View, sample, search_key, search_view, trial_views

TAG_CHARACTERS = 5000
"""As many an experiment's tag may have, see mlflow.utils.validation.MAX_EXPERIMENT_TAG_VAL_LENGTH."""


def marks(n: int, boundary: int = 200, diverged: int = 15) -> list[TrialMark]:
    """Return trials on two machines, every so many of which diverged."""
    return [
        TrialMark(
            trial_id=f"t{i:03d}",
            run_id=f"{i:032x}",
            status="diverged" if i % diverged == 0 else "finished",
            hardware_label="box-a" if i < boundary else "box-b",
        )
        for i in range(n)
    ]


def runs_of(view: View, trials: list[TrialMark]) -> list[str]:
    """Return the ids of the trials that fit a view's filter, as SQLite understands its conditions."""
    database = sqlite3.connect(":memory:")
    database.execute("pragma case_sensitive_like = true")
    database.execute("create table t (kind, campaign_id, trial_id, run_id, trial_status)")
    rows = [("trial", "abc", trial.trial_id, trial.run_id, trial.status) for trial in trials]
    database.executemany("insert into t values (?, ?, ?, ?, ?)", rows)
    condition = re.sub(r"\b(tags|attributes)\.", "", view.state["searchFilter"])
    return [found for (found,) in database.execute(f"select trial_id from t where {condition}")]  # noqa: S608


def test_a_hundred_trials_fit_into_one_view() -> None:
    trials = marks(100)
    curves, diverged, machines = trial_views("abc", trials, VALIDATION_LOSS, planned=100)
    assert [curves.label, diverged.label, machines.label] == ["curves", "diverged", "by machine"]
    assert [len(runs_of(view, trials)) for view in (curves, diverged, machines)] == [100, 7, 100]
    assert (curves.key, machines.key) == ("curves-abc", "hardware-comparison-abc")
    assert machines.state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "hardware_label"}]


def test_three_hundred_are_split_and_none_is_left_out() -> None:
    trials = marks(301)
    views = {view.label: view for view in trial_views("abc", trials, VALIDATION_LOSS)}
    assert list(views) == [
        "curves t000-t099",
        "curves t100-t199",
        "curves t200-t299",
        "curves t300",
        "diverged",
        "by machine (100 of 301)",
    ]
    parts = [runs_of(view, trials) for label, view in views.items() if label.startswith("curves")]
    assert [len(part) for part in parts] == [100, 100, 100, 1]
    assert [trial_id for part in parts for trial_id in part] == [trial.trial_id for trial in trials]
    assert runs_of(views["diverged"], trials) == [f"t{i:03d}" for i in range(0, 301, 15)]
    assert len({view.key for view in views.values()}) == len(views)


def test_more_than_a_hundred_that_diverged_are_split_too() -> None:
    trials = marks(250, diverged=2)
    views = [view for view in trial_views("abc", trials, VALIDATION_LOSS) if "diverged" in view.label]
    assert [view.label for view in views] == [
        "diverged t000-t098",
        "diverged t100-t198",
        "diverged t200-t248",
    ]
    assert [len(runs_of(view, trials)) for view in views] == [50, 50, 25]


def test_a_thousand_trials_keep_their_order() -> None:
    trials = marks(1101)
    random.Random(0).shuffle(trials)
    views = [view for view in trial_views("abc", trials, VALIDATION_LOSS) if view.label.startswith("curves")]
    assert [view.label for view in views][9:] == ["curves t900-t999", "curves t1000-t1099", "curves t1100"]
    assert [len(runs_of(view, trials)) for view in views] == [100] * 11 + [1]


def test_a_campaign_under_way_is_split_as_it_will_be() -> None:
    trials = marks(150)
    first, *_ = trial_views("abc", trials[:3], VALIDATION_LOSS, planned=301)
    assert first.label == "curves t000-t002"
    assert runs_of(first, trials) == [f"t{i:03d}" for i in range(100)], "those that are still to come as well"
    *_, machines = trial_views("abc", trials[:3], VALIDATION_LOSS, planned=301)
    assert machines.label == "by machine (3 of 301)"
    assert [view.label for view in trial_views("abc", [], VALIDATION_LOSS, planned=301)] == [
        "by machine (0 of 301)"
    ]


def test_ids_without_numbers_are_split_by_runs() -> None:
    trials = [TrialMark(f"trial-{i:03d}-x", f"{i:032x}", "finished", "box") for i in range(205)]
    views = [view for view in trial_views("abc", trials, VALIDATION_LOSS) if view.label.startswith("curves")]
    assert [len(runs_of(view, trials)) for view in views] == [100, 100, 5]
    assert views[1].label == "curves trial-100-x-trial-199-x"


@pytest.mark.parametrize(
    ("boundary", "counts"), [(200, (50, 50)), (290, (89, 11)), (1, (1, 99)), (301, (100, 0))]
)
def test_a_sample_has_every_machine(boundary: int, counts: tuple[int, int]) -> None:
    trials = marks(301, boundary)
    chosen = sample(trials)
    assert len({trial.run_id for trial in chosen}) == len(chosen) == LIMIT
    on = [trial.hardware_label for trial in chosen]
    assert (on.count("box-a"), on.count("box-b")) == counts
    shuffled = random.Random(1).sample(trials, len(trials))
    assert sample(shuffled) == chosen
    *_, view = trial_views("abc", trials, VALIDATION_LOSS)
    assert sorted(runs_of(view, trials)) == sorted(trial.trial_id for trial in chosen)


def test_a_sample_of_more_machines_than_there_is_room_for() -> None:
    trials = [TrialMark(f"t{i:03d}", f"{i:032x}", "finished", f"box-{i % 150}") for i in range(301)]
    chosen = sample(trials)
    assert len(chosen) == LIMIT == len({trial.hardware_label for trial in chosen})
    assert "box-0" in {trial.hardware_label for trial in chosen}, "the one with the most trials"


def test_a_view_fits_into_a_tag() -> None:
    for n in (301, 1101):
        for view in trial_views("0123abcd", marks(n, diverged=2), VALIDATION_LOSS):
            assert len(json.dumps(view.state)) <= TAG_CHARACTERS, view.label
    view = search_view([f"{i:032x}" for i in range(150)], search_key("ab"), VALIDATION_LOSS)
    assert len(json.dumps(view.state)) <= TAG_CHARACTERS
    assert view.label == "best so far (100 of 150)"


def test_the_order_follows_the_direction_of_the_metric() -> None:
    for target, ascending in ((VALIDATION_LOSS, True), (TargetMetric("val/accuracy", "max"), False)):
        curves = trial_views("abc", marks(3), target)[0]
        assert curves.state["orderByAsc"] is ascending
        assert curves.state["orderByKey"] == f"metrics.`{target.metric}`"
        assert search_view(["r"], "k", target).state["orderByAsc"] is ascending
    assert re.search(curves.state["chartsSearchFilter"], "val/accuracy")
    assert not re.search(curves.state["chartsSearchFilter"], "val/loss")


def test_searches_are_compared_by_one_series_of_their_parents() -> None:
    view = search_view(["p1", "p2"], search_key(["k1", "k0", "k0"]), VALIDATION_LOSS)
    assert view.key == search_key(["k0", "k1"]) != search_key(["k0"])
    assert view.label == "best so far"
    assert view.state["searchFilter"] == "tags.kind = 'search' and attributes.run_id IN ('p1','p2')"
    assert "groupBy" not in view.state, "no average over those that are still alive"
    drawn = [m for m in ("search/best_loss", "summary/best_loss", "val/loss")
             if re.search(view.state["chartsSearchFilter"], m)]  # fmt: skip
    assert drawn == ["search/best_loss"]
