"""`mlpf-hpo events ...` on the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.events.store import EventStore, write_store
from tests.test_cli import _event, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small store."""
    generator = np.random.default_rng(0)
    events = [_event(generator, number) for number in range(3)]
    events = [dataclasses.replace(event, candidates=event.targets) for event in events]
    write_store(tmp_path / "store", events, {"made": "up", "steps": list(range(9))})
    return tmp_path


def test_a_store_is_told_drawn_and_verified(folder: Path) -> None:
    info = run("events", "info", "store", folder=folder)
    assert info.returncode == 0, info.stderr
    for text in (
        "3 ttbar events at PU 0",
        "12.0 ± 0.0 an event",
        "without a target",
        "made: up",
        "0, ... (9)",
    ):
        assert text in info.stdout
    show = run("events", "show", "store", "--event", "-1", "--out", "event.png", folder=folder)
    assert show.returncode == 0, show.stderr
    assert "event 2 of store" in show.stdout
    assert (folder / "event.png").read_bytes().startswith(b"\x89PNG")
    missing = run("events", "show", "store", "--event", "3", "--out", "no.png", folder=folder)
    assert (missing.returncode, "holds 3 events" in missing.stderr) == (1, True)
    file = folder / "store" / "targets.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    verify = run("events", "verify", "store", folder=folder)
    assert (verify.returncode, "targets.npy: damaged" in verify.stderr) == (1, True)


def test_files_out_and_in_again(folder: Path) -> None:
    out = run("events", "export-zenodo", "store", "--out", "files", folder=folder)
    assert out.returncode == 0, out.stderr
    (folder / "files" / "tev14_pythia8_ttbar_0_1.pkl.bz2").write_bytes(b"bad")
    command = ["events", "import-zenodo", "files", "--out", "back", "--pileup", "0", "--workers", "1"]
    bad = run(*command, folder=folder)
    assert (bad.returncode, "ttbar_0_1.pkl.bz2: cannot be read" in bad.stderr) == (1, True)
    assert "Traceback" not in bad.stderr
    good = run(*command, "--keep-going", folder=folder)
    assert good.returncode == 0, good.stderr
    assert "3 ttbar events of 1 files; 1 left out" in good.stdout
    assert "left out: tev14_pythia8_ttbar_0_1.pkl.bz2" in good.stderr
    for name in ("features", "targets", "candidates"):
        both = [(folder / store / f"{name}.npy").read_bytes() for store in ("store", "back")]
        assert both[0] == both[1]
    assert EventStore.open(folder / "back").manifest["settings"]["skipped"]
