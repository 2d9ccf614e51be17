"""Settings and fixtures that all tests share."""

from __future__ import annotations

import signal

from tests.clones import make_clone
from tests.faults.record import measured, pytest_addoption, pytest_sessionfinish

__all__ = ["make_clone", "measured", "pytest_addoption", "pytest_sessionfinish"]


def pytest_configure() -> None:
    """Hear Ctrl-C again: a shell lets what it starts in the background ignore it, and so its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
