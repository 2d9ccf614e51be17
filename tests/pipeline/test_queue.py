"""A queued experiment runs the code that it was queued with, not that of the workspace."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.clones import ASCII_NAME, Clone
from tests.faults.processes import nobody_left, none_survives, wait_until

pytestmark = pytest.mark.pipeline

LINE = '{**settings, "events": n_events,'
"""In the package: what the stage `events` writes into a manifest."""


def test_an_edit_that_was_undone_is_in_the_experiment_that_was_queued_with_it(
    make_clone: Callable[[], Clone],
) -> None:
    clone = make_clone(ASCII_NAME)
    clone.write_params({})
    file = clone.folder / "mlpf_hpo/events/generation.py"
    before = file.read_text()
    assert before.count(LINE) == 1
    file.write_text(before.replace(LINE, LINE.replace("{", '{"edited": True, ')))
    told = clone.run("dvc", "exp", "run", "--queue", "events")
    name = re.findall(r"Queued experiment '([\w-]+)'", told)[0]
    file.write_text(before)

    def ended() -> list[str]:
        return re.findall(rf"{name} .*(Success|Failed)", clone.run("dvc", "queue", "status"))

    with none_survives(clone):
        clone.run("dvc", "queue", "start")
        wait_until(ended, "the queue", every=2)
        assert ended() == ["Success"], clone.run("dvc", "queue", "logs", name)
        clone.run("dvc", "queue", "stop", "--kill", status=None)  # its worker would wait for more
        nobody_left(clone.folder)
    assert file.read_text() == before
    clone.run("dvc", "exp", "apply", name, status=None)  # not 0, as stages are left that never ran
    manifest = json.loads((clone.folder / "data/events/train/manifest.json").read_text())
    assert manifest["settings"]["edited"] is True
