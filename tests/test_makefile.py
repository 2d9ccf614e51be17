"""Set-up takes Python 3.11, 3.12 and 3.13, and refuses others in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
[ "$1" = --version ] && echo Python {version}.1 && exit
fake="import sys; sys.version_info = tuple(map(int, '{version}.1'.split('.')))"
[ "$1" = -c ] && exec python3 -c "$fake; $2"
echo "this Python makes no environment" >&2
exit 1
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def set_up(folder: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Ask for an environment by a Python that says it is of that version, and makes none."""
    python = folder / "python"
    python.write_text(PYTHON.format(version=version))
    python.chmod(0o755)
    command = ["make", "-C", ROOT, "install-pinned", f"PYTHON={python}", f"VENV={folder / 'venv'}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


@pytest.mark.parametrize("version", ["2.7", "3.10", "3.14", "4.0"])
def test_other_pythons_are_refused_in_a_line(tmp_path, version) -> None:
    done = set_up(tmp_path, version)
    refusal, makes_own = done.stderr.splitlines()
    assert refusal.startswith("Python 3.11, 3.12 or 3.13 is needed")
    assert refusal.endswith(f"found: Python {version}.1")
    assert makes_own.startswith("make: ***")
    assert done.returncode != 0
    assert "1/3" not in done.stdout


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_these_are_taken(tmp_path, version) -> None:
    done = set_up(tmp_path, version)
    assert f"with Python {version}.1" in done.stdout
    assert "this Python makes no environment" in done.stderr
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    assert f"Programming Language :: Python :: {version}" in classifiers
