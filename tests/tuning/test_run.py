"""Searches under a real Ray session, tracked in a real MLflow store."""

from __future__ import annotations

import math
import os
import shutil
import signal
import time
from collections import Counter

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import InterruptedStageError, StorageError
from mlpf_hpo.mlpf.training import train_trial
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.search_result import describe_result, search_result
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import VALIDATION_LOSS
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.writer import durable_writer
from mlpf_hpo.tuning.ray_folder import LONGEST, remove_sessions, session_folder
from mlpf_hpo.tuning.ray_session import ray_session
from mlpf_hpo.tuning.settings import ResourceParams
from tests.tuning.toys import run_search, start_driver, toy, trained, wait_for_progress

TWO = ResourceParams(concurrency=2, gpus_per_trial=0)


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory):
    """Start Ray once; `run_trials` uses a session that it finds."""
    with ray_session(tmp_path_factory.mktemp("state"), TWO):
        yield


@pytest.fixture
def search(make_spec, tmp_path, empty_database):
    """Return a function that runs a search here and returns outcomes and MLflow's records."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"

    def run(scheduler, n=4, epochs=3, resources=TWO, **more):
        specs = [make_spec(f"t{i:03d}", seed=i) for i in range(n)]
        with durable_writer(tmp_path / "state" / "journals", 60.0, uri) as writer:
            return run_search(writer, specs, scheduler, epochs, tmp_path / "state", resources, **more)

    return run


@pytest.mark.ray
def test_ends_of_every_kind(ray_here, search, tmp_path, measured) -> None:
    """PromotionASHA pauses and resumes trials; of two that would be promoted, one breaks and one diverges."""
    best_first = [5.0, 1.0, 2.0, 6.0, 3.0, 7.0, 8.0, 4.0, 9.0]

    def curve(number, epoch):
        return math.nan if (number, epoch) == (2, 3) else best_first[number] + 1 / epoch

    seen = []
    outcomes, records = search(
        PromotionASHA(max_epochs=6, grace_epochs=2, reduction_factor=2.0),
        n=9,
        epochs=6,
        train=toy(curve, {(1, 3): "error"}.items()),
        on_progress=lambda *state: seen.append(state),
    )
    status = {outcome.trial_id: outcome.status for outcome in outcomes}
    assert status["t001"] == "failed"
    assert outcomes[1].reason == "ValueError: no luck with"
    assert status["t002"] == "diverged"
    assert outcomes[2].best == 2.5
    counts = Counter(status.values())
    assert counts["finished"] >= 1
    assert counts["stopped"] == 9 - counts["finished"] - 2
    assert {o.reason for o in outcomes if o.status == "stopped"} == {"not promoted"}
    finished = [outcome for outcome in outcomes if outcome.status == "finished"]
    assert all(outcome.epochs == 6 for outcome in finished)
    # MLflow holds the same, every epoch once, with the time that the trial gave it.
    assert [record.trial_id for record in records] == [outcome.trial_id for outcome in outcomes]
    for outcome, record in zip(outcomes, records, strict=True):
        assert (record.run_id, record.status, record.epochs) == (
            outcome.run_id, outcome.status, outcome.epochs
        )  # fmt: skip
        assert record.timestamps == tuple(float(e) for e in range(1, outcome.epochs + 1))
    # No epoch was trained twice, although trials were paused and resumed in other workers.
    assert sorted(trained(tmp_path)) == sorted([*range(1, outcome.epochs + 1)] for outcome in outcomes)
    assert seen[-1][:2] == (9, 9)
    assert "1 failed" in seen[-1][2]
    assert [done for done, *_ in seen] == sorted(done for done, *_ in seen)
    journal = list(Journal(tmp_path / "state" / "journals" / "s.jsonl").results())
    assert len(journal) == sum(outcome.epochs for outcome in outcomes)
    measured(
        "trials",
        "of nine trials one breaks with an error and one's loss becomes NaN",
        "the one is on record as failed with its error, the other as diverged with the epochs before; "
        "the others go on",
    )


class StartsTwo(PromotionASHA):
    """Starts the first two trials only, and promotes one of them."""

    def __init__(self) -> None:
        super().__init__(4, reduction_factor=2)

    def choose(self, pending, paused):
        return super().choose([trial for trial in pending if trial in ("t000", "t001")], paused)


class FirstTwo(FullTraining):
    """Starts the first two trials only."""

    def choose(self, pending, paused):
        return next((trial for trial in pending if trial in ("t000", "t001")), None)


@pytest.mark.ray
@pytest.mark.parametrize("scheduler", [StartsTwo, FirstTwo])
def test_trials_that_the_scheduler_does_not_start(ray_here, search, tmp_path, monkeypatch, scheduler) -> None:
    """The search ends, whether a trial is paused by then or none; they are on record without an epoch."""
    started = time.monotonic()
    outcomes, records = search(scheduler(), n=5, epochs=4, train=toy(lambda n, e: n + 1 / e))
    assert time.monotonic() - started < 60, "Tune waits ten minutes for a searcher without a suggestion"
    assert {outcome.reason for outcome in outcomes[:2]} <= {"", "not promoted"}
    for outcome, record in zip(outcomes[2:], records[2:], strict=True):
        assert (outcome.status, outcome.reason, outcome.epochs) == ("stopped", "not started", 0)
        assert (record.status, record.reason, record.epochs) == ("stopped", "not started", 0)
        assert (record.run_id, record.metrics) == (outcome.run_id, {})
    assert len(trained(tmp_path)) == 2
    result = search_result(outcomes, {record.run_id: record for record in records}, VALIDATION_LOSS, "search")
    assert (result["not_started"], result["epochs"]) == (3, sum(outcome.epochs for outcome in outcomes))
    assert [row["curve"] for row in result["trials"][2:]] == [[]] * 3
    told = {**result, "label": "it", "reused": 0, "wall_seconds": 1.0}
    assert ", 3 not started, " in describe_result(told, "val/loss")
    # Resumed, it leaves them so, without Ray; if only their end is on record nowhere, they end again.
    monkeypatch.setattr("mlpf_hpo.tuning.ray_session.train_left", lambda *args: pytest.fail("started"))
    assert search(scheduler(), n=5, epochs=4)[0] == outcomes
    monkeypatch.undo()
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    for record in records[1:4]:
        client.set_tag(record.run_id, "trial_status", "killed")
    again, _ = search(scheduler(), n=5, epochs=4, train=toy(lambda n, e: n + 1 / e))
    assert again == outcomes
    assert len(trained(tmp_path)) == 2


@pytest.mark.ray
def test_one_worker_decides_as_the_simulator(ray_here, search, tmp_path) -> None:
    """Trials that are paused and resumed, in the one order that one worker gives."""
    values = np.random.default_rng(1).integers(0, 9, (7, 4)) / 4.0
    values[0] = -1, math.nan, math.nan, math.nan  # the best until then
    curves = LearningCurves.from_arrays([{"lr": float(i)} for i in range(7)], values, VALIDATION_LOSS)
    curves.status[0] = "diverged"
    found = simulate(curves, PromotionASHA(4, reduction_factor=2), workers=1)
    numbers = values.tolist()
    outcomes, _ = search(
        PromotionASHA(4, reduction_factor=2),
        n=7,
        epochs=4,
        resources=ResourceParams(concurrency=1, gpus_per_trial=0),
        train=toy(lambda number, epoch: numbers[number][epoch - 1]),
    )
    rows = {outcome.key: row for row, outcome in enumerate(outcomes)}
    results = Journal(tmp_path / "state" / "journals" / "s.jsonl").results()
    assert [rows[result.key] for result in results] == found.rows.tolist()
    ends = [(outcome.status, outcome.reason, outcome.epochs) for outcome in outcomes]
    assert ends == [(trial.status, trial.reason, trial.epochs) for trial in found.trials]
    assert {status for status, *_ in ends} == {"finished", "stopped", "diverged"}


@pytest.mark.ray
def test_pause_and_resume_change_no_number(ray_here, search, make_spec, tmp_path) -> None:
    """Real trainings, paused at every epoch, against the same trained at one go without Ray."""

    class Everywhere(FullTraining):
        def on_trial_result(self, trial_id, epoch, value):
            from mlpf_hpo.search.scheduler import Decision

            return Decision.PAUSE

        def choose(self, pending, paused):
            return next(iter((*pending, *paused)), None)  # the others first: another trial's turn in between

    outcomes, records = search(Everywhere(), n=3, epochs=2)
    assert [outcome.status for outcome in outcomes] == ["finished"] * 3
    for i, record in enumerate(records):
        alone = []
        train_trial(make_spec(f"t{i:03d}", seed=i), 2, tmp_path / f"alone{i}", alone.append)
        for name in ("train/loss", "val/loss", "val/accuracy"):
            assert record.metrics[name] == tuple(report.metrics[name] for report in alone)


@pytest.mark.ray
def test_a_silent_and_a_dead_worker_fail_alone_and_are_tried_again(
    ray_here, search, tmp_path, monkeypatch, measured
) -> None:
    impatient = ResourceParams(concurrency=2, gpus_per_trial=0, epoch_timeout_seconds=20.0, worker_restarts=1)
    faults = {(0, 2): "silence", (1, 2): "death"}
    outcomes, _ = search(
        FullTraining(), n=3, resources=impatient, train=toy(lambda n, e: n + e, faults.items())
    )
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "finished"]
    assert "no epoch within 20 s" in outcomes[0].reason
    assert outcomes[1].reason.startswith("its worker died 2 times: killed")
    again, records = search(FullTraining(), n=3, train=toy(lambda n, e: n + e))
    assert [outcome.status for outcome in again] == ["finished"] * 3
    assert [outcome.run_id for outcome in again] == [outcome.run_id for outcome in outcomes]
    assert [record.epochs for record in records] == [3, 3, 3]
    assert trained(tmp_path) == [[1, 2, 3]] * 3
    # With nothing left to do, no Ray is started and the same comes out.
    monkeypatch.setattr("mlpf_hpo.tuning.ray_session.train_left", lambda *args: pytest.fail("started"))
    kept = search(FullTraining(), n=3)[0]
    assert kept == again
    assert [outcome.on_record for outcome in (*again, *kept)] == [False, False, True] + [True] * 3
    measured(
        "trials",
        "a trial hangs beyond `epoch_timeout_seconds`, another's worker dies more often than it may",
        "both are on record as failed with that reason, the third finishes; the next run trains both again",
    )


@pytest.mark.ray
@pytest.mark.parametrize("lost", ["checkpoints", "."])
def test_more_epochs_of_trials_whose_state_is_gone(ray_here, search, tmp_path, lost: str) -> None:
    """They are trained from the beginning; what is on record of them stays, the later epochs follow."""
    search(FullTraining(), n=2, epochs=2, train=toy(lambda n, e: n + 1 / e))
    shutil.rmtree(tmp_path / "state" / lost)
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    for trial in reader.trials(client, "search", "s"):
        client.set_tag(trial.run_id, "trial_status", "killed")  # more epochs are asked for
    outcomes, records = search(FullTraining(), n=2, epochs=4, train=toy(lambda n, e: 100 * (n + 1 / e)))
    assert [(outcome.status, outcome.epochs) for outcome in outcomes] == [("finished", 4)] * 2
    assert trained(tmp_path) == [[1, 2, 3, 4]] * 2
    for n, record in enumerate(records):
        expected = (n + 1, n + 1 / 2, 100 * (n + 1 / 3), 100 * (n + 1 / 4))
        assert record.metrics["val/loss"] == pytest.approx(expected)


@pytest.mark.ray
def test_a_trial_goes_on_after_its_worker_died(ray_here, search, tmp_path, measured) -> None:
    """Killed while both of two workers train; the scheduler gets no epoch twice.

    The worker of the other trial is free before a new one has started: it takes the one that was lost.
    """
    notes: list[str] = []
    outcomes, records = search(
        FullTraining(),
        n=4,
        epochs=4,
        train=toy(lambda n, e: n + 1 / e, {(0, 3): "one death", (3, 1): "one death"}.items(), pace=0.2),
        on_progress=lambda done, total, note: notes.append(note),
    )
    assert [outcome.status for outcome in outcomes] == ["finished"] * 4
    assert [outcome.run_id for outcome in outcomes] == [record.run_id for record in records]
    assert records[0].metrics["val/loss"] == (1.0, 0.5, 1 / 3, 0.25)
    assert records[0].timestamps == (1.0, 2.0, 3.0, 4.0)
    assert trained(tmp_path) == [[1, 2, 3, 4]] * 4
    journal = list(Journal(tmp_path / "state" / "journals" / "s.jsonl").results())
    assert len(journal) == sum(outcome.epochs for outcome in outcomes)
    number = {record.trial_key: i for i, record in enumerate(records)}
    order = [(number[result.key], result.epoch) for result in journal]
    assert order.index((0, 3)) < order.index((2, 1)), "before a trial that had not begun"
    assert any("1 running, 1 starting" in note for note in notes)
    tags = connect(f"sqlite:///{tmp_path / 'mlflow.db'}").get_run(outcomes[0].run_id).data.tags
    assert tags["worker_deaths"] == "1"
    measured("trials", "kill -9 of two of four trials' workers", "both went on in their runs, no epoch twice")


@pytest.mark.ray
def test_a_full_disk_ends_the_run_and_fails_no_trial(ray_here, search, tmp_path, measured) -> None:
    with pytest.raises(StorageError, match="checkpoint cannot be written: No space left"):
        search(FullTraining(), n=4, train=toy(lambda n, e: n + e, {(1, 2): "full disk"}.items(), pace=0.1))
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    ended = {trial.trial_id: trial.status for trial in reader.trials(client, "search", "s")}
    assert ended["t001"] == "killed"
    assert set(ended.values()) <= {"killed", "finished"}
    run = next(t for t in reader.trials(client, "search", "s") if t.trial_id == "t001").run_id
    assert "No space left" in client.get_run(run).data.tags["reason"]
    again, _ = search(FullTraining(), n=4, train=toy(lambda n, e: n + e))
    assert [outcome.status for outcome in again] == ["finished"] * 4
    assert trained(tmp_path) == [[1, 2, 3]] * 4
    measured(
        "trials",
        "the disk is full for one trial's checkpoint",
        "the run ends with that error, its trials killed, none failed; the next run goes on",
    )


@pytest.mark.ray
def test_a_policy_that_breaks_breaks_the_run(ray_here, search) -> None:
    class Broken(FullTraining):
        def on_trial_complete(self, trial_id):
            raise ZeroDivisionError("in the policy")

    with pytest.raises(ZeroDivisionError, match="in the policy"):
        search(Broken(), train=toy(lambda n, e: n + e))


def check_record(client, tmp_path, outcomes, records) -> None:
    """Check that nothing shows that the search was ever interrupted."""
    assert outcomes[0].status == "finished"
    assert {outcome.status for outcome in outcomes} == {"finished", "stopped"}
    assert {outcome.reason for outcome in outcomes if outcome.status == "stopped"} == {"rank"}
    assert all(outcome.stop is not None for outcome in outcomes if outcome.status == "stopped")
    for outcome, record in zip(outcomes, records, strict=True):
        number, epochs = int(record.trial_id[1:]), range(1, outcome.epochs + 1)
        assert (record.run_id, record.status) == (outcome.run_id, outcome.status)
        assert record.metrics["val/loss"] == tuple(number + 1 / epoch for epoch in epochs)
        history = client.get_metric_history(record.run_id, "val/loss")
        assert [point.step for point in history] == list(epochs)
    assert all(epochs == sorted(set(epochs)) for epochs in trained(tmp_path))
    # The decisions are those of a scheduler that was never interrupted and got the same results.
    policy = StoppingASHA(max_epochs=8, reduction_factor=4.0)
    entries = list(Journal(tmp_path / "state" / "journals" / "s.jsonl").results())
    assert len(entries) == sum(outcome.epochs for outcome in outcomes)
    for entry in entries:
        assert policy.on_trial_result(entry.key, entry.epoch, entry.value) is entry.decision
    assert not list((tmp_path / "state" / "ray").glob("*"))


@pytest.mark.faults
@pytest.mark.ray
def test_ctrl_c_in_a_terminal(ray_here, search, make_spec, tmp_path) -> None:
    """A terminal sends SIGINT to the whole process group: driver, Ray's daemons, workers."""
    specs = [make_spec(f"t{i:03d}", seed=i) for i in range(6)]
    train, policy = toy(lambda n, e: n + 1 / e, pace=0.15), StoppingASHA(max_epochs=8, reduction_factor=4.0)
    driver = start_driver(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", specs, policy, 8, train)
    try:
        wait_for_progress(tmp_path, 1.5)
        begun = time.monotonic()
        os.killpg(driver.pid, signal.SIGINT)
        out, err = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert driver.returncode == 130, err
    assert time.monotonic() - begun < 20
    assert out == ""
    assert "interrupted: " in err
    assert "run it again" in err
    assert "Traceback" not in err
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    statuses = Counter(trial.status for trial in reader.trials(client, "search", "s"))
    assert statuses["killed"] >= 1
    assert statuses["running"] == 0
    outcomes, records = search(
        StoppingASHA(max_epochs=8, reduction_factor=4.0), n=6, epochs=8, train=toy(lambda n, e: n + 1 / e)
    )
    check_record(client, tmp_path, outcomes, records)


@pytest.mark.ray
def test_sigterm_again_and_again(ray_here, search, tmp_path) -> None:
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    before = signal.getsignal(signal.SIGTERM)
    for wanted in (0.2, 2.5):
        sent = []

        def report(done, total, note, wanted=wanted, sent=sent):
            if done >= wanted and not sent:  # a second signal would not wait for the next step
                sent.append(done)
                signal.raise_signal(signal.SIGTERM)

        with pytest.raises(InterruptedStageError, match="run it again"):
            search(
                StoppingASHA(max_epochs=8, reduction_factor=4.0),
                n=6,
                epochs=8,
                train=toy(lambda n, e: n + 1 / e, pace=0.05),
                on_progress=report,
            )
        assert signal.getsignal(signal.SIGTERM) is before
        assert "running" not in {trial.status for trial in reader.trials(client, "search", "s")}
    outcomes, records = search(
        StoppingASHA(max_epochs=8, reduction_factor=4.0), n=6, epochs=8, train=toy(lambda n, e: n + 1 / e)
    )
    check_record(client, tmp_path, outcomes, records)


def test_sockets_have_room(tmp_path) -> None:
    deep = tmp_path / ("x" * 100) / "ray"
    with session_folder(deep) as short:
        assert len(str(short)) <= LONGEST
        (short / "session").write_text("")
        assert [link.resolve() for link in deep.iterdir()] == [short]
    assert not short.exists()
    assert list(deep.iterdir()) == []


def test_what_killed_sessions_left_is_removed(tmp_path) -> None:
    """Also where the link that led to it was bent: nothing but a folder of ours goes."""
    precious = tmp_path / "precious"
    precious.mkdir()
    deep = tmp_path / ("x" * 100) / "ray"
    left = session_folder(deep)
    short = left.__enter__()
    inside = deep / "tune-1"
    inside.mkdir()
    (deep / "bent").symlink_to(precious)
    remove_sessions(deep)
    assert not short.exists()
    assert list(deep.iterdir()) == []
    assert precious.exists()
