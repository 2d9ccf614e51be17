"""What is on record, the best trials, and whether drivers live: asked of a real store."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import driver_process, overview, ui_links
from mlpf_hpo.tracking.ranking import best_trials
from mlpf_hpo.tracking.store_writes import NOTE


def logged(writer, open_trial, losses: dict[str, list[float]], status: str = "finished") -> dict[str, str]:
    """Write trials with these curves; return their run ids by key."""
    runs = {}
    for number, (key, curve) in enumerate(losses.items()):
        runs[key] = open_trial(key, f"t{number:03d}")
        for epoch, loss in enumerate(curve, start=1):
            writer.log_epoch(runs[key], epoch, {"val/loss": loss, "throughput/events_per_second": 10 * loss})
        writer.close(runs[key], status)
    return runs


def test_the_best_epoch_counts_not_the_last(writer, open_trial) -> None:
    nan, inf = float("nan"), float("inf")
    curves = {"a": [5.0, 1.0, 9.0], "b": [3.0, 2.0, 2.0], "c": [nan, nan], "d": [inf, 4.0], "e": []}
    runs = logged(writer, open_trial, curves)
    best = best_trials(writer.client, "campaign", campaign_id=open_trial.campaign_id)
    assert [trial.run_id for trial in best] == [runs[key] for key in "abd"]
    assert [(trial.best, trial.best_epoch, trial.epochs) for trial in best] == [
        (1, 2, 3),
        (2, 2, 3),
        (4, 2, 2),
    ]
    fastest = best_trials(
        writer.client, "campaign", "throughput/events_per_second", 1, open_trial.campaign_id
    )
    assert [trial.run_id for trial in fastest] == [runs["a"]]
    assert fastest[0].best == 90
    assert fastest[0].hardware_label == "here"


def test_what_leaves_no_network_is_not_among_the_best(writer, open_trial) -> None:
    runs = {}
    for number, status in enumerate(("diverged", "failed", "finished", "stopped", "killed")):
        runs[status] = open_trial(status, f"t{number:03d}")
        writer.log_epoch(runs[status], 1, {"val/loss": float(number)})
        writer.close(runs[status], status)
    best = best_trials(writer.client, "campaign", campaign_id=open_trial.campaign_id)
    assert [trial.run_id for trial in best] == [runs[status] for status in ("finished", "stopped", "killed")]


def test_an_unknown_metric_names_the_nearest(writer, open_trial) -> None:
    logged(writer, open_trial, {"a": [1.0]})
    with pytest.raises(ConfigurationError, match=r"--metric: .*val/los \(did you mean val/loss\?\)"):
        best_trials(writer.client, "campaign", "val/los")


def test_work_and_its_driver(writer, open_trial) -> None:
    logged(writer, open_trial, {"a": [1.0], "b": [2.0]})
    open_trial("c", "t002")

    def seen() -> overview.Work:
        found = overview.work_on_record(writer.client, "campaign")
        return next(work for work in found if work.campaign_id == open_trial.campaign_id)

    assert seen().trials == {"finished": 2, "running": 1}
    assert seen().alive is True
    assert f"process {os.getpid()} on " in seen().state
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    writer.client.set_tag(open_trial.parent, driver_process.PROCESS, str(child.pid))
    assert seen().alive is False
    assert "dead" in seen().state
    writer.client.set_tag(open_trial.parent, driver_process.MACHINE, "another-machine")
    assert seen().alive is None
    writer.close(open_trial.parent, "finished")
    assert seen().state == "ended"


def test_a_number_given_again_is_not_the_same_driver() -> None:
    tags = driver_process.driver_tags()
    assert driver_process.driver_state(tags).alive
    earlier = float(tags[driver_process.STARTED]) - 3600
    assert driver_process.driver_state({**tags, driver_process.STARTED: str(earlier)}).alive is False
    assert driver_process.driver_state({}).alive is None


def test_links_lead_to_the_newest_campaign(writer, open_trial) -> None:
    logged(writer, open_trial, {"a": [1.0], "b": [2.0]})
    (post,) = ui_links.update_links(writer.client, "campaign", first=[open_trial.parent])
    assert [what for what, _ in post.links] == [
        "all curves (figure)",
        "all machines (figure)",
        "curves",
        "by machine",
        "best 2",
        "parent run",
    ]
    tags = writer.client.get_experiment_by_name("mlpf/campaign").tags
    first_line = tags[NOTE].splitlines()[0]
    assert open_trial.parent in first_line
    assert "http" not in first_line, "links of a note hold wherever the UI is served"
    assert f"mlflow.sharedViewState.curves-{open_trial.campaign_id}" in tags


def test_a_trial_that_changes_machines_names_both(writer, open_trial) -> None:
    run_id = open_trial("moved")
    writer.log_epoch(run_id, 1, {"val/loss": 1.0})
    writer.close(run_id, "killed")
    parent = open_trial.parent
    for label, expected in (("there", "here+there"), ("here", "here+there")):
        again = writer.open_trial(
            parent, "campaign", open_trial.campaign_id, "t000", "moved", {}, 7, {"hardware_label": label}
        )
        assert again == run_id
        assert writer.client.get_run(run_id).data.tags["hardware_label"] == expected


def test_every_metric_is_ranked_in_its_direction_and_an_unknown_one_is_asked_for(writer, open_trial) -> None:
    rows = {
        "a": {
            "val/fake_rate_muon": 0.5,
            "val/efficiency_muon": 0.1,
            "fitness": 1.0,
            "val/pt_residual_mean": -1.0,
        },
        "b": {
            "val/fake_rate_muon": 0.1,
            "val/efficiency_muon": 0.9,
            "fitness": 2.0,
            "val/pt_residual_mean": 0.0,
        },
    }
    runs = {key: open_trial(key, f"t{number:03d}") for number, key in enumerate(rows)}
    for key, metrics in rows.items():
        writer.log_epoch(runs[key], 1, metrics)

    def best(metric: str, mode: str | None = None) -> str:
        trials = best_trials(writer.client, "campaign", metric, None, open_trial.campaign_id, mode)
        assert len(trials) == 2
        return trials[0].run_id

    assert best("val/fake_rate_muon") == runs["b"]
    assert best("val/efficiency_muon") == runs["b"]
    with pytest.raises(ConfigurationError, match=r"fitness: its name .* --mode min or --mode max"):
        best("fitness")
    assert best("fitness", "max") == runs["b"]
    assert best("fitness", "min") == runs["a"]
    with pytest.raises(ConfigurationError, match=r"val/pt_residual_mean: its best value is neither"):
        best("val/pt_residual_mean")
    with pytest.raises(ConfigurationError, match=r"--mode max: contradicts val/fake_rate_muon, .*--mode min"):
        best("val/fake_rate_muon", "max")
    with pytest.raises(ConfigurationError, match=r"fitnes \(did you mean fitness\?\)"):
        best("fitnes")


def test_a_campaign_is_ranked_by_what_it_is_for(writer, open_trial) -> None:
    fitness = TargetMetric("fitness", "max")
    writer.client.set_tag(open_trial.parent, *next(iter(fitness.tags().items())))
    writer.client.set_tag(open_trial.parent, *list(fitness.tags().items())[1])
    for number, value in enumerate([1.0, 3.0, 2.0]):
        writer.log_epoch(open_trial(f"k{number}", f"t{number:03d}"), 1, {"fitness": value})
    ranked = best_trials(writer.client, "campaign", campaign_id=open_trial.campaign_id)
    assert [(trial.metric, trial.best) for trial in ranked] == [("fitness", v) for v in (3.0, 2.0, 1.0)]
    with pytest.raises(ConfigurationError, match=r"--mode min: contradicts fitness, .*--mode max"):
        best_trials(writer.client, "campaign", campaign_id=open_trial.campaign_id, mode="min")
