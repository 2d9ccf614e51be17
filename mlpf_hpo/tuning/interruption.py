"""SIGINT and SIGTERM as a request that the run obeys at its next step; SIGUSR1: between epochs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

DRAIN = signal.SIGUSR1
"""Sent by a batch system some time before it ends a job."""


class Interruption:
    """Whether the run was asked to end.

    Attributes
    ----------
    requested : bool
        True from the first signal on; a second one raises KeyboardInterrupt wherever the process is.
    draining : bool
        Whether no trial is to start, and those that run are to end after their epoch in progress.
    """

    def __init__(self) -> None:
        self.requested = self.draining = False

    def listen(self) -> None:
        """Take the signals over; without effect outside the main thread, where Python allows it not."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._on_signal)
            signal.signal(DRAIN, self._on_drain)

    def _on_drain(self, number: int, frame: FrameType | None) -> None:
        self.draining = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Catch the signals within the block; afterwards the handlers before are in place again."""
    before = {number: signal.getsignal(number) for number in (*SIGNALS, DRAIN)}
    interruption = Interruption()
    interruption.listen()
    try:
        yield interruption
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
