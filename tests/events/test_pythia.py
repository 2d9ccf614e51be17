"""Pythia: settings, silence, and events that follow from their own number."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.sources.pythia import SEEDS, event_seed, generate_particles, pythia_version, save_tables

pytest.importorskip("pythia8mc")


def the_same(one: Particles, other: Particles) -> bool:
    fields = ("pid", "charge", "momentum", "vertex")
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in fields)


@pytest.fixture(scope="module")
def ttbar() -> list[Particles]:
    return list(generate_particles("ttbar", seed=5, numbers=range(6)))


def test_an_event_alone_equals_the_event_after_others(ttbar: list[Particles]) -> None:
    alone, before = generate_particles("ttbar", seed=5, numbers=[4, 1])
    assert the_same(alone, ttbar[4])
    assert the_same(before, ttbar[1])


def test_events_differ_from_each_other_and_with_the_seed(ttbar: list[Particles]) -> None:
    assert len({event.momentum.tobytes() for event in ttbar}) == 6
    other = next(generate_particles("ttbar", seed=6, numbers=[0]))
    assert not the_same(other, ttbar[0])


def test_collisions_conserve_what_collisions_conserve(ttbar: list[Particles]) -> None:
    for event in ttbar:
        assert event.momentum[:, :3].sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-2)
        assert event.momentum[:, 3].sum() == pytest.approx(14_000, abs=1e-2)
        assert event.charge.sum() == pytest.approx(2)


def test_particles_are_stable_ones_in_metres(ttbar: list[Particles]) -> None:
    pid = np.concatenate([np.abs(event.pid) for event in ttbar])
    assert not np.isin(pid, [111, 15, 411, 511, 6, 24]).any()
    assert np.isin([22, 211, 310, 3122], pid).all()  # K_S and Lambda live longer than 10 mm
    start = np.concatenate([np.hypot(event.vertex[:, 0], event.vertex[:, 1]) for event in ttbar])
    assert 0 < start.max() < 0.5
    assert np.median(start) < 1e-3


def test_nothing_is_printed(capfd) -> None:
    next(generate_particles("qcd", seed=1, numbers=[0]))
    assert capfd.readouterr() == ("", "")


def test_a_block_from_saved_tables_is_always_the_same(tmp_path, monkeypatch) -> None:
    # Without diffraction, whose tables take some fifteen seconds.
    monkeypatch.setattr(
        "mlpf_hpo.events.sources.pythia.PROCESSES", {"minimum_bias": ("SoftQCD:nonDiffractive = on",)}
    )
    tables = tmp_path / "a folder" / "tables"
    tables.parent.mkdir()
    save_tables("minimum_bias", tables)
    assert tables.stat().st_size > 100
    one, other = (list(generate_particles("minimum_bias", 3, range(5), tables)) for _ in range(2))
    assert all(map(the_same, one, other))
    assert 20 < np.mean([len(event) for event in one]) < 800


def test_no_two_events_of_a_sample_share_a_seed() -> None:
    seeds = [event_seed("ttbar", 42, number) for number in range(50_000)]
    assert len(set(seeds)) == 50_000
    assert min(seeds) >= 1
    assert max(seeds) <= SEEDS
    assert event_seed("ttbar", 42, 0) != event_seed("qcd", 42, 0)


def test_an_unknown_process_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no process 'ttbr'.*did you mean ttbar"):
        next(generate_particles("ttbr", seed=1, numbers=[0]))


def test_a_setting_that_pythia_does_not_know_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("mlpf_hpo.events.sources.pythia.PROCESSES", {"qcd": ("HardQCD:everything = on",)})
    with pytest.raises(ConfigurationError, match="HardQCD:everything"):
        next(generate_particles("qcd", seed=1, numbers=[0]))


def test_without_pythia_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'mlpf_hpo\[generate\]'"):
        next(generate_particles("qcd", seed=1, numbers=[0]))


def test_version() -> None:
    assert pythia_version().startswith("8.")
