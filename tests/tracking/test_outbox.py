"""Whatever fails and whenever the driver dies, the record is the same: nothing lost, nothing doubled."""

from __future__ import annotations

import itertools
import json
import math
import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.tracking import replay
from mlpf_hpo.tracking import spool as spools
from mlpf_hpo.tracking.delivery import BREAKS, Delivery
from mlpf_hpo.tracking.mlflow_errors import UnreachableError, translate_errors
from mlpf_hpo.tracking.operations import CloseRun, LogMetrics, OpenRun, from_json, to_json
from mlpf_hpo.tracking.outbox import Outbox
from tests.tracking.fakes import LATE, LOST, OK, REFUSED, UNANSWERED, FakeMlflow

EPOCHS = {"a": 2, "b": 3}


def actions(trial: str) -> list:
    """Return all that a driver writes of a trial; one that resumes it writes the same again."""
    run = f"c/{trial}"
    identity = {"campaign_id": "c", "trial_key": trial}
    tags = {"kind": "trial", "trial_status": "running", **identity}
    opening = OpenRun(run, trial, "campaign", identity, trial, tags, {"seed": "7"}, "d", None, 1000)
    epochs = [
        LogMetrics(run, trial, e, {"val/loss": math.nan if e == 2 else 1 / e, "train/loss": e}, 1000 * e)
        for e in range(1, EPOCHS[trial] + 1)
    ]
    return [opening, *epochs, CloseRun(run, trial, "finished", {"reason": "done"}, 9000)]


def live(folder: Path, client: FakeMlflow, order: list[str], seconds: float, torn: float) -> None:
    """Live a driver's life: send what is left, write in `order`, be killed later, perhaps within a line."""
    _resume(folder, client)
    todo = {trial: actions(trial) for trial in EPOCHS if not _finished(client, trial)}
    delivery = Delivery(client)
    with spools.own_spool(folder, delivery.uri) as spool, Outbox(delivery, spool, 0.02, 0.0) as outbox:
        names: dict[str, str] = {}
        for trial in order:
            for operation in todo.get(trial, [])[:1]:
                todo[trial].pop(0)
                run = names.get(trial, operation.run)
                sent = outbox.put(type(operation)(**{**vars(operation), "run": run}))
                names[trial] = sent or run
        time.sleep(seconds)
        outbox._stopped = True  # no sender survives a kill
        rest = next((left[0] for left in todo.values() if left), None)
        if rest is not None:
            line = json.dumps(to_json(rest)).encode()
            os.write(spool._file.fileno(), line[: int(torn * len(line))])


def _resume(folder: Path, client: FakeMlflow) -> None:
    for _ in range(200):
        with suppress(UnreachableError):
            replay.replay_left(client, folder)
            return
    raise AssertionError("the faults never end")


def _finished(client: FakeMlflow, trial: str) -> bool:
    return any(r.tags["trial_key"] == trial and r.info.status == "FINISHED" for r in client.runs.values())


def check_record(client: FakeMlflow) -> None:
    alive = [run for run in client.runs.values() if not run.deleted]
    assert sorted(run.tags["trial_key"] for run in alive) == sorted(EPOCHS)
    for run in alive:
        trial = run.tags["trial_key"]
        expected = [
            (name, e, 1000 * e, value)
            for e in range(1, EPOCHS[trial] + 1)
            for name, value in (("val/loss", "nan" if e == 2 else 1 / e), ("train/loss", float(e)))
        ]
        assert run.points == expected, "each epoch once, in order"
        assert (run.info.status, run.info.end_time) == ("FINISHED", 9000)
        assert run.tags["trial_status"] == "finished"
        assert (run.params, len(run.inputs)) == ({"seed": "7"}, 1)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    faults=st.lists(st.sampled_from([OK, OK, OK, LOST, UNANSWERED, LATE]), max_size=60),
    lives=st.lists(
        st.tuples(
            st.lists(st.sampled_from("ab"), max_size=9), st.sampled_from([0.0, 0.001, 0.01]), st.floats(0, 1)
        ),
        max_size=3,
    ),
)
def test_failures_and_kills_leave_no_trace(faults, lives) -> None:
    client = FakeMlflow(faults)
    with tempfile.TemporaryDirectory() as folder:
        for life in lives:
            live(Path(folder), client, *life)
        client.faults = iter(())
        client.catch_up()
        live(Path(folder), client, ["a", "b"] * 6, 0.0, 0.0)
        client.catch_up()
        delivery = Delivery(client)
        _resume(Path(folder), client)
        for trial in EPOCHS:
            delivery.doubt("campaign", {"campaign_id": "c", "trial_key": trial})
        delivery.remove_twins()
    check_record(client)


