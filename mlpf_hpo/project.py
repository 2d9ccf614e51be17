"""The project folder, and its state folder: checkpoints, journals and caches that outlive a stage."""

from __future__ import annotations

from pathlib import Path

STATE = ".state"
"""Checkpoints, journals, pools of collisions, answers of paid devices; as help texts write it."""

POOLS = "pools"
"""Minimum-bias collisions within a folder of state, kept for the next time."""


def project_folder() -> Path:
    """Return the folder of the project: where `mlflow.db` and the state lie.

    `dvc exp run --temp` and `dvc exp run --queue` work in copies below `.dvc/tmp/exps`; their runs and their
    state belong to the project all the same. In a folder of a copy it is that folder of the project.
    """
    here = Path.cwd()
    for folder in here.parents:
        if folder.name == ".dvc" and here.relative_to(folder).parts[:2] == ("tmp", "exps"):
            return folder.parent / _within_copy(here, folder)
    return here


def state_folder(within: Path = Path()) -> Path:
    """Return the folder of the project's state, or of a study's: `within` is its folder in the project."""
    return project_folder() / within / STATE


def trial_folder(state: Path, campaign_id: str, trial_key: str) -> Path:
    """Return the folder of a trial's checkpoints within a folder of state."""
    return state / "checkpoints" / campaign_id / trial_key


def _within_copy(here: Path, dvc: Path) -> Path:
    """Return where in its copy of the project a folder lies: the copy is the innermost one with a `.dvc`."""
    for copy in (here, *here.parents):
        if copy == dvc:
            break
        if (copy / ".dvc").is_dir():
            return here.relative_to(copy)
    return Path()


PARAMS, EVENTS = Path("params.yaml"), Path("data/events")
"""Where commands look for parameters and for events, unless an option says otherwise."""
