"""Kills and Ctrl-C in real `dvc repro`: what was trained stays, the rest is made up for, nothing is half."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clones import TINY, Clone
from tests.faults.database import curves, logged, statuses
from tests.faults.interruptions import check_ctrl_c, check_interrupted
from tests.faults.processes import (
    PATIENCE_SECONDS,
    ctrl_c,
    kill_driver,
    kill_everything,
    nobody_left,
    none_survives,
    terminate_stage,
    wait_until,
    workers,
)

pytestmark = [pytest.mark.faults, pytest.mark.ray]


def check_same_curves(clone: Clone, undisturbed: Clone, kind: str) -> int:
    """Check that every trial has the losses that it has in a run that nothing disturbed; return the epochs.

    In a search, which trial is stopped depends on the order in which trials report, so that one may go
    further here than there.
    """
    found, expected = curves(clone.folder, kind), curves(undisturbed.folder, kind)
    assert set(found) == set(expected)
    for trial, losses in found.items():
        n = min(len(losses), len(expected[trial]))
        assert losses[:n] == expected[trial][:n]
    return sum(len(losses) for losses in found.values())


def last_checkpoints(folder: Path) -> dict[str, int]:
    """Return when the checkpoint after the last epoch of each trial was written."""
    found = (folder / ".state").rglob(f"epoch-{TINY['campaign']['epochs']:05d}-*.ckpt")
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
    ("stage", "before", "after", "faults", "last"),
    [
        (
            "campaign",
            "with_events",
            "with_champion",
            {ctrl_c: 1, kill_driver: 10, kill_everything: 20, terminate_stage: 30},
            40,
        ),
        (
            "search",
            "with_champion",
            "finished",
            {ctrl_c: 1, kill_driver: 6, kill_everything: 11},
            16,
        ),
    ],
    ids=["campaign", "search"],
)
def test_a_stage_that_is_killed_again_and_again(
    stage, before, after, faults, last, request, copy, measured
) -> None:
    """Each fault once so many epochs are on record; then a worker dies after the last of them."""
    clone, undisturbed = copy(request.getfixturevalue(before)), request.getfixturevalue(after)
    outcomes, epochs, trained = {}, {}, {}
    for how, so_many in faults.items():
        outcomes[how.__doc__.rstrip(".")] = disturb(clone, stage, how, so_many)
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
    for fault, outcome in outcomes.items():
        measured("kills", f"{stage}: {fault}", outcome)
    measured(
        "kills",
        f"{stage}: kill -9 of a worker, after all of these",
        f"the stage completes: {total} epochs, each once, the losses of an undisturbed run",
    )


@pytest.mark.parametrize("stage", ["curves", "predictors", "register", "report"])
def test_ctrl_c_in_a_stage(stage, finished, copy, measured) -> None:
    check_ctrl_c(copy(finished), stage, measured)