def test_an_epoch_that_is_trained_again_stands_once() -> None:
    """A trial that goes on from an older checkpoint meets its last epochs again, at another time."""
    client = FakeMlflow()
    opening, *epochs = actions("b")[:-1]
    for moment in (0, 5):
        delivery = Delivery(client)  # another driver
        for operation in (opening, *epochs):
            later = {"moment_ms": operation.moment_ms + moment}
            delivery.perform(type(operation)(**{**vars(operation), **later}), again=True)
    (run,) = client.runs.values()
    assert [(step, moment) for name, step, moment, _ in run.points if name == "val/loss"] == [
        (1, 1000),
        (2, 2000),
        (3, 3000),
    ]


@pytest.fixture
def outbox(tmp_path):
    """Return a function that makes an outbox over a store with faults."""

    def make(faults, patience=0.2, retry=0.01) -> Outbox:
        delivery = Delivery(FakeMlflow(faults))
        return Outbox(delivery, spools.own_spool(tmp_path, delivery.uri), patience, retry)

    return make


def test_while_mlflow_hangs_nobody_waits_and_all_arrives_in_order(outbox, tmp_path) -> None:
    """It hangs at once, and again after three: until all is confirmed, all stays in the file."""
    written = [operation for trial in EPOCHS for operation in actions(trial)]
    gates, calls = {1: threading.Event(), 4: threading.Event()}, itertools.count(1)
    with outbox([]) as box:
        perform = box.delivery.perform

        def hanging(*args):
            gate = gates.get(next(calls))
            assert gate is None or gate.wait(60)
            return perform(*args)

        box.delivery.perform = hanging
        runs = [box.put(operation) for operation in written]
        assert runs == [None] * len(runs), "all was taken while nothing was answered"
        gates[1].set()
        with pytest.raises(TrackingError):
            box.settle(0.3)
        ((_, waiting),) = spools.contents(tmp_path).values()
        assert list(map(to_json, waiting)) == list(map(to_json, written))
        gates[4].set()
        box.settle(60)
        assert spools.contents(tmp_path) == {}
    check_record(box.delivery.client)


@pytest.mark.parametrize("delay", [2, 3])
def test_a_run_that_is_made_late_leaves_no_twin(delay) -> None:
    """It may be older than the run that has the epochs, or younger."""
    opening, first, *rest = actions("a")
    client = FakeMlflow([OK, OK, OK, LATE], delay)
    delivery = Delivery(client)
    with pytest.raises(UnreachableError):
        delivery.perform(opening)
    run_id = delivery.perform(opening)
    delivery.perform(first)
    assert len(client.runs) == 2
    assert (min(client.runs) == run_id) is (delay == 3)
    later = Delivery(client)  # the driver was killed
    assert later.perform(opening) == run_id
    for operation in (first, *rest):
        later.perform(operation)
    later.doubt(opening.kind, opening.identity)
    assert later.remove_twins() == {key for key, run in client.runs.items() if run.deleted}
    assert [key for key, run in client.runs.items() if not run.deleted] == [run_id]
    assert client.runs[run_id].info.status == "FINISHED"
    assert [step for name, step, *_ in client.runs[run_id].points if name == "val/loss"] == [1, 2]


def test_a_server_that_stays_away_is_told_with_all_that_waits(outbox, tmp_path) -> None:
    with outbox([LOST] * 10_000) as box:
        for operation in actions("b"):
            box.put(operation)
        with pytest.raises(
            TrackingError, match=r"3 epochs of 1 run \(b: 1-3\) and 2 other entries wait in"
        ) as told:
            box.settle(0.1)
    assert "mlpf-hpo spool replay" in str(told.value)
    assert str(tmp_path) in str(told.value)


def test_a_refusal_is_raised_at_once_or_kept_aside(outbox, tmp_path) -> None:
    opening, first, *_ = actions("a")
    with outbox([REFUSED]) as box, pytest.raises(TrackingError, match="refuses the run of a: no such thing"):
        box.put(opening)
    assert spools.contents(tmp_path) == {}
    with outbox([LOST, REFUSED]) as box:
        box.put(opening)
        box.put(first)  # nobody waits for the answer
        with pytest.raises(TrackingError, match=r"refused 2 operation\(s\), kept in .*\.refused; the first"):
            box.settle(10)
        box.settle(0)
    (file,) = tmp_path.glob("*.refused")
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert [from_json(entry["operation"]) for entry in kept] == [opening, first]
    assert "no such thing" in kept[0]["why"]
    assert "its run could not be opened" in kept[1]["why"]
    assert any("2 operation(s) that MLflow refused" in line for line in replay.show(tmp_path))


