"""The processes that a clone's commands start, found by their environment, and what one does to them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.clones import MARK, Clone

PATIENCE_SECONDS = 600
"""Much longer than anything takes; a test that waits so long fails."""


def wait_until(condition: Callable[[], object], what: str, every: float = 0.05) -> float:
    """Wait until a condition holds and return how many seconds it took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > PATIENCE_SECONDS:
            raise TimeoutError(f"waited {PATIENCE_SECONDS} s: {what}")
        time.sleep(every)
    return time.monotonic() - begun


def processes(folder: Path, *words: str) -> list[psutil.Process]:
    """Return the living processes that a clone's commands started, those whose command line has all words."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(MARK) == str(folder)
            alive = process.status() != psutil.STATUS_ZOMBIE
            if ours and alive and all(word in " ".join(process.cmdline()) for word in words):
                found.append(process)
        except psutil.Error:  # it ended meanwhile, or is not ours to look at
            continue
    return found


def workers(folder: Path) -> list[psutil.Process]:
    """Return the processes in which Ray trains."""
    return processes(folder, "ray::", "ImplicitFunc")


def stage_process(folder: Path, stage: str) -> psutil.Process | None:
    """Return the process of a running stage."""
    for process in processes(folder, f"-m pipelines.{stage}"):
        with suppress(psutil.Error):
            if "python" in Path(process.exe()).name:  # and not the shell that DVC begins it with
                return process
    return None


def nobody_left(folder: Path) -> float:
    """Wait until nothing of a clone runs any more and return how many seconds it took."""
    return wait_until(lambda: not processes(folder), f"processes of {folder} live on", every=0.2)


@contextmanager
def none_survives(clone: Clone) -> Iterator[None]:
    """Kill what runs in a clone if the block fails, so that a failed test disturbs no other."""
    try:
        yield
    except BaseException:
        for process in processes(clone.folder):
            process.kill()
        raise


def ctrl_c(clone: Clone, command: subprocess.Popen[str], stage: str) -> None:
    """Send SIGINT to the whole process group, as a terminal does."""
    os.killpg(command.pid, signal.SIGINT)


def terminate_stage(clone: Clone, command: subprocess.Popen[str], stage: str) -> None:
    """Send SIGTERM to the stage alone."""
    process = stage_process(clone.folder, stage)
    assert process is not None
    process.terminate()


def kill_driver(clone: Clone, command: subprocess.Popen[str], stage: str) -> None:
    """Kill -9 of the stage's process alone."""
    process = stage_process(clone.folder, stage)
    assert process is not None
    process.kill()


def kill_everything(clone: Clone, command: subprocess.Popen[str], stage: str) -> None:
    """Kill -9 of dvc, the stage, Ray's daemons and workers."""
    for process in processes(clone.folder):
        process.kill()
