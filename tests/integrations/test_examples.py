"""The examples of docs/examples run as they stand, and the two lines that each marks are all that is ours."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.py"))

NEEDS = {"syne_tune_digits.py": "syne_tune"}
SLOW = ("ray_tune_digits.py",)
"""Starts Ray, and a process for each trial."""

SAVED = re.compile(
    r"accuracy 0\.\d+ after (\d+) of (\d+) epochs|(\d+) of (\d+) epochs: prediction after epoch"
)


def marked() -> list[object]:
    """Return the examples; those that take longer as tests of the slow suite."""
    slow = [pytest.mark.pipeline]
    return [pytest.param(one, id=one.stem, marks=slow if one.name in SLOW else []) for one in EXAMPLES]


@pytest.mark.parametrize("file", marked())
def test_an_example_runs_and_saves_epochs(file: Path, tmp_path: Path) -> None:
    needed = NEEDS.get(file.name)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"needs {needed}: pip install 'mlpf_hpo[{needed.replace('_', '-')}]'")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "SYNETUNE_FOLDER": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, str(file)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = SAVED.search(done.stdout)
    assert found is not None, done.stdout
    spent, of_all = (int(number) for number in found.groups() if number is not None)
    assert spent < of_all


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_are_short(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if line.strip()]
    assert len(lines) <= 50


def test_each_library_has_an_example_and_the_page_shows_it() -> None:
    page = (ROOT / "docs/integrations.md").read_text()
    hosts = {"optuna", "ray_tune", "lightning", "syne_tune"}
    assert hosts == {re.sub(r"_(digits|promotion)", "", file.stem) for file in EXAMPLES}
    assert all(f"examples/{file.name}" in page for file in EXAMPLES)