def test_an_operation_over_which_the_server_breaks_does_not_wait_for_ever() -> None:
    from mlflow.exceptions import MlflowException

    delivery = Delivery(FakeMlflow())

    def breaks(*args, **kwargs):
        raise MlflowException("API request failed: too many 500 error responses")

    delivery.client.log_batch = breaks
    operation = LogMetrics("0" * 32, "t", 0, {"x": 1.0}, 0)
    for _ in range(BREAKS - 1):
        with pytest.raises(UnreachableError):
            delivery.perform(operation)
    with pytest.raises(TrackingError, match="the server breaks over it") as told:
        delivery.perform(operation)
    assert not isinstance(told.value, UnreachableError)


def test_a_server_that_comes_back_right_after_a_failure_breaks_over_nothing() -> None:
    """While it is away every request fails alike; it may be back for the question how it is."""
    from mlflow.exceptions import MlflowException

    delivery = Delivery(FakeMlflow())

    def fails(*args, **kwargs):
        raise MlflowException("API request failed with exception HTTPConnectionPool")

    there = {"log_batch": delivery.client.log_batch, "search_experiments": delivery.client.search_experiments}
    run = delivery.client.create_run("0", 0, {}, "t").info.run_id
    operation = LogMetrics(run, "t", 0, {"x": 1.0}, 0)
    delivery.client.log_batch = delivery.client.search_experiments = fails
    for attempt in range(2 * BREAKS):
        if attempt == 2 * BREAKS - 1:
            delivery.client.search_experiments = there["search_experiments"]
        with pytest.raises(UnreachableError):
            delivery.perform(operation)
    delivery.client.log_batch = there["log_batch"]
    delivery.perform(operation)


def test_a_full_disk_names_the_database() -> None:
    import sqlite3

    from sqlalchemy.exc import OperationalError

    with (
        pytest.raises(StorageError, match=r"^/there/mlflow\.db: the disk is full; make room"),
        translate_errors("sqlite:////there/mlflow.db"),
    ):
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
    with pytest.raises(UnreachableError, match="locked"), translate_errors("sqlite:////there/mlflow.db"):
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))


def test_a_spool_belongs_to_one_process_and_keeps_no_password(tmp_path) -> None:
    uri = "postgresql+psycopg://me:secret@host/runs"
    with spools.own_spool(tmp_path, uri) as first, spools.own_spool(tmp_path, uri) as second:
        assert first.path != second.path
        first.append(actions("a")[0])
        assert list(spools.left_spools(tmp_path, uri)) == [], "both are held"
        assert b"secret" not in first.path.read_bytes()
        assert b"me" not in first.path.read_bytes().splitlines()[0]
        assert "me" not in first.path.name.split("-")
    assert [spool.path for spool in spools.left_spools(tmp_path, uri)] == [first.path, second.path]
    assert list(replay.show(tmp_path)) == [
        f"{first.path}: 1 other entry for postgresql+psycopg://host/runs; send with: mlpf-hpo spool replay"
    ]


def test_a_spool_of_an_earlier_version_which_names_a_user_is_sent_and_removed(tmp_path) -> None:
    old = tmp_path / "postgresql-psycopg-me-host-runs-00c0ffee.jsonl"
    waiting = json.dumps(to_json(actions("a")[0]))
    old.write_text(f'{{"tracking_uri": "postgresql+psycopg://me@host/runs?password="}}\n{waiting}\n')
    assert list(spools.left_spools(tmp_path, "http://elsewhere")) == []
    (told,) = replay.show(tmp_path)
    assert "for postgresql+psycopg://host/runs;" in told
    for spool in spools.left_spools(tmp_path, "postgresql+psycopg://other:secret@host/runs"):
        assert list(spool.operations()) == [actions("a")[0]]
        spool.clear()
    assert not old.exists()


def test_a_torn_line_is_dropped_and_nothing_is_written_onto_it(tmp_path) -> None:
    first, second, *_ = actions("a")
    with spools.own_spool(tmp_path, "http://x") as spool:
        spool.append(first)
        os.write(spool._file.fileno(), b'{"do": "lo')
    with spools.own_spool(tmp_path, "http://x") as spool:
        assert list(spool.operations()) == [first]
        spool.append(second)
    assert spools.contents(tmp_path) == {spool.path: ("http://x", [first, second])}


def test_a_line_that_is_no_operation_is_kept_aside(tmp_path) -> None:
    client = FakeMlflow()
    with spools.own_spool(tmp_path, client.tracking_uri) as spool:
        spool.append(actions("a")[0])
        os.write(spool._file.fileno(), b'{"do": "nothing"}\n')
        spool.append(actions("a")[1])
    assert replay.replay_left(client, tmp_path) == 2
    assert "nothing" in spool.refused.read_text()
    (run,) = client.runs.values()
    assert [step for _, step, *_ in run.points] == [1, 1]
