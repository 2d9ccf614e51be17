"""Start of other processes such that a Ctrl-C in the middle of it is answered by the caller alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM)
"""What asks this process to end."""


@contextmanager
def uninterrupted_start() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block; the processes that start within it do not get it.

    A terminal sends SIGINT to all processes of a command, and only the caller is to answer: it ends the
    others. They inherit that it is blocked, so that not even one that is still starting answers with a
    traceback. Nor may the caller leave a start half-done: the new process would find its pipe closed, and
    print a traceback about that. For this reason SIGTERM waits too, in the caller alone.

    What is to be ended in any case should be noted for that within the block: behind it,
    `KeyboardInterrupt` may already have come.

    Examples
    --------
    >>> import subprocess, sys
    >>> with uninterrupted_start():
    ...     child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    >>> child.send_signal(signal.SIGINT)  # it does not get it
    >>> child.terminate()
    >>> signal.Signals(-child.wait()).name
    'SIGTERM'
    """
    resource_tracker.ensure_running()  # when it is started it unblocks the signals, whatever they were before
    with _signals_wait():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Note the signals within the block, and send them anew behind it.

    A mask does not hold them back: another thread takes them, such as one of BLAS, and Python's handler
    runs in the main thread all the same. Other threads get no `KeyboardInterrupt` and need nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    handlers = {number: signal.getsignal(number) for number in STOPS}
    # An ignored signal stays ignored, in the new processes too; None is a handler that is not Python's.
    answered = {number: old for number, old in handlers.items() if old not in (signal.SIG_IGN, None)}
    try:
        for number in answered:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in answered.items():
            signal.signal(number, handler)
        for again in dict.fromkeys(came):
            signal.raise_signal(again)
