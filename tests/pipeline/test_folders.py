"""A checkout in a folder of any name: set up for real, its own commands run.

The pipeline as a whole runs in such a folder in every test that has a finished one, see tests/clones.py.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpf_hpo.mlpf.native.build import possible
from tests.clones import Clone

pytestmark = pytest.mark.pipeline

PYTHON = """#!/bin/sh
{python} "$@" || exit
[ "$1" = -m ] || exit 0
cd .venv/lib/python{version}/site-packages && rm -rf setuptools* && echo {packages} > those-of-the-tests.pth
"""
"""A Python whose new environments find the packages of the tests: nothing has to be downloaded."""

OFFLINE = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}
"""Settings of pip; the last one turns isolation off, whatever it looks like."""


def test_make_sets_up_a_checkout_in_a_folder_with_a_space(
    make_clone: Callable[[], Clone], tmp_path: Path
) -> None:
    clone = make_clone()
    assert " " in str(clone.folder)
    python = tmp_path / "python"
    own, version = Path(sys.executable).parent, f"{sys.version_info.major}.{sys.version_info.minor}"
    packages, base = sysconfig.get_path("purelib"), f"{sys.base_prefix}/bin/python3"
    python.write_text(PYTHON.format(python=base, packages=packages, version=version))
    python.chmod(0o755)
    path = clone.environment["PATH"].split(os.pathsep)
    clone.environment |= {**OFFLINE, "PATH": os.pathsep.join(part for part in path if part != str(own))}
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        clone.environment.pop(name, None)
    said = clone.run("make", "setup", f"PYTHON={python}")
    steps = [line.split()[0] for line in said.splitlines()]
    assert steps == ["Setting", "1/3", "2/3", "3/3", *(["Training"] if possible() else [])]  # kernels
    assert f"with Python {version}." in said
    assert clone.run("make", "setup", f"PYTHON={python}") == ""
    told = clone.run(".venv/bin/python", "-c", "import mlpf_hpo; print(mlpf_hpo.__file__)")
    assert told == f"{clone.folder}/mlpf_hpo/__init__.py\n"
    assert clone.run(".venv/bin/mlpf-hpo", "--version").startswith("mlpf-hpo ")
    assert "stages\n  events" in clone.run(".venv/bin/mlpf-hpo", "status")
