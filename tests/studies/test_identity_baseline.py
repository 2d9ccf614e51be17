"""Identity baseline: the input taken as particles, and the network compared with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.evaluation.collection import collect
from mlpf_hpo.evaluation.physics_validation import validate_reconstruction
from mlpf_hpo.evaluation.sample import momenta
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, write_store
from studies.reference_training.identity_baseline import copy_input, with_identity_baseline

TRACK = [2, 3.0, 1.2, 0.6, 0.8, 3.0 * np.cosh(1.2), 1.3, 0.5, 0.7, -1, 0, 0]
TOWER = [1, 5.0, -0.4, -1.0, 0.0, 5.0 * np.cosh(0.4), 0, 0, 0, 0, 0, 0]


def track(muon: int = 0, electron: int = 0) -> list[float]:
    return [*TRACK[:10], muon, electron]


def tower(em: float, had: float) -> list[float]:
    return [*TOWER[:6], em, had, 0, 0, 0, 0]


def test_every_element_is_what_it_looks_like() -> None:
    features = np.array([track(), track(muon=1), track(electron=1), tower(5, 0), tower(0, 5), tower(2, 3)])
    rows = copy_input(features)
    assert rows[:, 0].tolist() == [1, 5, 4, 3, 2, 2]
    assert rows[:, 1].tolist() == [-1, -1, -1, 0, 0, 0]
    assert rows[:, 2:6] == pytest.approx(features[:, 1:5])
    px, py, pz, energy = momenta(rows).T
    mass = np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0))
    assert mass == pytest.approx([0.13957, 0.10566, 0.000511, 0, 0, 0], abs=1e-5)
    assert energy[3:] == pytest.approx(features[3:, 5])


def test_an_event_may_have_no_tracks_or_nothing_at_all() -> None:
    assert copy_input(np.array([tower(5, 0)])).shape == (1, 7)
    assert copy_input(np.zeros((0, 12))).shape == (0, 7)


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    """Six events: the targets are what the elements look like, the rules find nothing."""
    events = []
    for number in range(6):
        features = np.array([track(), track(muon=1), tower(5, 0), tower(0, 5)], np.float32)
        targets = copy_input(features).astype(np.float32)
        nothing, met = np.zeros((0, 4), np.float32), np.zeros(2, np.float32)
        events.append(Event(features, targets, np.zeros_like(targets), number, "qcd", 0.0, nothing, met))
    return write_store(tmp_path / "store", events, {})


def test_the_copy_takes_the_place_of_the_rules_and_the_network_stays(store: EventStore) -> None:
    pytest.importorskip("fastjet")
    blind = np.zeros((24, 7))
    beside_rules = collect(store, blind)
    sample = with_identity_baseline(beside_rules, store)
    assert beside_rules.reconstructions["ycand"].sum() == 0, "the sample given is left as it was"
    one, other = (
        validate_reconstruction(beside_rules, {}, replicas=10),
        validate_reconstruction(sample, {}, replicas=10),
    )
    for name in ("charged hadron", "neutral hadron", "photon", "muon"):
        (row,) = other.find("efficiency", name)
        assert (row.mlpf.value, row.ycand.value, row.difference.value) == (0.0, 1.0, -1.0)
        assert one.find("efficiency", name)[0].ycand.value == 0.0
