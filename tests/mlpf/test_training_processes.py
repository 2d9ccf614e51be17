"""A trial in two processes has the curve of one process, and survives the loss of a process."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace

import pytest

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.mlpf.task import MLPFTask
from mlpf_hpo.mlpf.training import train_trial
from mlpf_hpo.mlpf.training_processes import _cause, train_together
from mlpf_hpo.tuning.checkpoints import newest_checkpoint
from mlpf_hpo.tuning.task import TaskResources, TrialSpec
from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd, WorkerDied

EPOCHS = 3
EVENTS = 10
"""Of the training store."""


def by(n: int, spec: TrialSpec[MLPFTask]) -> TrialSpec[MLPFTask]:
    return replace(spec, task=replace(spec.task, processes=n))


def test_two_processes_train_as_one_also_after_one_was_killed(make_spec, tmp_path) -> None:
    spec = by(2, make_spec(dropout=0.0))
    before: list[EpochReport] = []
    others = set(multiprocessing.active_children())
    """A pool that a test before this one left idle is no part of the training."""

    def kill_the_second(report: EpochReport) -> None:
        before.append(report)
        ours = set(multiprocessing.active_children()) - others
        second = sorted(ours, key=lambda process: process.pid)[1]
        second.kill()
        second.join()

    with pytest.raises(WorkerDied, match="process 2 of 2 was ended by signal 9"):
        train_together(spec, EPOCHS, tmp_path / "two", kill_the_second)
    assert not set(multiprocessing.active_children()) - others
    assert [report.epoch for report in before] == [1]
    assert [path.name[:11] for path in (tmp_path / "two").iterdir()] == ["epoch-00001"]

    reports: list[EpochReport] = []
    end = spec.task.train(spec, EPOCHS, tmp_path / "two", reports.append)
    assert end == TrialEnd("finished", EPOCHS)
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert reports[0] == before[0], "from the checkpoint"

    alone: list[EpochReport] = []
    train_trial(by(1, spec), EPOCHS, tmp_path / "one", alone.append)
    for ours, theirs in zip(reports, alone, strict=True):
        same = {name: v for name, v in theirs.metrics.items() if name.startswith(("train/", "val/"))}
        assert {name: ours.metrics[name] for name in same} == pytest.approx(same, rel=1e-5, abs=1e-7)
        assert ours.metrics.keys() == theirs.metrics.keys()
    last, last_alone = reports[-1].metrics, alone[-1].metrics
    assert last["throughput/flop_per_event"] == last_alone["throughput/flop_per_event"]
    counted = last["throughput/events_per_second"] * last["time/train_seconds"]
    assert counted == pytest.approx(EVENTS), "of both processes"
    content = newest_checkpoint(tmp_path / "two").content
    assert list(content["state_dict"]) == list(newest_checkpoint(tmp_path / "one").content["state_dict"])


def test_the_number_of_processes_is_part_of_a_trials_identity(make_spec) -> None:
    """Sums are rounded in another order, and dropout masks are drawn by each process."""
    spec = make_spec()
    assert by(2, spec).key != spec.key
    assert by(1, spec).key == spec.key
    assert "processes" not in spec.task.constants, "trials on record keep their keys"
    assert by(2, spec).task.resources == TaskResources(threads=1, processes=2)


def test_more_processes_than_events_of_a_batch_are_refused(make_spec) -> None:
    task = make_spec().task
    stores = task.train_store, task.validation_store
    assert MLPFTask.on(*stores, task.network, task.training, task.training.batch_events).processes == 4
    with pytest.raises(ConfigurationError, match=r"resources\.processes_per_trial: 5 processes .* of 4"):
        MLPFTask.on(*stores, task.network, task.training, 5)


def test_what_a_training_raises_is_the_cause() -> None:
    error = DataError("no such store")
    assert _cause(error, []) is error
    other = RuntimeError("broken")
    assert _cause(other, []) is other
    assert isinstance(_cause(None, []), WorkerDied)
