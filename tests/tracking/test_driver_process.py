"""Whether a driver lives, and what follows: seen from its machine, from others, with clocks that differ."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlpf_hpo.errors import BusyError
from mlpf_hpo.tracking import driver_process, orphaned_runs, overview, reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.driver_process import driver_state, driver_tags
from mlpf_hpo.tracking.heartbeat import Heartbeats
from mlpf_hpo.tracking.writer import RunWriter, durable_writer

INTERVAL = 0.1


def elsewhere(age_seconds: float | None, interval: float = 10.0) -> dict[str, str]:
    """Return the tags of a driver on another machine whose last heartbeat is so old by this clock."""
    tags = {
        **driver_tags(),
        driver_process.PROCESS: "77",
        driver_process.MACHINE: "far-away",
        driver_process.PROCESS_TABLE: "other",
    }
    if age_seconds is not None:
        moment = datetime.now(UTC) - timedelta(seconds=age_seconds)
        tags |= {driver_process.HEARTBEAT: moment.isoformat(), driver_process.INTERVAL: f"{interval:g}"}
    return tags


def without_age(text: str) -> str:
    """Return a text without the seconds that a slow machine may add to."""
    return re.sub(r"heartbeat \d+ s", "heartbeat N s", text)


@pytest.mark.parametrize(
    ("age", "alive", "expected"),
    [
        (8, True, "last heartbeat N s ago"),
        (110, True, "last heartbeat N s ago"),
        (121, False, "last heartbeat N s ago"),
        (-60, True, "last heartbeat N s ahead of this clock"),
        (-600, False, "last heartbeat N s ahead of this clock"),
        (None, None, "it leaves no heartbeat"),
    ],
)
def test_from_elsewhere_the_heartbeat_decides(age, alive, expected) -> None:
    state = driver_state(elsewhere(age))
    evidence = without_age(state.evidence)
    assert (state.name, state.alive, evidence) == ("process 77 on far-away", alive, expected)


def test_on_the_same_machine_the_process_table_decides_at_once() -> None:
    tags = {**driver_tags(10.0), driver_process.HEARTBEAT: "2020-01-01T00:00:00+00:00"}
    assert driver_state(tags).alive is True, "a heartbeat that MLflow did not take is no death"
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    gone = {**driver_tags(10.0), driver_process.PROCESS: str(child.pid)}
    assert (driver_state(gone).alive, driver_state(gone).evidence) == (False, "its process is gone")


def test_in_another_container_of_this_machine_the_heartbeat_decides() -> None:
    """Names of machines and numbers of processes are the same in many containers."""
    here = driver_tags(10.0)
    boot, _, _ = here[driver_process.PROCESS_TABLE].partition(" ")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    container = {**here, driver_process.PROCESS_TABLE: f"{boot} pid:[1]"}
    assert without_age(driver_state(container).evidence) == "last heartbeat N s ago"
    assert not driver_process.is_this_process(container)


@pytest.fixture
def left_running(writer, open_trial):
    """Return a function that makes a campaign that somebody else drives, or drove."""

    def make(tags: dict[str, str]) -> str:
        open_trial("deadbeef")
        for name in (driver_process.HEARTBEAT, driver_process.INTERVAL):
            if name not in tags:
                assert name not in writer.client.get_run(open_trial.parent).data.tags
        for name, value in tags.items():
            writer.client.set_tag(open_trial.parent, name, value)
        return open_trial.campaign_id

    return make


def running(client, campaign_id: str) -> int:
    experiment = client.get_experiment_by_name("mlpf/campaign").experiment_id
    condition = f"tags.campaign_id = '{campaign_id}' and attributes.status = 'RUNNING'"
    return len(client.search_runs([experiment], condition))


def work(client, campaign_id: str) -> overview.Work:
    return next(one for one in overview.overview(client).work if one.campaign_id == campaign_id)


def test_a_living_driver_is_left_alone(writer, left_running) -> None:
    campaign_id = left_running(elsewhere(8))
    with pytest.raises(BusyError) as refused:
        writer.close_orphans(campaign_id)
    since = datetime.fromtimestamp(float(driver_tags()[driver_process.STARTED]), UTC)
    assert without_age(str(refused.value)) == (
        f"campaign {campaign_id}: process 77 on far-away, begun {since:%Y-%m-%d %H:%M:%S} UTC, trains it: "
        "last heartbeat N s ago. Nothing was changed; wait until it has ended, or end it there with: kill 77."
        " If it is dead, a start takes over 120 s after its last heartbeat"
    )
    assert running(writer.client, campaign_id) == 2
    found = work(writer.client, campaign_id)
    assert (found.alive, found.trials) == (True, {"running": 1})
    assert found.state.startswith("running, driven by process 77 on far-away: last heartbeat ")


def test_a_dead_driver_is_taken_over_and_leaves_no_reason(writer, left_running, open_trial) -> None:
    campaign_id = left_running(elsewhere(60, INTERVAL))
    assert "which is dead: last heartbeat 6" in work(writer.client, campaign_id).state
    assert writer.close_orphans(campaign_id) == 2
    for run_id in (open_trial.parent, open_trial("deadbeef", writer=RunWriter(writer.client))):
        if run_id == open_trial.parent:
            reason = writer.client.get_run(run_id).data.tags["reason"]
            assert without_age(reason) == (
                "the driver died: process 77 on far-away, last heartbeat N s ago, and it does not change"
            )
            writer.open_parent("campaign", campaign_id, "campaign-x", {}, {}, "a note")
        tags = writer.client.get_run(run_id).data.tags
        assert (tags["reason"], tags["trial_status"]) == ("", "running")
        writer.close(run_id, "finished")
        run = writer.client.get_run(run_id)
        assert (run.info.status, run.data.tags["reason"]) == ("FINISHED", "")


def test_nothing_of_an_earlier_end_stays(writer, open_trial) -> None:
    run_id = open_trial()
    writer.close(run_id, "failed", {"reason": "no luck", "stop": "Stop(...)", "worker_deaths": "3"})
    assert open_trial() == run_id
    writer.close(run_id, "finished")
    tags = writer.client.get_run(run_id).data.tags
    assert [tags[name] for name in ("reason", "stop", "worker_deaths")] == ["", "", ""]
    assert tags["trial_status"] == "finished"


def test_a_heartbeat_that_changes_is_alive_whatever_its_clock_says(writer, left_running, open_trial) -> None:
    campaign_id = left_running(elsewhere(86_400, INTERVAL))
    stop = threading.Event()

    def beat() -> None:
        n = 0
        while not stop.wait(INTERVAL):
            n += 1
            moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=n)
            writer.client.set_tag(open_trial.parent, driver_process.HEARTBEAT, moment.isoformat())

    other = threading.Thread(target=beat)
    other.start()
    try:
        with pytest.raises(BusyError, match="its clock is another, but its heartbeat changes"):
            writer.close_orphans(campaign_id)
    finally:
        stop.set()
        other.join()
    assert running(writer.client, campaign_id) == 2


def test_a_driver_that_ends_while_it_is_watched(writer, left_running, open_trial) -> None:
    campaign_id = left_running(elsewhere(86_400, INTERVAL))
    for run in reader.trials(writer.client, "campaign", campaign_id):
        writer.client.set_terminated(run.run_id)
    end = threading.Timer(INTERVAL, lambda: writer.client.set_terminated(open_trial.parent))
    end.start()
    assert writer.close_orphans(campaign_id) == 0
    end.join()
    assert writer.client.get_run(open_trial.parent).info.status == "FINISHED"


def test_without_a_heartbeat_what_was_logged_last_decides(writer, left_running, monkeypatch) -> None:
    campaign_id = left_running(elsewhere(None))
    with pytest.raises(
        BusyError, match=r"may be training it: it leaves no heartbeat, and has logged nothing for \d s"
    ):
        writer.close_orphans(campaign_id)
    assert "can't be seen from here: it leaves no heartbeat" in work(writer.client, campaign_id).state
    monkeypatch.setattr(orphaned_runs, "SILENT_SECONDS", -1.0)
    assert writer.close_orphans(campaign_id) == 2


@pytest.fixture
def store(tmp_path, uri):
    """Return the address of a store for writers that beat, and their folder of journals."""
    return uri, tmp_path / "journals"


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def parent_of(writer: RunWriter, campaign_id: str) -> str:
    return writer.open_parent("campaign", campaign_id, "campaign-beating", {}, {}, "a note")


def test_the_heartbeat_is_renewed_while_nothing_is_reported_and_ends_with_the_parent(store) -> None:
    uri, folder = store
    with durable_writer(folder, 10.0, uri, INTERVAL) as writer:
        run_id = parent_of(writer, "beating")
        seen = lambda: writer.client.get_run(run_id).data.tags[driver_process.HEARTBEAT]  # noqa: E731
        first = seen()
        wait_for(lambda: seen() != first)
        # Closed by what a journal of earlier times still held.
        writer.client.set_terminated(run_id)
        wait_for(lambda: writer.client.get_run(run_id).info.status == "RUNNING")
        writer.close(run_id, "finished")
        last = seen()
        time.sleep(5 * INTERVAL)
        assert seen() == last
        assert writer.client.get_run(run_id).info.status == "FINISHED"
    assert not [thread for thread in threading.enumerate() if thread.name == "driver-heartbeat"]


def test_a_driver_that_was_taken_over_writes_no_more(store) -> None:
    """As after a suspended machine wakes up: what another process trains by now is left alone."""
    uri, folder = store
    taken = r"campaign taken: process 77 on far-away has taken over.*run this again when"

    def train_on(writer: RunWriter, run_id: str) -> None:
        trial = writer.open_trial(run_id, "campaign", "taken", "t000", "deadbeef", {}, 7)
        for name, value in elsewhere(0).items():
            writer.client.set_tag(run_id, name, value)
        for epoch in range(1, 1000):
            writer.log_epoch(trial, epoch, {"val/loss": 1.0})
            time.sleep(0.02)

    with durable_writer(folder, 10.0, uri, INTERVAL) as writer:
        run_id = parent_of(writer, "taken")
        with pytest.raises(BusyError, match=taken):
            train_on(writer, run_id)
    with pytest.raises(BusyError, match=taken):
        writer.close(run_id, "failed")
    run = connect(uri).get_run(run_id)
    assert (run.info.status, run.data.tags["trial_status"]) == ("RUNNING", "running")


def test_of_two_that_made_a_parent_at_the_same_moment_one_goes_on(writer) -> None:
    """Neither found the other's: the parent that counts is the one that goes on."""
    experiment = writer.experiment_id("campaign")
    tags = {"campaign_id": "both", "kind": "campaign", **driver_tags(10.0)}
    older = writer.client.create_run(experiment, start_time=1000, tags={**tags, **elsewhere(0)})
    mine = writer.client.create_run(experiment, start_time=2000, tags=tags)
    with Heartbeats(writer.client, INTERVAL) as heartbeats:
        heartbeats.begin(experiment, mine.info.run_id, "campaign", "both")
        wait_for(
            lambda: (
                writer.client.get_run(mine.info.run_id).data.tags[driver_process.HEARTBEAT]
                != tags[driver_process.HEARTBEAT]
            )
        )
        heartbeats.check()
    newer = writer.client.create_run(experiment, start_time=3000, tags={**tags, **elsewhere(0)})
    with Heartbeats(writer.client, INTERVAL) as heartbeats:
        heartbeats.begin(experiment, mine.info.run_id, "campaign", "both")

        def yields() -> bool:
            try:
                heartbeats.check()
            except BusyError:
                return True
            return False

        wait_for(yields)
    for run in (older, mine, newer):
        writer.client.set_terminated(run.info.run_id)


def test_a_heartbeat_that_mlflow_does_not_take_holds_nobody_up(tmp_path, uri) -> None:
    """Nothing listens at this address; the end of the heartbeat waits for no request."""
    client = connect(uri)
    away = type(client)(tracking_uri="http://127.0.0.1:9")
    with Heartbeats(away, INTERVAL) as heartbeats:
        heartbeats.begin("1", "0" * 32, "campaign", "away")
        time.sleep(3 * INTERVAL)
        heartbeats.check()
    assert os.getpid() == int(driver_tags()[driver_process.PROCESS])
