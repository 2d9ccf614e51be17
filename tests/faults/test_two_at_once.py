"""Two at once in one checkout: the second one waits, or names the process at work; nothing is damaged."""

from __future__ import annotations

import re
import sys

import pytest
import yaml

from mlpf_hpo.events.store import EventStore
from tests.clones import Clone
from tests.faults.database import curves, statuses
from tests.faults.processes import nobody_left, processes, stage_process, wait_until

WAITS = re.compile(r"Waiting for make (\w+) \(PID (\d+), since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\) to end")


def with_stages(clone: Clone, *names: str) -> Clone:
    """Leave a clone some stages only, and let it take the environment of these tests for its own."""
    (clone.folder / ".venv").symlink_to(sys.prefix)
    pipeline = yaml.safe_load((clone.folder / "dvc.yaml").read_text())
    pipeline["stages"] = {name: pipeline["stages"][name] for name in names}
    (clone.folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    return clone


def check_whole(clone: Clone) -> None:
    """Check that the campaign stands as if one alone had made it."""
    assert [len(losses) for losses in curves(clone.folder, "campaign").values()] == [3] * 4
    assert statuses(clone.folder) == {"FINISHED"}
    assert "up to date" in clone.run("dvc", "repro")


@pytest.mark.faults
def test_two_repros(make_clone, measured) -> None:
    clone = with_stages(make_clone(), "events")
    clone.write_params({"events": {"train": {"events": 400}}})  # long enough for others to come meanwhile
    make = ("make", "--old-file", ".venv/.installed", "repro")
    first = clone.start(*make)
    wait_until(lambda: first.poll() is not None or stage_process(clone.folder, "events"), "the stage")
    (holder,) = processes(clone.folder, "dvc repro")
    second, plain = clone.start(*make), clone.start("dvc", "repro")
    outputs = [command.communicate(timeout=600)[0] for command in (first, second, plain)]
    assert [command.returncode for command in (first, second)] == [0, 0], outputs
    assert WAITS.search(outputs[1]).groups() == ("repro", str(holder.pid))
    assert "up to date" in outputs[1]
    # Without make, it is DVC that says so.
    assert plain.returncode != 0
    assert re.search(rf"is busy, it is being blocked by:\n\s+\(PID {holder.pid}\)", outputs[2]), outputs[2]
    assert "up to date" in clone.run("dvc", "repro")
    EventStore.open(clone.folder / "data/events/train").verify()
    measured(
        "machine",
        "`make repro` twice at once",
        "the second waits and names the process it waits for, then finds all done",
    )
    measured("machine", "`dvc repro` while `make repro` runs", "ends with the PID that is at work")


@pytest.mark.faults
@pytest.mark.ray
def test_a_stage_that_outlives_dvc(with_events: Clone, copy, measured) -> None:
    """DVC holds its lock no more, but the campaign trains on: another one must not."""
    clone = with_stages(copy(with_events), "events", "campaign")
    clone.write_params({"campaign": {"trials": 4, "epochs": 3}, "space": {"lr": {"high": 1e-2}}})
    first = clone.start("dvc", "repro")
    wait_until(lambda: first.poll() is not None or processes(clone.folder, "ray::"), "the campaign")
    campaign = stage_process(clone.folder, "campaign")
    first.kill()
    first.wait()  # DVC takes a zombie for alive
    output = clone.run("dvc", "repro", status=255)
    assert "Traceback" not in output
    assert re.search(rf"PID {campaign.pid}, since [-\d]+ [:\d]+, trains here; wait", output), output
    nobody_left(clone.folder)
    clone.run("dvc", "repro")
    check_whole(clone)
    measured(
        "machine",
        "dvc is killed, its campaign trains on, and `dvc repro` is called again",
        "it ends with the PID that trains; the next one completes, no epoch twice",
    )


PYTHON = """#!/bin/bash
# Takes the place of Python: makes an environment with nothing in it, slowly.
echo "$@" >> calls
sleep 2
mkdir -p .venv/bin
test -e .venv/bin/python || cp "$0" .venv/bin/python
"""


def test_two_setups_install_once(make_clone, measured) -> None:
    clone = make_clone()
    python = clone.folder / "slow-python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    commands = [clone.start("make", "setup", f"PYTHON={python}") for _ in range(2)]
    outputs = [command.communicate(timeout=120)[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], outputs
    calls = (clone.folder / "calls").read_text()
    assert calls.count("-m venv") == 1
    assert calls.count("-m pip") == 1
    holders = [WAITS.search(output) for output in outputs]
    assert sum(holder is not None for holder in holders) == 1, outputs
    measured("machine", "`make setup` twice at once", "one installs, the other waits and finds it done")
