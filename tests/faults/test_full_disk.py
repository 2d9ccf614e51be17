"""A disk fills up while something is written: reported with the file's name, nothing is half-written."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.errors import StorageError
from mlpf_hpo.events.store import write_store
from mlpf_hpo.mlpf.training import train_trial
from mlpf_hpo.registry.predictor_runs import compare_predictors
from mlpf_hpo.reporting.site import build_report
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.workload.benchmark import run_benchmark
from tests.faults.artefacts import ARTEFACTS, QUICK, curves, events

ROOT = Path(__file__).parents[2]
FULL = r"No space left on device"


def everything(folder: Path) -> list[str]:
    """Return all files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ARTEFACTS)
def test_a_disk_that_fills_up_at_any_point(name: str, small_disk, measured) -> None:
    artefact, folder = ARTEFACTS[name], small_disk.path / "data"
    artefact.write(folder, 1)
    before, files = artefact.read(folder), everything(folder)
    messages: list[str] = []
    room = 0
    while True:
        small_disk.fill(room)
        try:
            artefact.write(folder, 2)
            break
        except StorageError as error:
            messages.append(str(error))
        assert re.search(f"{artefact.file_pattern}: cannot be written: {FULL}", messages[-1])
        if name == "curves" and artefact.read(folder) != before:
            break  # the table itself was written, its card was not: the next call writes both
        assert artefact.read(folder) == before
        assert everything(folder) == files
        room += 4096 if room < 32_768 else 40_960
    small_disk.make_room()
    artefact.write(folder, 3)
    assert artefact.read(folder) != before
    assert not [file for file in everything(folder) if ".tmp" in file]
    assert messages
    measured(
        "disk",
        f"the disk fills up while {name} is written, at {len(messages)} different points",
        "each refusal names the file; what was there before is read back unchanged, no temporary file is "
        "left; with room, the same call succeeds",
    )


def test_training_goes_on_from_its_last_checkpoint(small_disk, make_spec, measured) -> None:
    spec, folder, reports = make_spec(), small_disk.path / "trial", []
    train_trial(spec, 1, folder, reports.append)
    small_disk.fill()
    with pytest.raises(StorageError, match=rf"epoch-00002\.ckpt: cannot be written: {FULL}"):
        train_trial(spec, 2, folder, reports.append)
    assert [report.epoch for report in reports] == [1, 1], "an epoch without a checkpoint is not reported"
    assert not [file for file in everything(folder) if file.endswith(".tmp")]
    small_disk.make_room()
    assert train_trial(spec, 2, folder, reports.append).epochs == 2
    undisturbed: list = []
    train_trial(spec, 2, small_disk.path / "other", undisturbed.append)
    assert reports[-1].metrics["val/loss"] == undisturbed[-1].metrics["val/loss"]
    measured(
        "disk",
        "the disk fills up while a trial trains",
        "the training ends naming the checkpoint; with room it goes on from the one before, to the same "
        "losses bit for bit",
    )


@pytest.mark.faults
def test_models_are_written_all_or_none(small_disk, empty_database, monkeypatch, measured) -> None:
    database = small_disk.path.parent / "mlflow.db"
    shutil.copy(empty_database, database)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    table, models = small_disk.path.parent / "curves.parquet", small_disk.path / "models"
    write_curves(curves(), table)
    for room in (0, 12_288):
        small_disk.fill(room)
        with pytest.raises(StorageError, match=f"models: cannot be written: {FULL}"):
            compare_predictors(QUICK.predictors, QUICK.seed, table, models)
        assert everything(small_disk.path) == ["ballast"]
    small_disk.make_room()
    assert set(compare_predictors(QUICK.predictors, QUICK.seed, table, models)["models"]) == {
        "persistence",
        "svr",
    }
    assert everything(models) == ["persistence.skops", "svr.skops"]
    measured(
        "disk",
        "the disk fills up while models are stored",
        "reported with the folder's name; no model is left without the others",
    )


@pytest.mark.faults
def test_a_report_keeps_its_old_page(small_disk, inputs, measured) -> None:
    out = small_disk.path / "report"
    page = build_report(inputs, out).read_bytes()
    for room in (0, 200_000):
        small_disk.fill(room)
        with pytest.raises(StorageError, match=rf"report/.*: cannot be written: {FULL}"):
            build_report(inputs, out)
        assert (out / "index.html").read_bytes() == page
        assert not [file for file in everything(out) if ".tmp" in file]
    small_disk.make_room()
    assert build_report(inputs, out).read_bytes() == page
    measured(
        "disk",
        "the disk fills up while the report is written",
        "reported with the file's name; the page before stays whole",
    )


def test_the_database_of_mlflow(small_disk, empty_database, measured) -> None:
    database = small_disk.path / "mlflow.db"
    shutil.copy(empty_database, database)
    writer = RunWriter(connect(f"sqlite:///{database}"))
    parent = writer.open_parent("campaign", "c", "campaign-x", {}, {}, "a note")
    small_disk.fill()
    done = 0

    def log(epochs: int) -> None:
        nonlocal done
        while done < epochs:
            metrics = {f"m{i}": 1.0 for i in range(40)} | {"val/loss": 1.0 / (done + 1)}
            writer.log_epoch(parent, done + 1, metrics)
            done += 1

    with pytest.raises(StorageError, match=r"mlflow\.db: the disk is full; make room"):
        log(1000)
    small_disk.make_room()
    log(done + 1)
    history = writer.client.get_metric_history(parent, "val/loss")
    assert [(point.step, point.value) for point in history] == [(i, 1.0 / i) for i in range(1, done + 1)]
    with sqlite3.connect(database) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    measured(
        "disk",
        f"the disk fills up while MLflow's database takes epoch {done}",
        "reported with the database's name; every epoch before is there, the database is sound, and the same "
        "epoch is taken once there is room",
    )


def test_the_results_of_a_benchmark(small_disk, stores, measured) -> None:
    results = small_disk.path / "results"
    small_disk.fill()
    sizes = {"copies": 1, "threads": 1, "events_per_thread": 4, "epochs": 2, "batch_size": 2}
    with pytest.raises(StorageError, match=FULL) as caught:
        run_benchmark(stores[0], results, network=NetworkParams(), **sizes)
    assert caught.value.exit_status == 65, "1 would stand for one failed copy"
    assert not everything(results)
    measured(
        "disk",
        "the disk is full when a benchmark starts",
        "reported with the file's name, status 65 (1 to 63 count failed copies)",
    )


@pytest.mark.faults
def test_the_command_line_says_it_without_a_traceback(small_disk, tmp_path: Path, measured) -> None:
    for name in ("train", "validation"):
        write_store(tmp_path / "events" / name, events(4), {})
    (tmp_path / "params.yaml").write_text("network: {embedding_dim: 8, hash_columns: 16}\n")
    command = [sys.executable, "-m", "mlpf_hpo.cli", "train", "--events", "events", "--out", "disk/out"]
    options = ["--epochs", "1", "--output-dim", "8", "--bin-size", "8"]

    def run() -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )

    small_disk.fill()
    refused = run()
    assert refused.returncode == 1
    assert "epoch-00001.ckpt: cannot be written: No space left on device" in refused.stderr
    assert "Traceback" not in refused.stderr
    small_disk.make_room()
    assert run().returncode == 0
    measured(
        "disk",
        "`mlpf-hpo train` on a full disk",
        "one line that names the checkpoint, status 1; with room it trains",
    )
