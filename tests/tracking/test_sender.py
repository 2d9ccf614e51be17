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
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpf_hpo.errors import BusyError, DataError, StorageError, TrackingError
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.scheduler import Decision, Result, Stop
from mlpf_hpo.tracking import catch_up
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.journal_entries import CloseRun, LogMetrics, OpenRun, from_json, to_json
from mlpf_hpo.tracking.journal_replay import JournalReplay
from mlpf_hpo.tracking.mlflow_errors import UnreachableError, translate_errors
from mlpf_hpo.tracking.sender import AHEAD, Sender
from mlpf_hpo.tracking.store_writes import BREAKS, StoreWrites
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
    with Sender(StoreWrites(client), folder, 0.02, 0.0) as sender:
        replay = _until_answered(lambda: sender.take_up("c"))
        for trial in order:
            for entry in todo.get(trial, [])[:1]:
                todo[trial].pop(0)
                sender.put(entry)
        time.sleep(seconds)
        sender._stopped = True  # no sender survives a kill
        rest = next((left[0] for left in todo.values() if left), None)
        if rest is not None:
            line = json.dumps(to_json(rest)).encode()
            os.write(replay.journal._file, line[: int(torn * len(line))])


def _resume(folder: Path, client: FakeMlflow) -> None:
    _until_answered(lambda: catch_up.send_left(client, folder))


def _until_answered(question):
    for _ in range(200):
        with suppress(UnreachableError):
            return question()
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


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
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
        writes = StoreWrites(client)
        _resume(Path(folder), client)
        for trial in EPOCHS:
            writes.remember_doubtful("campaign", {"campaign_id": "c", "trial_key": trial})
        writes.remove_twins()
    check_record(client)


def test_an_epoch_that_is_trained_again_stands_once() -> None:
    """A trial that goes on from an older checkpoint meets its last epochs again, at another time."""
    client = FakeMlflow()
    opening, *epochs = actions("b")[:-1]
    for moment in (0, 5):
        writes = StoreWrites(client)  # another driver
        for entry in (opening, *epochs):
            later = {"moment_ms": entry.moment_ms + moment}
            writes.write(type(entry)(**{**vars(entry), **later}), again=True)
    (run,) = client.runs.values()
    assert [(step, moment) for name, step, moment, _ in run.points if name == "val/loss"] == [
        (1, 1000),
        (2, 2000),
        (3, 3000),
    ]


@pytest.fixture
def sender(tmp_path):
    """Return a function that makes a sender to a store with faults."""

    def make(faults, patience=0.2, retry=0.01) -> Sender:
        return Sender(StoreWrites(FakeMlflow(faults)), tmp_path, patience, retry)

    return make


def waiting(folder: Path) -> list:
    """Return what waits in a folder."""
    return [entry for left in catch_up.unsent(folder).values() for entry in left]


def test_while_mlflow_hangs_no_writer_waits_and_all_arrives_in_order(sender, tmp_path) -> None:
    """It hangs at once, and again after three: until all is confirmed, all stays in the file."""
    written = [entry for trial in EPOCHS for entry in actions(trial)]
    gates, calls = {1: threading.Event(), 4: threading.Event()}, itertools.count(1)
    with sender([]) as box:
        write = box.store.write

        def hanging(*args):
            gate = gates.get(next(calls))
            assert gate is None or gate.wait(60)
            return write(*args)

        box.store.write = hanging
        runs = [box.put(entry) for entry in written]
        assert runs == [None] * len(runs), "all was taken while nothing was answered"
        gates[1].set()
        with pytest.raises(TrackingError):
            box.settle(0.3)
        # What is confirmed may be in the file all the same: three had gone when it hung again.
        assert list(map(to_json, waiting(tmp_path))) == list(map(to_json, written[3:]))
        assert list(map(to_json, Journal(tmp_path / "c.jsonl").entries())) == list(map(to_json, written))
        gates[4].set()
        box.settle(60)
        assert waiting(tmp_path) == []
    check_record(box.store.client)


