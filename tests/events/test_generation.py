"""Samples from a seed: the same bytes for any number of processes, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events import generation
from mlpf_hpo.events.generation import generate_store
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
        patch.setattr(generation, "POOL_BLOCK", 16)
        yield patch


@pytest.fixture(scope="module")
def store(small_blocks, tmp_path_factory) -> EventStore:
    return make(tmp_path_factory.mktemp("one") / "events")


def contents(store: EventStore) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(store.path.iterdir())}


def test_two_processes_make_the_same_bytes(store, small_blocks, tmp_path) -> None:
    told: list[tuple[int, int]] = []
    other = make(tmp_path / "two", workers=2, progress=lambda done, total: told.append((done, total)))
    assert contents(other) == contents(store)
    assert other.digest == store.digest
    assert told == [(3, 4), (4, 4)]


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
    processes = {**generation.PROCESSES, "minimum_bias": ("SoftQCD:nonDiffractive = on",)}
    monkeypatch.setattr("mlpf_hpo.events.pythia.PROCESSES", processes)
    busy = make(tmp_path / "busy", n_events=2, pileup=4.0)
    assert (busy.element_counts > store.element_counts[:2]).all()
    assert busy.manifest["settings"]["pool_size"] == 30
    assert (busy[0].pileup, busy[0].process) == (4.0, "ttbar")
    again = make(tmp_path / "again", n_events=2, pileup=4.0)
    assert contents(again) == contents(busy)


def test_a_sample_is_written_whole_or_not_at_all(store, small_blocks, tmp_path) -> None:
    path = tmp_path / "events"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(path, process="qcd", progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"process": "minimum_bias"}, "no process 'minimum_bias'; there are ttbar and qcd"),
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
    assert not (tmp_path / "events").exists()
