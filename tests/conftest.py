"""Settings and fixtures that all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests.clones import (
    copy,
    finished,
    go_on,
    make_clone,
    read_only_home,
    with_champion,
    with_events,
)
from tests.faults.record import (
    measured,
    pytest_addoption,
    pytest_runtest_logreport,
    pytest_sessionfinish,
)

__all__ = [
    "copy",
    "finished",
    "go_on",
    "make_clone",
    "measured",
    "pytest_addoption",
    "pytest_runtest_logreport",
    "pytest_sessionfinish",
    "read_only_home",
    "with_champion",
    "with_events",
]


# Tests assert no times: another load makes any example slow.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Hear Ctrl-C again: a shell lets what it starts in the background ignore it, and so its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Undo what a command that ran within the test sets for the rest of its process: it silences all logs.

    Ray Tune takes SIGUSR1 where a test runs it by itself.
    """
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


ON_ONE_PIPELINE = tuple(
    f"test_{name}.py" for name in ("examples", "kills", "logins", "moved", "repro", "state")
)


class ByWhatIsShared(LoadFileScheduling):
    """Keeps tests of one file in one process, and those files too that share one pipeline."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "one pipeline" if file.endswith(ON_ONE_PIPELINE) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWhatIsShared:
    """Deal tests out to processes so that what is dear to set up is set up once."""
    return ByWhatIsShared(config, log)
