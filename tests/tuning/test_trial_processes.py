"""Trials of two processes each under a real Ray session, one of whose processes is killed."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from mlpf_hpo.mlpf.training import train_trial
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.writer import durable_writer
from mlpf_hpo.tuning.settings import ResourceParams
from tests.tuning.toys import run_search

TRIALS, EPOCHS = 2, 2


def training_processes() -> list[psutil.Process]:
    """Return the processes that Ray's workers have started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            if "multiprocessing.spawn" in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.mark.ray
@pytest.mark.faults
def test_a_process_of_a_trial_is_killed(make_spec, tmp_path, empty_database, measured) -> None:
    """One trial is promoted: it was paused, which ended its processes, and goes on in new ones."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    specs = [make_spec(f"t{i:03d}", seed=i, dropout=0.0) for i in range(TRIALS)]
    by_two = [replace(spec, task=replace(spec.task, processes=2)) for spec in specs]
    killed = []

    def kill_one(done, total, note) -> None:
        running = training_processes()
        if not killed and len(running) >= 2:
            killed.append(max(running, key=lambda process: process.pid))
            killed[0].kill()

    resources = ResourceParams(concurrency=1, gpus_per_trial=0, processes_per_trial=2)
    with durable_writer(tmp_path / "journals", 60.0, f"sqlite:///{tmp_path / 'mlflow.db'}") as writer:
        outcomes, records = run_search(
            writer,
            by_two,
            PromotionASHA(max_epochs=EPOCHS, grace_epochs=1, reduction_factor=2.0),
            EPOCHS,
            tmp_path / "state",
            resources,
            on_progress=kill_one,
        )
    assert len(killed) == 1
    assert not training_processes()
    assert sorted(outcome.status for outcome in outcomes) == ["finished", "stopped"]
    results = [(one.key, one.epoch) for one in Journal(tmp_path / "journals" / "s.jsonl").results()]
    assert len(results) == len(set(results)) == 3, "every epoch once"
    for spec, record in zip(specs, records, strict=True):
        alone = []
        train_trial(spec, record.epochs, tmp_path / "alone" / spec.trial_id, alone.append)
        for name in ("train/loss", "val/loss", "val/accuracy"):
            assert record.metrics[name] == pytest.approx([one.metrics[name] for one in alone], rel=1e-5)
    measured(
        "trials",
        "one of the two processes that train a trial is killed",
        "the other is ended, the trial goes on from its checkpoint; every epoch is on record once, with the "
        "losses of a training by one process",
    )
