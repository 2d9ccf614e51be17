"""Samples from a seed: the same bytes for any number of processes, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.errors import BusyError, ConfigurationError
from mlpf_hpo.events import blocks, generation, pileup
from mlpf_hpo.events.generation import generate_store
from mlpf_hpo.events.sources.pythia import PROCESSES
from mlpf_hpo.events.store import EventStore

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")


def make(path: Path, n_events: int = 4, process: str = "ttbar", pileup: float = 0.0, **changed) -> EventStore:
    arguments = {"seed": 11, "pool_size": 30, "workers": 1, **changed}
    return generate_store(path, process, n_events, pileup, **arguments)


@pytest.fixture(scope="module")
def small_blocks():
    """Let four events be more than one block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "BLOCK", 3)
        patch.setattr(pileup, "BLOCK", 16)
        yield patch


@pytest.fixture(scope="module")
def store(small_blocks, tmp_path_factory) -> EventStore:
    return make(tmp_path_factory.mktemp("one") / "events")


def contents(store: EventStore) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(store.path.iterdir())}


def test_two_processes_make_the_same_bytes(store, small_blocks, tmp_path) -> None:
    calls: list[tuple[int, int, str]] = []
    other = make(tmp_path / "two", workers=2, progress=lambda *call: calls.append(call))
    assert contents(other) == contents(store)
    assert other.digest == store.digest
    assert [(done, total) for done, total, _ in calls] == [(0, 4), (3, 4), (4, 4)]
    assert calls[-1][2].endswith(" events/s")


def test_more_events_extend_the_sample(store, small_blocks, tmp_path) -> None:
    longer = make(tmp_path / "longer", n_events=5)
    assert [event.number for event in longer] == [0, 1, 2, 3, 4]
    for event, same in zip(store, longer, strict=False):
        assert event.features.tobytes() == same.features.tobytes()
        assert event.targets.tobytes() == same.targets.tobytes()
    assert longer.digest != store.digest


def test_an_event_follows_from_its_number_not_from_its_block(
    store, small_blocks, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(generation, "BLOCK", 2)
    assert contents(make(tmp_path / "events")) == contents(store)


def test_the_manifest_says_how_the_events_were_made(store) -> None:
    manifest = store.manifest
    assert (manifest["process"], manifest["n_events"], manifest["pileup"]) == ("ttbar", 4, 0.0)
    assert manifest["n_elements"] == store.element_counts.sum()
    settings = manifest["settings"]
    assert settings["seed"] == 11
    assert settings["pool_size"] == 0  # no pile-up: no pool was made
    assert "Top:gg2ttbar = on" in settings["pythia"]
    assert settings["pythia_version"].startswith("8.")
    assert settings["detector"]["field_tesla"] == 3.8
    store.verify()


def test_events_look_like_ttbar(store) -> None:
    assert 60 < store.element_counts.mean() < 300
    for event in store:
        assert len(event.generator_jets) >= 2
        assert (event.targets[:, 0] > 0).mean() > 0.5
        assert event.candidates is not None


def test_pile_up_adds_to_the_same_collisions(store, small_blocks, tmp_path, monkeypatch) -> None:
    # Without diffraction, whose tables take some fifteen seconds.
    monkeypatch.setitem(PROCESSES, "minimum_bias", ("SoftQCD:nonDiffractive = on",))
    busy = make(tmp_path / "busy", n_events=2, pileup=4.0)
    assert (busy.element_counts > store.element_counts[:2]).all()
    settings = busy.manifest["settings"]
    assert (settings["pool_size"], settings["pool_mean_uses"]) == (30, pytest.approx(2 * 4 / 30))
    assert settings["pythia_minimum_bias"][-1] == "SoftQCD:nonDiffractive = on"
    assert (busy[0].pileup, busy[0].process) == (4.0, "ttbar")
    pools = tmp_path / "pools"
    for name in ("kept", "again"):  # made, then found
        assert contents(make(tmp_path / name, n_events=2, pileup=4.0, pools=pools)) == contents(busy)


class StoppedError(Exception):
    """Raised by a progress bar, in the middle of a generation."""


def stop(done: int, total: int, note: str) -> None:
    if done:
        raise StoppedError


def test_a_sample_is_written_whole_or_not_at_all(small_blocks, tmp_path) -> None:
    path = tmp_path / "events"
    with pytest.raises(StoppedError):
        make(path, progress=stop)
    assert [entry.name for entry in tmp_path.iterdir()] == [".events.work"]


def test_an_interrupted_generation_goes_on(store, small_blocks, tmp_path, monkeypatch) -> None:
    path = tmp_path / "events"
    with pytest.raises(StoppedError):
        make(path, progress=stop)
    made: list[range] = []

    def make_block(where: Path, numbers: range, *rest) -> None:
        made.append(numbers)
        blocks.make_block(where, numbers, *rest)

    monkeypatch.setattr(generation, "make_block", make_block)
    assert contents(make(path)) == contents(store)
    assert made == [range(3, 4)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["events"]


def test_blocks_that_are_damaged_or_of_other_settings_are_made_again(store, small_blocks, tmp_path) -> None:
    path = tmp_path / "events"
    with pytest.raises(StoppedError):
        make(path, progress=stop, seed=12)
    with pytest.raises(StoppedError):
        make(path, progress=stop)
    (features,) = (tmp_path / ".events.work").rglob("features.npy")  # those of seed 12 are gone
    content = bytearray(features.read_bytes())
    content[-1] ^= 1
    features.write_bytes(content)
    assert contents(make(path)) == contents(store)


def test_only_one_process_makes_a_store(small_blocks, tmp_path) -> None:
    def make_too(*_: object) -> None:
        with pytest.raises(BusyError, match="another process is making this store"):
            make(tmp_path / "events")

    make(tmp_path / "events", n_events=1, progress=make_too)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"process": "minimum_bias"}, "no process 'minimum_bias'; there are: gun-.*, qcd, ttbar"),
        ({"process": "ttbr"}, r"did you mean ttbar"),
        ({"n_events": 0}, "at least one"),
        ({"pileup": -1.0}, r"events\.pileup"),
        ({"pileup": np.nan}, r"events\.pileup"),
        ({"pileup": 50.0}, r"minimum_bias_pool: 30 .* at least 121"),
        ({"workers": 0}, r"events\.workers"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(tmp_path, changed, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(tmp_path / "events", **changed)
    assert not list(tmp_path.iterdir())
