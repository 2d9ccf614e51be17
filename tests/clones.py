"""A temporary clone of this repository at a tiny size, and the real `dvc` in it.

What takes longest, a pipeline that nothing disturbs, runs once for all tests that need one, in three parts,
and once for all processes that run tests.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.faults.file_systems import mounted

ROOT = Path(__file__).parents[1]

NAME = "d'une équipe"
"""Folder of a clone: what quotes too little, or takes a path for an address, does not get through."""

ASCII_NAME = "d'une equipe"
"""For temporary and queued experiments: DVC 3.67 cannot make their folders below one with other letters."""

TINY = {
    "seed": 7,
    "events": {"train": {"process": "ttbar", "events": 16}, "validation": {"process": "qcd", "events": 6}},
    "network": {"embedding_dim": 8, "class_head": [8], "charge_head": [8], "regression_head": [8]},
    "training": {"batch_events": 1},  # many steps, so that an epoch takes long enough to be hit
    # Some trials explode, and some end in NaN.
    "space": {"lr": {"high": 1e7}, "output_dim": {"values": [8, 16]}},
    "campaign": {"trials": 14, "epochs": 5},
    "predictors": {
        "candidates": ["persistence", "svr", "qsvr"],
        "outer_folds": 3,
        "inner_folds": 2,
        "table_2_splits": 2,
        "table_2_points": 6,
        "qsvr": {"reads": 10, "sweeps": 10, "points": 6},
    },
    "search": {
        "configurations": 8,
        "max_epochs": 5,
        "predict_from_epoch": 1,
        "schedulers": [{"name": "asha"}, {"name": "asha", "prediction": {}}],
    },
    "benchmark": {"copies": 2, "events_per_thread": 8, "epochs": 2, "batch_size": 4, "minimum_overlap": 0.0},
}


def merged(base: dict, changes: dict) -> dict:
    """Return `base` with `changes` laid over it, section by section."""
    out = dict(base)
    for key, value in changes.items():
        out[key] = merged(base[key], value) if isinstance(value, dict) and key in base else value
    return out


MARK = "MLPF_HPO_TEST_CLONE"
"""In the environment of everything that a clone's commands start: by it they are found."""

FOREIGN = ("MLFLOW_", "RAY_", "DVC_", "PYTHONPATH", "MAKE", "MFLAGS")
"""What a clone's commands do not inherit, from the shell or from the `make` that runs the tests."""


class Clone:
    """A working copy with its own MLflow database, state and DVC cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            MARK: str(folder),
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
            assert process.returncode == status, f"status {process.returncode}\n{output}"
        return output


@pytest.fixture(scope="session")
def make_clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Clone]:
    """Return a function that makes clones of what is committed."""

    def make(name: str = NAME) -> Clone:
        folder = tmp_path_factory.mktemp("clone") / name
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        clone = Clone(folder)
        clone.write_params({})
        return clone

    return make


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Clone]:
    """Return a function that copies a clone with all that it holds."""

    def make(clone: Clone, name: str = NAME) -> Clone:
        folder = tmp_path_factory.mktemp("copy") / name
        shutil.copytree(clone.folder, folder, symlinks=True)
        copied = Clone(folder)
        copied.output = clone.output
        return copied

    return make


@pytest.fixture(scope="session")
def read_only_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """Yield a home folder that is a read-only file system, or None where none can be mounted."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(mounted(tmp_path_factory.mktemp("home") / "home"))
            disk.remount("ro")
            home = disk.path
        except OSError:
            home = None
        yield home


@pytest.fixture(scope="session")
def go_on(
    tmp_path_factory: pytest.TempPathFactory, copy: Callable[[Clone], Clone], read_only_home: Path | None
) -> Callable[..., Clone]:
    """Return a function that runs stages in a clone, all that are left by default.

    Of the processes that run tests one does it, the others wait; each gets a copy of its own.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def run(start: Callable[[], Clone], name: str, *stages: str) -> Clone:
        folder = shared / f"pipeline {name}" / NAME
        output = folder.parent / "output.txt"
        folder.parent.mkdir(exist_ok=True)
        with (folder.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not output.exists():
                clone = start()
                if read_only_home is not None:
                    clone.environment["HOME"] = str(read_only_home)
                clone.output += clone.run("dvc", "repro", *stages)
                shutil.copytree(clone.folder, folder, symlinks=True)
                output.write_text(clone.output)
        clone = Clone(folder)
        clone.output = output.read_text()
        return copy(clone)

    return run


@pytest.fixture(scope="session")
def with_events(go_on: Callable[..., Clone], make_clone: Callable[[], Clone]) -> Clone:
    """Return a clone after the stage `events`."""
    return go_on(make_clone, "with events", "events")


@pytest.fixture(scope="session")
def with_champion(go_on: Callable[..., Clone], with_events: Clone, copy: Callable[[Clone], Clone]) -> Clone:
    """Return a clone after the stage `register`, never disturbed."""
    return go_on(lambda: copy(with_events), "with champion", "register")


@pytest.fixture(scope="session")
def finished(go_on: Callable[..., Clone], with_champion: Clone, copy: Callable[[Clone], Clone]) -> Clone:
    """Return a clone after all stages, never disturbed."""
    return go_on(lambda: copy(with_champion), "finished")
