"""Kills and Ctrl-C in real `dvc repro`: what was trained stays, the rest is made up for, nothing is half."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.clones import Clone
from tests.faults.database import curves, logged, statuses
from tests.faults.processes import (
    PATIENCE_SECONDS,
    ctrl_c,
    kill_driver,
    kill_everything,
    nobody_left,
    none_survives,
    stage_process,
    terminate_stage,
    wait_until,
    workers,
)

pytestmark = [pytest.mark.faults, pytest.mark.ray]

SMALL = {
    "events": {"train": {"events": 16}},
    "training": {"batch_events": 1},  # many steps, so that an epoch takes long enough to be hit
    "space": {"lr": {"high": 1e7}},  # so that some trials explode and some end in NaN
    "campaign": {"trials": 14, "epochs": 5},
    "predictors": {"candidates": ["persistence", "svr"]},
    "search": {"configurations": 8, "max_epochs": 5},
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Clone], Clone]:
    """Return a function that copies a clone with all that it holds."""

    def make(clone: Clone) -> Clone:
        folder = tmp_path_factory.mktemp("copy") / "mlpf_hpo"
        shutil.copytree(clone.folder, folder, symlinks=True)
        return Clone(folder)

    return make


@pytest.fixture(scope="module")
def with_events(make_clone: Callable[[], Clone]) -> Clone:
    """Return a clone after the stage `events`."""
    clone = make_clone()
    clone.write_params(SMALL)
    clone.run("dvc", "repro", "events")
    return clone


@pytest.fixture(scope="module")
def with_champion(with_events: Clone, copy: Callable[[Clone], Clone]) -> Clone:
    """Return a clone after the stage `register`, never disturbed."""
    clone = copy(with_events)
    clone.run("dvc", "repro", "register")
    return clone


@pytest.fixture(scope="module")
def finished(with_champion: Clone, copy: Callable[[Clone], Clone]) -> Clone:
    """Return a clone after all stages, never disturbed."""
    clone = copy(with_champion)
    clone.run("dvc", "repro")
    return clone


OUTPUTS = {
    "events": "data/events/validation",  # the second of the two
    "campaign": "data/campaign.json",
    "curves": "data/curves.parquet",
    "predictors": "results/predictors.json",
    "register": "results/register.json",
    "search": "results/search.json",
    "benchmark": "results/benchmark/mlpf_summary.json",
    "report": "report/index.html",
}
"""What each stage writes last."""


def check_interrupted(clone: Clone, stage: str, status: int, output: str) -> None:
    """Check that a stage failed in a way that the next run can take up."""
    assert status != 0, output
    assert "Traceback" not in output
    assert not (clone.folder / OUTPUTS[stage]).exists(), "no short output under a green stage"


def check_same_curves(clone: Clone, undisturbed: Clone, kind: str) -> int:
    """Check that every trial has the losses that it has in a run that nothing disturbed; return the epochs.

    In a search, who is stopped depends on the order in which trials report, so that one may go further here
    than there.
    """
    found, expected = curves(clone.folder, kind), curves(undisturbed.folder, kind)
    assert set(found) == set(expected)
    for trial, losses in found.items():
        n = min(len(losses), len(expected[trial]))
        assert losses[:n] == expected[trial][:n]
    return sum(len(losses) for losses in found.values())


def last_checkpoints(folder: Path) -> dict[str, int]:
    """Return when the checkpoint after the last epoch of each trial was written."""
    found = (folder / ".state").rglob(f"epoch-{SMALL['campaign']['epochs']:05d}-*.ckpt")
    return {str(path): path.stat().st_mtime_ns for path in found}


def disturb(clone: Clone, stage: str, how: Callable[..., None], after: int) -> str:
    """Begin a stage, do something to it once `after` epochs are on record, and check what is left."""
    command = clone.start("dvc", "repro", stage)
    with none_survives(clone):
        wait_until(
            lambda: command.poll() is not None or len(logged(clone.folder, stage)) >= after,
            f"{after} epochs of {stage}",
        )
        before, trained = logged(clone.folder, stage), last_checkpoints(clone.folder)
        how(clone, command, stage)
        output, _ = command.communicate(timeout=PATIENCE_SECONDS)
    check_interrupted(clone, stage, command.returncode, output)
    seconds = nobody_left(clone.folder)
    now = logged(clone.folder, stage)
    assert before.items() <= now.items(), "an epoch was lost"
    assert trained.items() <= last_checkpoints(clone.folder).items()
    # After kill -9 nobody was left to close the runs; the next start does.
    assert ("RUNNING" in statuses(clone.folder)) is (how in (kill_driver, kill_everything))
    return f"{len(now)} epochs on record, the last process gone after {seconds:.0f} s"


@pytest.mark.parametrize(
    ("stage", "before", "after", "thresholds"),
    [
        ("campaign", "with_events", "with_champion", (1, 10, 20, 30, 40)),
        ("search", "with_champion", "finished", (1, 5, 9, 13, 17)),
    ],
)
def test_a_stage_that_is_killed_again_and_again(
    stage, before, after, thresholds, request, copy, measured
) -> None:
    clone, undisturbed = copy(request.getfixturevalue(before)), request.getfixturevalue(after)
    told, epochs, trained = {}, {}, {}
    *at, last = thresholds
    for how, so_many in zip((ctrl_c, kill_driver, kill_everything, terminate_stage), at, strict=True):
        told[how.__doc__.rstrip(".")] = disturb(clone, stage, how, so_many)
        assert epochs.items() <= logged(clone.folder, stage).items(), "an epoch on record changed"
        epochs |= logged(clone.folder, stage)
        trained |= last_checkpoints(clone.folder)

    # And once more: the death of a worker does not even end the stage.
    command = clone.start("dvc", "repro", stage)
    with none_survives(clone):
        wait_until(lambda: len(logged(clone.folder, stage)) >= last and workers(clone.folder), "a worker")
        workers(clone.folder)[0].kill()
        output, _ = command.communicate(timeout=2 * PATIENCE_SECONDS)
    assert command.returncode == 0, output
    nobody_left(clone.folder)

    assert epochs.items() <= logged(clone.folder, stage).items()
    assert trained.items() <= last_checkpoints(clone.folder).items(), "a trial was trained twice"
    total = check_same_curves(clone, undisturbed, stage)
    assert "RUNNING" not in statuses(clone.folder)
    assert not list((clone.folder / ".state/ray").glob("*")), "what killed sessions left is gone"
    if stage == "campaign":
        record = json.loads((clone.folder / "data/campaign.json").read_text())
        assert {trial["status"] for trial in record["trials"]} == {"finished", "diverged"}
    for fault, outcome in told.items():
        measured("kills", f"{stage}: {fault}", outcome)
    measured(
        "kills",
        f"{stage}: kill -9 of a worker, after all of these",
        f"the stage completes: {total} epochs, each once, the losses of an undisturbed run",
    )


def loaded(process: psutil.Process, library: str) -> bool:
    """Tell whether a process has loaded a shared library."""
    return any(library in region.path for region in process.memory_maps())


def has_open(process: psutil.Process, name: str) -> bool:
    """Tell whether a process has a file open."""
    return any(Path(file.path).name.startswith(name) for file in process.open_files())


AT_WORK = {
    "events": lambda process: any("spawn_main" in " ".join(child.cmdline()) for child in process.children()),
    "curves": lambda process: has_open(process, "mlflow.db"),
    "predictors": lambda process: loaded(process, "_libsvm"),
    "register": lambda process: has_open(process, "mlflow.db"),
    "benchmark": lambda process: len(process.children()) >= 2,
    "report": lambda process: loaded(process, "ft2font"),
}
"""How one sees from outside that a stage does what it is for."""


def interrupt(clone: Clone, stage: str, how: Callable[..., None], moment: Callable[..., bool]) -> bool:
    """Run a stage anew and interrupt it at a moment; return False if it was over before that."""
    command = clone.start("dvc", "repro", "--force", "--single-item", stage)

    def come() -> bool:
        process = stage_process(clone.folder, stage)
        try:
            return command.poll() is not None or (process is not None and moment(process))
        except psutil.Error:
            return False

    with none_survives(clone):
        wait_until(come, f"{stage} at work", every=0.01)
        if stage_process(clone.folder, stage) is not None:
            how(clone, command, stage)
        output, _ = command.communicate(timeout=PATIENCE_SECONDS)
    if command.returncode == 0:
        return False
    check_interrupted(clone, stage, command.returncode, output)
    assert "interrupted" in output
    return True


@pytest.mark.parametrize("stage", AT_WORK)
def test_ctrl_c_in_a_stage(stage, finished, copy, measured) -> None:
    """While it still imports what it needs, and at work; then SIGTERM to the stage alone."""
    clone = copy(finished)
    moments = [(ctrl_c, lambda process: process.cpu_times().user > 0.5), (ctrl_c, AT_WORK[stage])]
    for how, moment in [*moments, (terminate_stage, AT_WORK[stage])]:
        assert any(interrupt(clone, stage, how, moment) for _ in range(3)), "always over too soon"
        nobody_left(clone.folder)
        assert not list(clone.folder.rglob(".*.tmp")), "nothing half-written"
    output = clone.run("dvc", "repro", "--force", "--single-item", stage)
    assert (clone.folder / OUTPUTS[stage]).exists(), output
    assert "RUNNING" not in statuses(clone.folder)
    measured("kills", f"{stage}: Ctrl-C twice, SIGTERM once", "a clear message each time; then it completes")
