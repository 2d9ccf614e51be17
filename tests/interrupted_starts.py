"""A stage that is interrupted, with all of its process group, just when it starts another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

WITH_PROC = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="sees in /proc what a process catches"
)

_STAGE = """\
import os
import signal
import sys
import threading
import time
from pathlib import Path

import _posixsubprocess

fork_exec, started = _posixsubprocess.fork_exec, []


def catches_ctrl_c(pid):
    status = dict(line.split(":", 1) for line in Path(f"/proc/{{pid}}/status").read_text().splitlines())
    return status["State"].split()[0] == "Z" or int(status["SigCgt"], 16) & 1 << signal.SIGINT - 1


def start_and_interrupt(arguments, *options):
    pid = fork_exec(arguments, *options)
    words = [os.fsdecode(word) for word in arguments]
    if started or words[0] != sys.executable or any("resource_tracker" in word for word in words):
        return pid  # trackers ignore all such signals
    started.append(pid)
    while not catches_ctrl_c(pid):  # before, it would end without a word
        time.sleep(0.01)
    print("Ctrl-C", flush=True)
    os.killpg(0, signal.SIGINT)
    time.sleep(0.1)  # the system has given it to a thread of this process, if there is one that takes it
    return pid


if __name__ == "__main__":  # others bind the function by its name when they are imported
    _posixsubprocess.fork_exec = start_and_interrupt

from mlpf_hpo import console


def main():
    # Stands for the threads of BLAS: a signal goes to whichever thread does not block it.
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    {body}


if __name__ == "__main__":
    console.run(main)
"""
"""Python code; `body` is the stage."""


def interrupted(body: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a stage in a process group of its own; Ctrl-C comes when a new process is there to answer it."""
    script = folder / "stage.py"
    script.write_text(_STAGE.format(body=body.strip().replace("\n", "\n    ")))
    ended = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=100,
    )
    assert ended.stdout == "Ctrl-C\n", ended.stderr
    return ended