def test_what_was_sent_is_confirmed_and_not_sent_again(tmp_path) -> None:
    journal, client, sent = Journal(tmp_path / "c.jsonl"), FakeMlflow(), []
    for entry in actions("a"):
        journal.append(entry)
    journal.close()
    for _ in range(2):
        replay = JournalReplay(Journal(journal.path), StoreWrites(client))
        sent.append(replay.catch_up())
        replay.close()
    assert sent == [len(actions("a")), 0]


@pytest.mark.parametrize("delay", [2, 3])
def test_a_run_that_is_made_late_leaves_no_twin(delay) -> None:
    """It may be older than the run that has the epochs, or younger."""
    opening, first, *rest = actions("a")
    client = FakeMlflow([OK, OK, OK, LATE], delay)
    writes = StoreWrites(client)
    with pytest.raises(UnreachableError):
        writes.write(opening)
    run_id = writes.write(opening)
    writes.write(first)
    assert len(client.runs) == 2
    assert (min(client.runs) == run_id) is (delay == 3)
    later = StoreWrites(client)  # the driver was killed
    assert later.write(opening) == run_id
    for entry in (first, *rest):
        later.write(entry)
    later.remember_doubtful(opening.kind, opening.identity)
    assert later.remove_twins() == {key for key, run in client.runs.items() if run.deleted}
    assert [key for key, run in client.runs.items() if not run.deleted] == [run_id]
    assert client.runs[run_id].info.status == "FINISHED"
    assert [step for name, step, *_ in client.runs[run_id].points if name == "val/loss"] == [1, 2]


def test_a_server_that_stays_away_is_reported_with_all_that_waits(sender, tmp_path) -> None:
    with sender([LOST] * 10_000) as box:
        for entry in actions("b"):
            box.put(entry)
        with pytest.raises(
            TrackingError, match=r"3 epochs of 1 run \(b: 1-3\) and 2 other entries wait in"
        ) as raised:
            box.settle(0.1)
    assert "mlpf-hpo tracking send" in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_a_refusal_is_raised_at_once_or_kept_aside(sender, tmp_path) -> None:
    opening, first, *_ = actions("a")
    with sender([REFUSED]) as box, pytest.raises(TrackingError, match="refuses the run of a: no such thing"):
        box.put(opening)
    assert waiting(tmp_path) == []
    (tmp_path / "c.jsonl").unlink()
    with sender([LOST, REFUSED]) as box:
        box.put(opening)
        box.put(first)  # nobody waits for the answer
        with pytest.raises(TrackingError, match=r"refused 2 entries, kept in .*\.refused; the first"):
            box.settle(10)
        box.settle(0)
    (file,) = tmp_path.glob("*.refused")
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert [from_json(line["entry"]) for line in kept] == [opening, first]
    assert "no such thing" in kept[0]["why"]
    assert "its run could not be opened" in kept[1]["why"]
    assert any("2 entries that MLflow refused" in line for line in catch_up.describe_unsent(tmp_path))


def test_metrics_wait_for_no_answer_while_few_are_on_their_way_and_a_refusal_is_raised_next(
    sender, tmp_path
) -> None:
    opening, *_ = actions("a")
    epochs = [LogMetrics(opening.run, "a", e, {"val/loss": 1 / e}, 1000 * e) for e in range(1, 20)]
    answer, write_on = threading.Event(), threading.Event()
    with sender([]) as box:
        box.put(opening)
        write = box.store.write

        def slow(entry, *args):
            assert answer.wait(60)
            if entry.epoch == 2:
                raise TrackingError("no such metric")
            return write(entry, *args)

        box.store.write = slow
        box.patience_seconds = 60
        for entry in epochs[:AHEAD]:
            box.put(entry)
        writer = threading.Thread(target=lambda: (box.put(epochs[AHEAD]), write_on.set()))
        writer.start()
        assert not write_on.wait(0.1), "one more, and its writer waits"
        answer.set()
        assert write_on.wait(60)
        _until(lambda: not box._waiting)
        with pytest.raises(TrackingError, match="no such metric"):
            box.put(epochs[AHEAD + 1])
        box.put(epochs[AHEAD + 1])
        with pytest.raises(
            TrackingError, match=r"refused 1 entries, kept in .*\.refused; the first: no such"
        ):
            box.settle(10)
    (run,) = box.store.client.runs.values()
    assert [step for _, step, *_ in run.points] == [1, *range(3, AHEAD + 3)]


