"""Ctrl-C while other processes start: real signals to a process group, as a terminal sends them."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from mlpf_hpo.process_start import uninterrupted_start
from tests.interrupted_starts import WITH_PROC, interrupted

WORKERS = """
from mlpf_hpo.events.workers import Workers
with Workers(2) as workers:
    list(workers.map(time.sleep, [(0.0,)] * 4))
"""

TRAINING_PROCESSES = """
from pathlib import Path
from types import SimpleNamespace
from mlpf_hpo.mlpf.training_processes import _processes
spec = SimpleNamespace(task=SimpleNamespace(processes=2))
with _processes(spec, 1, Path()):
    time.sleep(60)
"""

JOBLIB = """
from mlpf_hpo.parallel import parallel
list(parallel(time.sleep, [(0.0,)] * 4, jobs=2))
"""


@WITH_PROC
@pytest.mark.parametrize("body", [WORKERS, TRAINING_PROCESSES, JOBLIB], ids=["workers", "training", "joblib"])
def test_ctrl_c_while_processes_start_is_one_line(body: str, tmp_path: Path) -> None:
    ended = interrupted(body, tmp_path)
    line = "interrupted: nothing of this stage's outputs was written; run it again to go on\n"
    assert (ended.returncode, ended.stderr) == (130, line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_the_block_comes_behind_it(number: signal.Signals) -> None:
    came: list[str] = []

    def handler(*_: object) -> None:
        came.append("signal")

    before, mask = signal.signal(number, handler), signal.pthread_sigmask(signal.SIG_BLOCK, set())
    try:
        with uninterrupted_start():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            came.append("block")
        assert came == ["block", "signal"]
        assert signal.getsignal(number) is handler
        assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == mask
        with pytest.raises(ZeroDivisionError), uninterrupted_start():
            raise ZeroDivisionError
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


def test_an_ignored_signal_stays_ignored_in_the_new_process() -> None:
    """As in a shell's background, where nobody at the terminal means it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted_start():
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_the_handlers_alone() -> None:
    """Only the main thread may set them; trials train in others."""
    before = signal.getsignal(signal.SIGINT)
    found: list[object] = []

    def start() -> None:
        with uninterrupted_start():
            found.append(signal.getsignal(signal.SIGINT))
            found.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set()))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert found == [before, True]
