"""The core runs in a process in which the libraries of the services and the application do not exist."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core_in_use import ABSENT, Refuse

ROOT = Path(__file__).parents[1]


def test_the_core_needs_neither_ray_nor_mlflow_nor_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.core_in_use"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


@pytest.mark.parametrize("name", [*ABSENT, "torch.nn"])
def test_the_finder_refuses(name) -> None:
    with pytest.raises(ImportError, match=name):
        Refuse().find_spec(name)
    assert Refuse().find_spec("numpy") is None
