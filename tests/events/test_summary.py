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
    assert element_kinds(events[0].features).tolist() == [0, 0, 1, 2]
    summary = summarise(write_store(tmp_path / "store", events, {}))
    assert (summary.n_looked_at, summary.elements_mean, summary.elements_width) == (2, 3.0, 1.0)
    assert summary.elements_range == (2, 4)
    assert summary.kinds == {
        "track": 0.5,
        "ECAL tower": pytest.approx(1 / 3),
        "HCAL tower": pytest.approx(1 / 6),
    }
    assert summary.without_target == pytest.approx(1 / 3)
    per_event = {name: particles.per_event for name, particles in summary.targets.items()}
    assert per_event == {
        "charged hadron": 1.0,
        "neutral hadron": 0.0,
        "photon": 0.5,
        "electron": 0.0,
        "muon": 0.5,
    }
    assert summary.candidates["photon"].per_event == 3.0
    assert summary.jets_mean == 1.5
    assert summary.n_bytes == sum(f.stat().st_size for f in (tmp_path / "store").glob("*.npy"))


def test_missing_columns_have_no_numbers(make_event, tmp_path) -> None:
    event = event_of(make_event, ["track"], [1])
    bare = dataclasses.replace(event, candidates=None, generator_jets=None, generator_met=None)
    summary = summarise(write_store(tmp_path / "store", [bare], {}))
    assert summary.candidates == summary.responses == {}
    assert summary.jets_mean is None


def test_a_large_store_is_sampled_evenly(make_event, tmp_path) -> None:
    events = [event_of(make_event, ["track"], [1 if i < 50 else 2], number=i) for i in range(100)]
    summary = summarise(write_store(tmp_path / "store", events, {}), max_events=10)
    assert summary.n_looked_at == 10
    assert summary.targets["charged hadron"].per_event == summary.targets["neutral hadron"].per_event == 0.5
    assert np.isclose(summary.elements_mean, 1.0)


def test_spectra_and_responses_are_of_each_class(make_event, tmp_path) -> None:
    event = event_of(make_event, ["track"] * 24, [1] * 21 + [2, 0, 4])
    event.targets[:, 2] = np.arange(1, 25)
    event.candidates[:, 0] = [1] * 11 + [2] * 10 + [2, 1, 4]
    event.candidates[:, 2] = 2 * event.targets[:, 2]
    event.candidates[0, 2] = 0.0
    summary = summarise(write_store(tmp_path / "store", [event], {}))
    assert summary.targets["charged hadron"].pt == pytest.approx((2.0, 11.0, 20.0))
    assert summary.targets["electron"].pt == (24.0, 24.0, 24.0)
    assert np.isnan(summary.targets["photon"].pt).all()
    assert summary.candidates["neutral hadron"].pt[1] == pytest.approx(2 * np.median([*range(12, 22), 22]))
    assert summary.responses["charged hadron"] == pytest.approx((1.0, 2.0, 2.0)), (
        "11 of its candidates, one at 0"
    )
    assert summary.responses["neutral hadron"] == (2.0, 2.0, 2.0)
    assert np.isnan(summary.responses["muon"]).all()
