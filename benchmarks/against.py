"""Times of another commit of this project beside today's, in turns, each with an environment of its own."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[1]
TRAIN, SHARE = 80, 0.1


def evaluation_ratio(commit: str, curves: LearningCurves, splits: int, rounds: int) -> dict[str, float]:
    """Return today's processor time of ``predictors evaluate --predictors selected`` over that of a commit.

    Each reads the settings of its own params.yaml, on one thread per process; the two take turns.

    Parameters
    ----------
    commit : str
        What Git knows it by.
    curves : LearningCurves
        What is evaluated.
    splits, rounds : int
        Splits of an evaluation, and evaluations on either side.

    Raises
    ------
    ConfigurationError
        If there is no such commit, or it cannot be installed or run.
    """
    with tempfile.TemporaryDirectory() as folder, checkout(commit, Path(folder, "before")) as before:
        table = Path(folder, "curves.csv")
        # Only what every commit takes for hyperparameters; earlier ones have no option to name them.
        curves.frame().to_csv(table, index=False)
        sides = {"before": (before, before / ".venv/bin/python"), "after": (ROOT, Path(sys.executable))}
        times: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, (where, python) in sides.items():
                times[name].append(_processor_seconds(where, python, table, curves, splits))
    ratios = [after / old for old, after in zip(times["before"], times["after"], strict=True)]
    return {
        "rounds": float(rounds),
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "before_seconds": statistics.median(times["before"]),
        "after_seconds": statistics.median(times["after"]),
    }


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out into a folder, and install it there."""
    git = ["git", "-C", str(ROOT), "worktree"]
    run([*git, "add", "--detach", str(folder), commit], ROOT, f"no commit {commit}")
    try:
        run(["make", "setup"], folder, f"{commit} cannot be installed")
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=False, capture_output=True)


def _processor_seconds(where: Path, python: Path, table: Path, curves: LearningCurves, splits: int) -> float:
    command = [str(python), "-m", "mlpf_hpo.cli", "predictors", "evaluate", "--curves", str(table)]
    command += ["--predictors", "selected", "--train", str(TRAIN), "--splits", str(splits)]
    command += ["--known-fraction", str(SHARE), "--mode", curves.mode]
    before = _children()
    run(command, where, "predictors evaluate failed")
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command: list[str], where: Path, failed: str) -> None:
    """Run a command in a checkout, in its environment and on one thread per process.

    Raises
    ------
    ConfigurationError
        If it fails: what `failed` says, and the last line that it wrote.
    """
    path = f"{where / '.venv/bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", "PATH": path}
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ConfigurationError(f"{failed}: {' '.join(last)}")


@contextmanager
def worker(where: Path, python: Path, script: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script of this folder with the package of a checkout, for `ask`; kill it at the end."""
    # Not as a module: beside it lies this commit's package, which the other must not find.
    with subprocess.Popen(
        [str(python), "-P", str(Path(__file__).with_name(script))],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(where), **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(asked: subprocess.Popen[str], request: Mapping[str, Any], what: str) -> Any:
    """Return a worker's answer to a request; `what` says in an error what failed.

    Raises
    ------
    ConfigurationError
        If it ends without an answer.
    """
    assert asked.stdin is not None
    assert asked.stdout is not None
    print(json.dumps(request), file=asked.stdin, flush=True)
    answer = asked.stdout.readline()
    if not answer:
        raise ConfigurationError(f"{what} failed; standard error says why")
    return json.loads(answer)
