"""A trial's run says which machines trained it, as each epoch's worker says; in MLflow and in archives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.search.scheduler import Decision, Result
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.host_records import read_hosts
from mlpf_hpo.tracking.store_writes import NOTE
from mlpf_hpo.tracking.trial_archive import TrialArchive
from mlpf_hpo.tracking.writer import durable_writer
from mlpf_hpo.tuning.driver import Recorder
from mlpf_hpo.tuning.machine import Machine
from mlpf_hpo.tuning.task import TrialSpec
from tests.quick_task import QuickTask


def machine(name: str, label: str, **changed) -> Machine:
    """Return a machine that differs from this one."""
    host = dataclasses.replace(describe_host(), hostname=name, **changed)
    own = {"hardware_label": label}
    return Machine.from_json(Machine({**host.record(), **own}, {**host.tags(), **own}).to_json())


@pytest.fixture
def recorder(uri: str, tmp_path: Path, request: pytest.FixtureRequest):
    """Yield a function that returns a recorder of one trial, as each driver in turn has."""
    identity = request.node.name[-30:]
    with durable_writer(tmp_path, 10.0, uri) as writer:
        host = describe_host().record()
        parent = writer.open_parent("campaign", identity, "campaign-x", {}, {}, "a note", host=host)
        spec = TrialSpec("t000", {"x": 0.5}, 7, QuickTask())

        def begin() -> Recorder:
            return Recorder(writer, "campaign", identity, parent, [spec])

        yield begin


def train(recorder: Recorder, on: Machine, epochs: range, known: int) -> None:
    """Report epochs; those up to `known` are repeated from a checkpoint."""
    for epoch in epochs:
        result = Result("k", epoch, "val/loss", 1.0, Decision.CONTINUE, None) if epoch > known else None
        recorder.epoch("t000", epoch, {"val/loss": 1.0}, 1000 * epoch, result, on)


def run_of(recorder: Recorder):
    recorder.writer.settle()
    return recorder.writer.client.get_run(recorder.run_id("t000"))


def test_a_trial_without_an_epoch_has_no_machine(recorder) -> None:
    begun = recorder()
    begun.open("t000")
    assert {"hardware_label", "host", NOTE}.isdisjoint(run_of(begun).data.tags)


def test_a_trial_that_moves_has_all_its_machines(recorder, tmp_path: Path) -> None:
    alpha, beta = machine("alpha", "A", cpu_model="Epyc"), machine("beta", "B", cpu_model="Xeon")
    first = recorder()
    first.open("t000")
    train(first, alpha, range(1, 4), known=0)
    assert run_of(first).data.tags["hosts"] == "alpha (A) from epoch 1"
    train(first, beta, range(1, 6), known=3)  # in the same session: its node was lost
    second = recorder()  # another session, in which nothing was trained on the machine that it began on
    second.open("t000")
    train(second, alpha, range(1, 6), known=5)
    tags = run_of(second).data.tags
    assert tags["hosts"] == "alpha (A) from epoch 1; beta (B) from epoch 4"
    assert (tags["hardware_label"], tags["host"], tags["cpu"]) == ("A+B", "alpha+beta", "Xeon")
    assert "hosts/B-" in tags[NOTE]
    assert "Xeon" in tags[NOTE]
    client = second.writer.client
    (trial,) = reader.trials(client, "campaign", second.campaign_id)
    assert trial.hardware_label == "A+B"
    labels = {host["hardware_label"] for host in read_hosts(client, second.parent_run_id)}
    assert labels == {"A", "B", describe_host().hardware_label}
    second.writer.close(second.run_id("t000"), "finished")
    archive = TrialArchive(tmp_path / "archive")
    assert archive.keep(second.writer.entries_of(f"{second.campaign_id}/{second.specs[0].key}"))
    (kept,) = archive.trials()
    assert kept.summary().hardware_label == "A+B"
    assert kept.opening.tags["hosts"] == tags["hosts"]


def test_this_machine_is_on_record_once(recorder) -> None:
    begun = recorder()
    begun.open("t000")
    worker = machine(describe_host().hostname, describe_host().hardware_label, threads={"torch": 99})
    train(begun, worker, range(1, 2), known=0)
    run_of(begun)
    assert len(read_hosts(begun.writer.client, begun.parent_run_id)) == 1
