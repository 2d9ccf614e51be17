"""The best value so far against the epochs spent: right values, and a series that is logged once."""

from __future__ import annotations

import math

import numpy as np

from mlpf_hpo.search.search_result import Point, improvements, staircase
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric
from mlpf_hpo.tracking import ui_links
from mlpf_hpo.tracking.epoch_metrics import series
from tests.tracking.conftest import CONFIGURATION

NAN, INF = float("nan"), float("inf")


def trial(
    number: int, start: float, losses: list[float], status: str = "finished", metric: str = "val/loss"
) -> TrialSummary:
    """Return a trial whose epochs ended at `start` and every 10 s after it."""
    return TrialSummary(
        trial_id=f"t{number:03d}",
        trial_key=f"k{number}",
        run_id=f"r{number}",
        configuration={},
        seed=0,
        status=status,
        metrics={metric: tuple(losses)},
        hardware_label="here",
        timestamps=tuple(start + 10 * i for i in range(len(losses))),
    )


def points(found: list[Point]) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in found]


def test_epochs_count_in_the_order_in_which_they_ended() -> None:
    trials = [trial(0, 0, [9.0, 7.0, 6.0]), trial(1, 5, [8.0, 8.0, 3.0, 4.0])]
    # ended:   0: 9, 5: 8, 10: 7, 15: 8, 20: 6, 25: 3, 35: 4
    found = improvements(trials, VALIDATION_LOSS)
    assert points(found) == [(1, 9), (2, 8), (3, 7), (5, 6), (6, 3), (7, 3)]
    assert [point.moment_ms for point in found] == [0, 5000, 10_000, 20_000, 25_000, 35_000]
    assert points(staircase(found)) == [(1, 9), (2, 8), (3, 7), (4, 7), (5, 6), (6, 3), (7, 3)]


def test_what_has_no_network_is_spent_but_never_the_best() -> None:
    trials = [trial(0, 0, [9.0, 8.0]), trial(1, 1, [1.0, NAN], "diverged"), trial(2, 2, [INF, 2.0], "failed")]
    assert points(improvements(trials, VALIDATION_LOSS)) == [(1, 9), (4, 8), (6, 8)]
    assert improvements(trials[1:], VALIDATION_LOSS) == []
    assert improvements([], VALIDATION_LOSS) == []


def test_a_rising_metric_rises() -> None:
    target = TargetMetric("val/accuracy", "max")
    found = improvements([trial(0, 0, [0.5, 0.4, 0.7, INF, 0.6], metric="val/accuracy")], target)
    assert points(found) == [(1, 0.5), (3, 0.7), (5, 0.7)]
    assert series(target) == "search/best_accuracy"


def test_against_the_running_minimum() -> None:
    generator = np.random.default_rng(0)
    starts = generator.permutation(1000)[:40]
    trials = [
        trial(i, float(start), generator.uniform(1, 9, 7).tolist()[: generator.integers(1, 8)])
        for i, start in enumerate(starts)
    ]
    ended = sorted(pair for t in trials for pair in zip(t.timestamps, t.metrics["val/loss"], strict=True))
    running = np.minimum.accumulate([value for _, value in ended])
    stairs = staircase(improvements(trials, VALIDATION_LOSS))
    steps = [point.step for point in stairs]
    assert steps == sorted(set(steps))
    drawn = np.interp(np.arange(1, len(running) + 1), steps, [point.value for point in stairs])
    np.testing.assert_array_equal(drawn, running)


def test_a_series_is_logged_once_and_goes_on(writer, open_trial) -> None:
    def logged() -> list[tuple[int, float, int]]:
        history = writer.client.get_metric_history(open_trial.parent, "search/best_loss")
        return sorted((point.step, point.value, point.timestamp) for point in history)

    first = [(step, 5000.0 - step, step) for step in range(1, 2501)]  # more than MLflow takes at once
    writer.log_series(open_trial.parent, "search/best_loss", first)
    later = [(step, value, moment + 9) for step, value, moment in first]
    writer.log_series(open_trial.parent, "search/best_loss", later)
    assert logged() == first, "what is on record stays as it is"
    writer.log_series(open_trial.parent, "search/best_loss", [*first[:3], (3000, 1.0, 3000)])
    assert logged() == [*first, (3000, 1.0, 3000)]


def test_parents_hold_what_their_searches_found(writer) -> None:
    curves = {"s1": [[9.0, 5.0], [4.0, NAN]], "s2": [[8.0], [3.0, 7.0]]}
    parents = {}
    for identity, losses in curves.items():
        parents[identity] = writer.open_parent("search", identity, f"search-{identity}", {}, {}, "")
        for number, curve in enumerate(losses):
            run = writer.open_trial(
                parents[identity], "search", identity, f"t{number:03d}", f"k{number}", CONFIGURATION, 7
            )
            for epoch, loss in enumerate(curve, start=1):
                moment = 1_000_000 + 10 * epoch + number
                writer.log_epoch(run, epoch, {"val/loss": loss}, timestamp_ms=moment)
            writer.close(run, "finished" if math.isfinite(curve[-1]) else "diverged")
    writer.close(parents["s1"], "finished")

    def history(identity: str) -> list[tuple[int, float]]:
        found = writer.client.get_metric_history(parents[identity], "search/best_loss")
        return sorted((point.step, point.value) for point in found)

    (_, *posts) = ui_links.update_links(writer.client, "search", first=list(parents.values()))
    assert [post.name for post in posts] == ["search-s2", "search-s1"]
    assert history("s1") == [(1, 9), (2, 9), (3, 5), (4, 5)]
    assert history("s2") == [], "it is under way: the best trial may yet diverge"
    writer.close(parents["s2"], "finished")
    for _ in range(2):
        (compared, *_) = ui_links.update_links(writer.client, "search", first=list(parents.values()))
    assert history("s1") == [(1, 9), (2, 9), (3, 5), (4, 5)]
    assert history("s2") == [(1, 8), (2, 3), (3, 3)]
    assert compared.name == "newest searches of the same 2 configurations"
    ((what, link),) = compared.links
    assert what == "best so far"
    key = link.split("viewStateShareKey=")[1]
    view = writer.client.get_experiment_by_name("mlpf/search").tags[f"mlflow.sharedViewState.{key}"]
    assert all(parent in view for parent in parents.values())
    reopened = writer.open_parent("search", "s1", "search-s1", {"hardware_label": "b"}, {}, "")
    assert writer.client.get_run(reopened).data.tags["hardware_label"] == "b", "its series is no epoch"
