"""The simulator's benchmark: its sizes and keys, and environments of other projects that will not do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import simulator
from benchmarks.peers.environment import HERE, peer_python, run_peer
from mlpf_hpo.errors import ConfigurationError


def python_that(folder: Path, script: str) -> Path:
    """Make something that stands for an environment's Python."""
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return python


def test_the_numbers_are_printed_and_kept(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(simulator.SIZES, "small", (30, 9, 4))
    monkeypatch.setattr(sys, "argv", ["simulator", "--quick", "--json", str(tmp_path / "out.json")])
    simulator.main()
    numbers = json.loads((tmp_path / "out.json").read_text())
    assert sorted(numbers) == [
        f"small.{name}.{kind}"
        for name in ("promotion_asha", "stopping_asha")
        for kind in ("epochs", "seconds")
    ]
    assert 30 < numbers["small.stopping_asha.epochs"] < 30 * 9
    assert "small.stopping_asha.epochs" in capsys.readouterr().out


def test_another_environment_is_used_if_it_holds_what_is_pinned(tmp_path) -> None:
    pins = (HERE / "syne_tune.txt").read_text().replace("syne-tune", "syne_tune")
    installed = "\n".join(line for line in pins.splitlines() if not line.startswith("#"))
    good = python_that(tmp_path / "good", f"echo '{installed}'")
    assert peer_python("syne_tune", tmp_path / "good") == good
    python_that(tmp_path / "other", "echo numpy==2.0.0")
    with pytest.raises(ConfigurationError, match=r"other: lacks autograd==.*numpy==1\.26\.4.* nothing yet"):
        peer_python("syne_tune", tmp_path / "other")
    with pytest.raises(ConfigurationError, match="no environment can be made"):
        peer_python("syne_tune", Path("/dev/null/here"))


def test_a_script_that_fails_is_told_by_its_last_line(tmp_path) -> None:
    python = python_that(tmp_path, "echo first >&2; echo 'ValueError: no' >&2; exit 3")
    with pytest.raises(ConfigurationError, match=r"^syne_tune_asha\.py failed: ValueError: no$"):
        run_peer(python, "syne_tune_asha.py")


def test_simulators_that_differ_are_not_compared(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(simulator, "PEER_SIZE", (5, 9, 2))
    monkeypatch.setattr(simulator, "peer_python", lambda name, folder: folder)
    told = json.dumps({"seconds": 1.0, "epochs": [9] * 5})
    monkeypatch.setattr(simulator, "run_peer", lambda *arguments: f"noise\n{told}\n")
    with pytest.raises(ConfigurationError, match="do not train the same"):
        simulator.against_syne_tune(tmp_path, 1)
