"""An unpacked source archive, which has no `.git`, runs stages as a clone does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.clones import ROOT, Clone

pytestmark = pytest.mark.pipeline


def test_stages_run_in_an_unpacked_archive(tmp_path: Path) -> None:
    archive = tmp_path / "source.tar"
    subprocess.run(["git", "-C", str(ROOT), "archive", "--output", str(archive), "HEAD"], check=True)
    folder = tmp_path / "mlpf_hpo"
    folder.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
    (folder / ".venv").symlink_to(sys.prefix)  # `-o` below: take it as installed
    clone = Clone(folder)
    clone.write_params({})

    assert "not a git repository" in clone.run("dvc", "repro", "events", status=None)
    clone.run("make", "-o", ".venv/.installed", "setup")
    assert "Running stage 'events'" in clone.run("dvc", "repro", "events")
    assert "didn't change, skipping" in clone.run("dvc", "repro", "events")
