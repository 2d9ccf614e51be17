"""Freeze-thaw with a prior campaign under real Ray: it pauses, resumes, ends; a kill changes nothing."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.target_metric import VALIDATION_LOSS
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.writer import durable_writer
from tests.faults.processes import wait_until
from tests.tuning.toys import run_search, start_driver, toy, trained

EPOCHS, TRIALS = 8, 10


def table(seed: int, n: int) -> LearningCurves:
    """Return curves whose final values depend on the rate, but for noise; some come down later."""
    generator = np.random.default_rng(seed)
    rates = generator.uniform(0, 1, n)
    final = (rates - 0.3) ** 2 + 0.1 * generator.normal(size=n)
    slowness = generator.uniform(0.4, 0.9, n)
    values = final[:, np.newaxis] + slowness[:, np.newaxis] ** np.arange(1, EPOCHS + 1)
    return LearningCurves.from_arrays([{"lr": float(rate)} for rate in rates], values, VALIDATION_LOSS)


SEARCHED = table(1, TRIALS)
CURVES, RATES = SEARCHED.values.tolist(), SEARCHED.configs["lr"].tolist()


def curve(number: int, epoch: int) -> float:
    return CURVES[number][epoch - 1]


def scheduler():
    return make_scheduler("freeze_thaw", prior=table(100, 14), max_epochs=EPOCHS, price=0.1)


@pytest.fixture
def specs(make_spec):
    return [
        dataclasses.replace(make_spec(f"t{i:03d}", seed=i), configuration={"lr": rate})
        for i, rate in enumerate(RATES)
    ]


@pytest.fixture
def store(tmp_path, empty_database) -> str:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def search(specs, store: str, folder: Path, pace: float = 0.0):
    with durable_writer(folder / "state" / "journals", 60.0, store) as writer:
        writer.close_orphans("s")
        return run_search(writer, specs, scheduler(), EPOCHS, folder / "state", train=toy(curve, pace=pace))


def results(folder: Path):
    return list(Journal(folder / "state" / "journals" / "s.jsonl").results())


def check(outcomes, records, folder: Path) -> None:
    """Check what became of each trial against MLflow, the checkpoints and the journal."""
    reasons = {outcome.reason for outcome in outcomes if outcome.status == "stopped"}
    assert reasons <= {"not promoted", "not started"}
    started = [outcome for outcome in outcomes if outcome.reason != "not started"]
    assert 0 < len(started) < TRIALS
    assert outcomes[int(np.argmin(SEARCHED.final))].status == "finished"
    for outcome, record in zip(outcomes, records, strict=True):
        number, epochs = int(outcome.trial_id[1:]), range(1, outcome.epochs + 1)
        assert (record.status, record.reason) == (outcome.status, outcome.reason)
        assert record.metrics.get("val/loss", ()) == tuple(curve(number, epoch) for epoch in epochs)
    whole = sorted([*range(1, outcome.epochs + 1)] for outcome in started)
    assert sorted(trained(folder)) == whole, "from checkpoints: no epoch twice"
    # The decisions are those of a scheduler that was never interrupted and got the same results.
    policy, by_key = scheduler(), {outcome.key: outcome.trial_id for outcome in outcomes}
    for outcome in outcomes:
        policy.on_trial_add(outcome.trial_id, {"lr": RATES[int(outcome.trial_id[1:])]})
    for entry in results(folder):
        decision = policy.on_trial_result(by_key[entry.key], entry.epoch, entry.value)
        assert decision is entry.decision or entry.epoch == EPOCHS
        if entry.epoch == EPOCHS:
            policy.on_trial_complete(by_key[entry.key])


@pytest.mark.ray
@pytest.mark.faults
def test_it_pauses_resumes_leaves_trials_and_goes_on_after_a_kill(specs, store, tmp_path, measured) -> None:
    driver = start_driver(tmp_path, store, specs, scheduler(), EPOCHS, toy(curve, pace=0.3))
    try:
        wait_until(lambda: len(results(tmp_path)) >= 10, "ten epochs")
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.communicate()
    before = results(tmp_path)
    outcomes, records = search(specs, store, tmp_path)
    assert results(tmp_path)[: len(before)] == before
    assert 0 < len(before) < len(results(tmp_path))
    check(outcomes, records, tmp_path)
    paused = {entry.key for entry in results(tmp_path) if entry.decision is Decision.PAUSE}
    assert any(outcome.key in paused and outcome.status == "finished" for outcome in outcomes), "resumed"
    client = connect(store)
    assert "running" not in {trial.status for trial in reader.trials(client, "search", "s")}
    measured(
        "kills",
        "a search under freeze-thaw with a prior campaign is killed (-9) in the middle",
        f"the next run decides as if nothing had happened: {len(results(tmp_path))} epochs, each once, "
        f"{sum(outcome.reason == 'not started' for outcome in outcomes)} of {TRIALS} trials never started",
    )