def _until(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_an_entry_over_which_the_server_breaks_does_not_wait_for_ever() -> None:
    from mlflow.exceptions import MlflowException

    writes = StoreWrites(FakeMlflow())

    def breaks(*args, **kwargs):
        raise MlflowException("API request failed: too many 500 error responses")

    writes.client.log_batch = breaks
    entry = LogMetrics("0" * 32, "t", 0, {"x": 1.0}, 0)
    for _ in range(BREAKS - 1):
        with pytest.raises(UnreachableError):
            writes.write(entry)
    with pytest.raises(TrackingError, match="the server breaks over it") as raised:
        writes.write(entry)
    assert not isinstance(raised.value, UnreachableError)


def test_a_server_that_comes_back_right_after_a_failure_breaks_over_nothing() -> None:
    """While it is away every request fails alike; it may be back for the question how it is."""
    from mlflow.exceptions import MlflowException

    writes = StoreWrites(FakeMlflow())

    def fails(*args, **kwargs):
        raise MlflowException("API request failed with exception HTTPConnectionPool")

    there = {"log_batch": writes.client.log_batch, "search_experiments": writes.client.search_experiments}
    run = writes.client.create_run("0", 0, {}, "t").info.run_id
    entry = LogMetrics(run, "t", 0, {"x": 1.0}, 0)
    writes.client.log_batch = writes.client.search_experiments = fails
    for attempt in range(2 * BREAKS):
        if attempt == 2 * BREAKS - 1:
            writes.client.search_experiments = there["search_experiments"]
        with pytest.raises(UnreachableError):
            writes.write(entry)
    writes.client.log_batch = there["log_batch"]
    writes.write(entry)


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


def test_a_journal_belongs_to_one_process_and_what_it_sends_keeps_no_password(tmp_path) -> None:
    client = FakeMlflow()
    client.tracking_uri = "postgresql+psycopg://me:secret@host/runs"
    with Sender(StoreWrites(client), tmp_path) as first, Sender(StoreWrites(client), tmp_path) as second:
        first.put(actions("a")[0])
        with pytest.raises(BusyError, match=r"c\.jsonl: another process writes this journal"):
            second.put(actions("a")[1])
        first.store.client.faults = iter([LOST] * 10_000)
        first.put(actions("a")[1])
        assert catch_up.send_left(client, tmp_path) == 0, "it is held"
    (line,) = catch_up.describe_unsent(tmp_path)
    assert line == (
        f"{tmp_path}/c.jsonl: 1 epoch of 1 run (a: 1) for postgresql+psycopg://host/runs; send with: "
        "mlpf-hpo tracking send"
    )
    for file in tmp_path.iterdir():
        assert b"secret" not in file.read_bytes()
        assert b"me" not in file.read_bytes().partition(b"tracking_uri")[2]
        assert "me" not in file.name.split("-")


def test_a_spool_of_an_earlier_version_which_names_a_user_is_sent_and_removed(tmp_path) -> None:
    folder = tmp_path / "journals"
    old = tmp_path / "spool" / "postgresql-psycopg-me-host-runs-00c0ffee.jsonl"
    old.parent.mkdir()
    lines = [
        {"tracking_uri": "postgresql+psycopg://me@host/runs?password="},
        *map(to_json, actions("a")[:2]),
        {"do": "nothing"},
    ]
    old.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"do": "lo')
    client = FakeMlflow()
    assert catch_up.send_left(client, folder) == 0
    (line,) = catch_up.describe_unsent(folder)
    assert "1 epoch of 1 run (a: 1) and 1 other entry for postgresql+psycopg://host/runs;" in line
    client.tracking_uri = "postgresql+psycopg://other:secret@host/runs"
    assert catch_up.send_left(client, folder) == 2
    assert not old.exists()
    assert "nothing" in old.with_suffix(".refused").read_text()
    (run,) = client.runs.values()
    assert [step for _, step, *_ in run.points] == [1, 1]


def test_a_torn_line_is_dropped_and_nothing_is_written_onto_it(tmp_path) -> None:
    first, second, *_ = actions("a")
    journal = Journal(tmp_path / "c.jsonl")
    journal.append(first)
    os.write(journal._file, b'{"do": "lo')
    assert list(journal.entries()) == [first]
    journal.append(second)
    assert list(journal.entries()) == [first, second]
    journal.close()
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-7])
    later = Journal(journal.path)
    assert list(later.entries()) == [first]
    later.append(second)
    assert journal.path.read_bytes() == content


