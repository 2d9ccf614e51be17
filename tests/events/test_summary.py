"""The summary of a store against counts by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mlpf_hpo.events.schema import TOWER, TRACK, Event
from mlpf_hpo.events.store import write_store
from mlpf_hpo.events.summary import element_kinds, summarise


def event_of(make_event, kinds: list[str], classes: list[int], number: int = 0) -> Event:
    event = make_event(len(kinds), number=number, jets=number)
    event.features[:] = 0.0
    for row, kind in zip(event.features, kinds, strict=True):
        row[0] = TRACK if kind == "track" else TOWER
        row[6:8] = {"ecal": (3.0, 0.0), "hcal": (0.0, 3.0), "track": (0.1, -0.1)}[kind]
    event.targets[:, 0] = classes
    event.candidates[:, 0] = 3
    return event


def test_a_summary_counts(make_event, tmp_path) -> None:
    events = [
        event_of(make_event, ["track", "track", "ecal", "hcal"], [1, 5, 3, 0]),
        event_of(make_event, ["track", "ecal"], [1, 0], number=3),
    ]
    assert element_kinds(events[0]).tolist() == [0, 0, 1, 2]
    told = summarise(write_store(tmp_path / "store", events, {}))
    assert (told.n_looked_at, told.elements_mean, told.elements_width) == (2, 3.0, 1.0)
    assert told.elements_range == (2, 4)
    assert told.kinds == {
        "track": 0.5,
        "ECAL tower": pytest.approx(1 / 3),
        "HCAL tower": pytest.approx(1 / 6),
    }
    assert told.without_target == pytest.approx(1 / 3)
    assert told.targets == {
        "charged hadron": 1.0,
        "neutral hadron": 0.0,
        "photon": 0.5,
        "electron": 0.0,
        "muon": 0.5,
    }
    assert told.candidates["photon"] == 3.0
    assert told.jets_mean == 1.5
    assert told.n_bytes == sum(f.stat().st_size for f in (tmp_path / "store").glob("*.npy"))


def test_what_is_not_known_is_not_told(make_event, tmp_path) -> None:
    event = event_of(make_event, ["track"], [1])
    bare = dataclasses.replace(event, candidates=None, generator_jets=None, generator_met=None)
    told = summarise(write_store(tmp_path / "store", [bare], {}))
    assert told.candidates == {}
    assert told.jets_mean is None


def test_a_large_store_is_sampled_evenly(make_event, tmp_path) -> None:
    events = [event_of(make_event, ["track"], [1 if i < 50 else 2], number=i) for i in range(100)]
    told = summarise(write_store(tmp_path / "store", events, {}), max_events=10)
    assert told.n_looked_at == 10
    assert told.targets["charged hadron"] == told.targets["neutral hadron"] == 0.5
    assert np.isclose(told.elements_mean, 1.0)
