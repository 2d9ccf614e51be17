"""The record of the faults: each test records its fault and outcome, and docs/reliability.md shows it.

``make reliability`` writes the page, by pytest's option ``--reliability``; without the option nothing is.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlpf_hpo.files import written_whole
from mlpf_hpo.hardware.host import describe_host

TOPICS = {
    "kills": "Kills and interruptions",
    "tracking": "MLflow out of reach",
    "load": "Much to write and to read",
    "disk": "A full disk",
    "damage": "Damaged and foreign files",
    "trials": "Trials that go wrong",
    "input": "Bad input",
    "machine": "An unhelpful machine",
}
"""Headings of the page, in order."""

HEAD = """# What faults do to it

Each row is a test that injects the fault into the real components - Ray, MLflow, DVC, the file system - and
measured what is stated here. Written by `make reliability` on {machine}.
"""


@dataclass(frozen=True)
class Outcome:
    """What a test did and found."""

    topic: str
    fault: str
    outcome: str
    test: str


class FaultRecord:
    """Outcomes of all tests of a session."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def page(self) -> str:
        """Return the outcomes as Markdown, by topic."""
        host = describe_host()
        parts = [
            HEAD.format(machine=f"{host.hardware_label}, {host.system}, Python {platform.python_version()}")
        ]
        for topic, heading in TOPICS.items():
            rows = sorted((o for o in self.outcomes if o.topic == topic), key=lambda o: (o.test, o.fault))
            if rows:
                table = "".join(f"| {o.fault} | {o.outcome} | `{o.test}` |\n" for o in rows)
                parts.append(f"\n## {heading}\n\n| fault | what happened | test |\n|---|---|---|\n{table}")
        return "".join(parts)


RECORD = FaultRecord()
PROPERTY = "measured"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability", metavar="FILE", help="write what the fault tests measured to this page")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record the outcomes of a test that passed; reports also come from processes that run tests beside."""
    if report.when == "call" and report.passed:
        RECORD.outcomes.extend(
            Outcome(*outcome) for name, outcome in report.user_properties if name == PROPERTY
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    file = session.config.getoption("--reliability")
    beside = hasattr(session.config, "workerinput")
    if file and RECORD.outcomes and not beside:
        with written_whole(Path(file)) as temporary:
            temporary.write_text(RECORD.page(), encoding="utf-8")


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """Return a function that puts (topic, fault, outcome) on record."""
    where = f"{request.path.stem}::{request.node.name}"

    def record(topic: str, fault: str, outcome: str) -> None:
        assert topic in TOPICS
        request.node.user_properties.append((PROPERTY, (topic, fault, outcome, where)))

    return record
