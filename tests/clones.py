"""A temporary clone of this repository at a tiny size, and the real `dvc` in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]

TINY = {
    "seed": 7,
    "events": {"train": {"process": "ttbar", "events": 8}, "validation": {"process": "qcd", "events": 6}},
    "network": {"embedding_dim": 8, "class_head": [8], "charge_head": [8], "regression_head": [8]},
    "training": {"batch_events": 4},
    "space": {"output_dim": {"values": [8, 16]}},
    "campaign": {"trials": 14, "epochs": 4},
    "predictors": {
        "outer_folds": 3,
        "inner_folds": 2,
        "table_2_splits": 2,
        "table_2_points": 6,
        "qsvr": {"reads": 10, "sweeps": 10, "points": 6},
    },
    "search": {"configurations": 4, "max_epochs": 4, "predict_from_epoch": 1},
    "benchmark": {"copies": 2, "events_per_thread": 8, "epochs": 2, "batch_size": 4, "minimum_overlap": 0.0},
}


def merged(base: dict, changes: dict) -> dict:
    """Return `base` with `changes` laid over it, section by section."""
    out = dict(base)
    for key, value in changes.items():
        out[key] = merged(base[key], value) if isinstance(value, dict) and key in base else value
    return out


class Clone:
    """A working copy with its own MLflow database, state and DVC cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "RAY_", "DVC_"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder),
        }

    def write_params(self, changes: dict) -> None:
        """Write params.yaml: the shipped values at tiny size, with `changes` laid over them."""
        shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
        content = merged(merged(shipped, TINY), changes)
        (self.folder / "params.yaml").write_text(yaml.safe_dump(content))

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in the clone, in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, status: int | None = 0) -> str:
        """Run a command to its end and return what it printed."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=900)
        if status is not None:
            assert process.returncode == status, output
        return output


@pytest.fixture(scope="session")
def make_clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Clone]:
    """Return a function that makes clones of what is committed."""

    def make() -> Clone:
        folder = tmp_path_factory.mktemp("clone") / "mlpf_hpo"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        clone = Clone(folder)
        clone.write_params({})
        return clone

    return make
