"""A trial that takes more memory than the machine has: Ray ends it, and the others go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest

from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.tracking.writer import durable_writer
from mlpf_hpo.tuning.ray_session import ray_session
from mlpf_hpo.tuning.settings import ResourceParams
from tests.tuning.conftest import empty_database, make_spec, stores
from tests.tuning.toys import run_search, toy

__all__ = ["empty_database", "make_spec", "stores"]

ROOM = 3 * 2**30
"""Bytes that the session may take beyond what is in use when it starts; other tests run beside."""


@pytest.mark.faults
@pytest.mark.ray
def test_a_trial_is_killed_for_memory(
    make_spec, empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured
) -> None:
    memory = psutil.virtual_memory()
    if memory.available < 2.5 * ROOM:
        pytest.skip(
            f"takes {2 * ROOM / 2**30:.0f} GiB of memory, of which {memory.available / 2**30:.0f} are free"
        )
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{1 - (memory.available - ROOM) / memory.total:.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "50")
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    alone = ResourceParams(concurrency=1, gpus_per_trial=0, worker_restarts=0)
    specs = [make_spec(f"t{i:03d}", seed=i) for i in range(3)]
    train = toy(lambda n, e: n + e, {(1, 2): f"hunger {2 * ROOM}"}.items())
    with (
        ray_session(tmp_path / "state", alone),
        durable_writer(
            tmp_path / "state" / "journals", 60.0, f"sqlite:///{tmp_path / 'mlflow.db'}"
        ) as writer,
    ):
        outcomes, records = run_search(
            writer, specs, FullTraining(), 3, tmp_path / "state", resources=alone, train=train
        )
    assert [outcome.status for outcome in outcomes] == ["finished", "failed", "finished"]
    assert "memory monitor killed it, as the machine ran low on memory" in outcomes[1].reason
    assert [record.epochs for record in records] == [3, 1, 3]
    measured(
        "trials",
        "a trial takes more memory than there is",
        f"Ray's memory monitor ends it, the run goes on with the others; on record: {outcomes[1].reason}",
    )
