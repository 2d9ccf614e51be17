"""The pool of minimum-bias collisions, made once and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpf_hpo.events import pileup
from mlpf_hpo.events.pileup import PileUpPool, make_pool
from mlpf_hpo.events.sources.pythia import PROCESSES
from mlpf_hpo.events.workers import Workers

pytest.importorskip("pythia8mc")


@pytest.fixture(scope="module")
def quick():
    """Leave out diffraction, whose tables take fifteen seconds; let a few collisions be several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROCESSES, "minimum_bias", ("SoftQCD:nonDiffractive = on",))
        patch.setattr(pileup, "BLOCK", 4)
        yield


def pool(folder: Path, size: int = 10, seed: int = 3) -> tuple[tuple[Path, ...], list[tuple[int, int]]]:
    """Return the files of a pool, and the calls of its progress."""
    calls: list[tuple[int, int]] = []
    with Workers(1) as crew:
        files = make_pool(crew, size, seed, folder, lambda done, size: calls.append((done, size)))
    return files, calls


@pytest.fixture(scope="module")
def folder(quick, tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("pools")
    files, calls = pool(made)
    assert [file.name for file in files] == ["0-4.npz", "4-8.npz", "8-10.npz"]
    assert calls == [(0, 10), (4, 10), (8, 10), (10, 10)]
    return made


def test_a_pool_at_hand_is_not_made_again(folder) -> None:
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    assert pool(folder)[1] == [(10, 10)]
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()} == before


def test_a_larger_pool_shares_whole_blocks(folder) -> None:
    smaller, _ = pool(folder)
    larger, calls = pool(folder, size=12)
    assert larger[:2] == smaller[:2]
    assert calls == [(8, 12), (12, 12)]
    ten, twelve = PileUpPool.load(*smaller), PileUpPool.load(*larger)
    assert (len(ten), len(twelve)) == (10, 12)
    assert (twelve.offsets[:11] == ten.offsets).all()
    assert (twelve.particles.momentum[: len(ten.particles)] == ten.particles.momentum).all()


def test_another_seed_makes_another_pool(folder) -> None:
    one, other = (PileUpPool.load(*pool(folder, seed=seed)[0]).particles.momentum for seed in (3, 4))
    assert one.shape != other.shape or (one != other).any()


@pytest.mark.parametrize("what", ["0-4.npz", "tables", "0-4.npz.sha256"])
def test_what_is_damaged_is_made_again(folder, tmp_path, what: str) -> None:
    files, _ = pool(folder)
    content = {file.name: file.read_bytes() for file in files}
    damaged = (files[0].parents[1] if what == "tables" else files[0].parent) / what
    changed = bytearray(damaged.read_bytes())
    changed[len(changed) // 2] ^= 1
    damaged.write_bytes(changed)
    if what == "tables":
        files[0].unlink()  # tables are looked at only where something is to be made
    assert pool(folder)[1][0] == (6, 10)
    assert {file.name: file.read_bytes() for file in files} == content
