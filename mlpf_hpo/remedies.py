"""Commands that error messages suggest, such as `dvc repro STAGE`, built in one place; tests execute them.

`dvc repro STAGE` makes what is missing. What is there and wrong is made again by forcing that stage alone:
without `--single-item`, all stages before it would run again too, trainings included.
"""

from __future__ import annotations

from pathlib import Path

STUDIES, PIPELINE = "studies", "dvc.yaml"

EVERYTHING_AGAIN = "dvc repro -f"
"""Runs every stage again, trainings included, where MLflow has lost its records."""


def make(stage: str, path: Path | None = None) -> str:
    """Return the command that makes what a stage makes, and what it needs for that, if they are missing.

    The stage is of the project's dvc.yaml, or of that of the study which `path`, something it makes, lies in.

    Examples
    --------
    >>> make("curves"), make("study", Path("studies/published/results/study.json"))
    ('dvc repro curves', 'dvc repro studies/published/dvc.yaml:study')
    """
    return f"dvc repro {_address(stage, path)}"


def make_again(stage: str, path: Path | None = None) -> str:
    """Return the command that runs a stage again, and no other.

    Parameters
    ----------
    stage, path
        See `make`.

    Examples
    --------
    >>> make_again("curves")
    'dvc repro -f -s curves'
    """
    return f"dvc repro -f -s {_address(stage, path)}"


def _address(stage: str, path: Path | None) -> str:
    here = Path.cwd().resolve()
    inside = path.resolve() if path else here
    parts = inside.relative_to(here).parts if inside.is_relative_to(here) else ()
    return f"{STUDIES}/{parts[1]}/{PIPELINE}:{stage}" if parts[:1] == (STUDIES,) and len(parts) > 1 else stage