def test_a_damaged_line_is_named_and_nothing_behind_it_is_sent(tmp_path) -> None:
    client = FakeMlflow()
    journal = Journal(tmp_path / "c.jsonl")
    journal.append(actions("a")[0])
    os.write(journal._file, b'{"do": "nothing"}\n')
    journal.append(actions("a")[1])
    journal.close()
    with pytest.raises(DataError, match=r"c\.jsonl, line 2: not an entry of a journal"):
        catch_up.send_left(client, tmp_path)
    assert client.runs == {}
    (line,) = catch_up.describe_unsent(tmp_path)
    assert "c.jsonl, line 2" in line


@pytest.mark.parametrize("lost", ["the place", "the store", "a run"])
def test_what_is_lost_is_made_again_from_the_journal(tmp_path, lost) -> None:
    client = FakeMlflow()
    with Sender(StoreWrites(client), tmp_path) as sender:
        for entry in [*actions("a"), *actions("b")]:
            sender.put(entry)
    before = client
    if lost == "the place":
        next(tmp_path.glob("c.*.sent")).unlink()
    elif lost == "the store":
        client = FakeMlflow()
    else:
        next(iter(client.runs.values())).deleted = True
    with Sender(StoreWrites(client), tmp_path) as sender:
        sender.take_up("c")
        if lost == "a run":  # its trial goes on, as the store does not say that it has ended
            sender.put(actions("a")[0])
            sender.put(actions("a")[-1])
    check_record(client)
    assert len(before.runs) == (3 if lost == "a run" else 2)


def test_what_happened_to_a_run_elsewhere_stays(tmp_path) -> None:
    """Another machine has trained the trial to its end: what this one sends again comes too late."""
    client = FakeMlflow()
    opening, first, *_ = actions("a")
    killed = CloseRun(opening.run, "a", "killed", {"reason": "interrupted"}, 1500)
    with Sender(StoreWrites(client), tmp_path) as sender:
        for entry in (opening, first, killed):
            sender.put(entry)
    elsewhere = StoreWrites(client)
    for entry in (replace(opening, moment_ms=1600), *actions("a")[1:]):
        elsewhere.write(entry)
    for name in EPOCHS:
        if name != "a":
            for entry in actions(name):
                elsewhere.write(entry)
    next(tmp_path.glob("c.*.sent")).unlink()
    with Sender(StoreWrites(client), tmp_path) as sender:
        sender.take_up("c")
    check_record(client)
    assert {run.tags.get("reason") for run in client.runs.values()} == {"done"}


def test_results_come_back_as_they_were_and_those_of_earlier_versions_too(tmp_path) -> None:
    predicted = Prediction(np.array([0.5]), np.array([0.25]), np.array([math.inf]), coverage=0.9)
    stops = [None, Stop("t1", 2, math.nan, "prediction", 0.75, predicted)]
    journal = Journal(tmp_path / "c.jsonl")
    old = {"metric": "val/loss", "key": "k0", "epoch": 1, "value": "nan", "decision": "pause", "stop": None}
    journal.path.write_text(json.dumps(old) + "\n")
    results = [Result("k1", e, "acc", 1 / 3, Decision.STOP, stop) for e, stop in enumerate(stops, start=1)]
    for result in results:
        journal.append(LogMetrics("c/k1", "t1", result.epoch, {"acc": 1 / 3}, 5, result))
    first, *found = journal.results()
    assert (first.key, first.epoch, first.metric, first.decision) == ("k0", 1, "val/loss", Decision.PAUSE)
    assert math.isnan(first.value)
    assert repr(found) == repr(results)
    client = FakeMlflow()
    with Sender(StoreWrites(client), tmp_path) as sender:
        journal.close()
        with pytest.raises(TrackingError, match="epoch 1 of t1: its run could not be opened"):
            sender.take_up("c")
