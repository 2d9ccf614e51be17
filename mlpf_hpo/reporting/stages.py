"""Stale stages of the pipeline, from `dvc status`.

DVC is asked while MLflow is imported, so this module imports nothing that takes long.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from mlpf_hpo.errors import DataError, MissingInputError

PIPELINE = "dvc.yaml"
DVC_SECONDS = 120

UP_TO_DATE = "up to date"

ASKED_EVERY_TIME = "always changed"
"""What DVC says of a stage that runs every time: nothing about its inputs."""


def stage_states(root: Path) -> dict[str, str]:
    """Return what `dvc repro` would find of each stage, in the order of the pipeline.

    A stage whose inputs are made by a stale one may turn out to be stale too.

    Returns
    -------
    dict of stage name to text
        "up to date", "not run yet", or "stale: " and what has changed.

    Raises
    ------
    MissingInputError
        If there is no pipeline at `root`.
    DataError
        If DVC refuses; the message has its reason.
    """
    try:
        stages = list(yaml.safe_load((root / PIPELINE).read_text(encoding="utf-8"))["stages"])
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        raise MissingInputError(f"{root / PIPELINE}: no pipeline; run this in the project's folder") from None
    changed = _dvc_status(root)
    return {stage: _describe_changes(changed.get(stage, [])) for stage in stages}


def _dvc_status(root: Path) -> dict[str, list[Any]]:
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=DVC_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"dvc status did not answer within {DVC_SECONDS} s; try it by hand") from None
    if done.returncode:
        reason = done.stderr.strip().splitlines()[:1] or [f"status {done.returncode}"]
        raise DataError(f"dvc status: {reason[0].removeprefix('ERROR: ')}")
    return dict(json.loads(done.stdout))


def _describe_changes(changes: list[Any]) -> str:
    inputs: list[str] = []
    outputs: dict[str, str] = {}
    for change in changes:
        if isinstance(change, str):
            inputs += [] if change == ASKED_EVERY_TIME else [change]
            continue
        outputs |= change.get("changed outs", {})
        for name, how in change.get("changed deps", {}).items():
            inputs += how if isinstance(how, dict) else [name]
    if outputs and set(outputs.values()) == {"deleted"}:
        return "not run yet"
    if not inputs and not outputs:
        return UP_TO_DATE
    what = inputs or [f"{name} {how}" for name, how in outputs.items()]
    return "stale: " + ", ".join(what)
