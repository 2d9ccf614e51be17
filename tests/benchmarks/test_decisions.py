"""The benchmark of decisions: its keys, and that it asks what it claims to."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import decisions
from mlpf_hpo.search.scheduler import Decision


class Recorder:
    """A scheduler that pauses at every third epoch and records what it is asked."""

    def __init__(self) -> None:
        self.added, self.reports, self.completed, self.asked = [], [], [], []

    def on_trial_add(self, trial_id, configuration) -> None:
        self.added.append(trial_id)
        assert len(configuration) == 6

    def on_trial_result(self, trial_id, epoch, value) -> Decision:
        self.reports.append((trial_id, epoch))
        return Decision.PAUSE if epoch % 3 == 0 else Decision.CONTINUE

    def on_trial_complete(self, trial_id) -> None:
        self.completed.append(trial_id)

    def choose(self, pending, paused):
        self.asked.append((len(pending), len(paused)))
        return next(iter([*pending, *paused]), None)


def test_finished_and_live_trials_are_driven_as_a_search_does(monkeypatch) -> None:
    monkeypatch.setattr(decisions, "WORKERS", 4)
    scheduler = Recorder()
    drive = decisions.Drive(scheduler, decisions.campaign(15, 8, seed=0), finished=5)
    assert len(scheduler.added) == 15
    assert scheduler.completed == [f"t{row}" for row in range(5)]
    assert scheduler.reports == [(f"t{row}", epoch) for row in range(5) for epoch in range(1, 9)]
    drive.run(40)
    assert len(drive.results) == 40
    assert len(drive.choices) == len(scheduler.asked) - 1 > 5
    assert all(seconds >= 0 for seconds in drive.results + drive.choices)
    for trial_id in scheduler.added:  # the epochs of each in order, each once
        epochs = [epoch for name, epoch in scheduler.reports if name == trial_id]
        assert epochs == list(range(1, len(epochs) + 1))
    assert max(pending for pending, _ in scheduler.asked[1:]) == 15 - 5 - 4


def test_numbers_are_printed_and_kept(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(decisions, "QUICK", (8, 18, 6, 12))
    out = tmp_path / "out.json"
    arguments = ["decisions", "--quick", "--json", str(out), "freeze_thaw", "freeze_thaw_prior", "asha"]
    monkeypatch.setattr(sys, "argv", arguments)
    decisions.main()
    numbers = json.loads(out.read_text())
    for name in ("freeze_thaw", "freeze_thaw_prior", "asha"):
        median, p95, longest = (numbers[f"{name}.results.{kind}"] for kind in ("median", "p95", "longest"))
        assert 0 < median <= p95 <= longest
        assert numbers[f"{name}.results.n"] == pytest.approx(12)
    assert numbers["freeze_thaw_prior.first"] > 0
    assert "asha.results.p95" in capsys.readouterr().out
