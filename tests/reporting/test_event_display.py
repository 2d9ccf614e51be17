"""The event display: what it draws, read back from the figure."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mlpf_hpo.events.schema import TOWER, TRACK, Event
from mlpf_hpo.plotting import png
from mlpf_hpo.reporting.event_display import event_display


@pytest.fixture
def event() -> Event:
    features = np.zeros((4, 12), dtype=np.float32)
    #           type   pt   eta  sin  cos
    features[0, :5] = TRACK, 10.0, 0.4, 0.0, 1.0
    features[0, 6:9] = 0.5, 1.0, 0.0  # reaches the calorimeter at eta 0.5, phi pi/2
    features[1, :8] = TOWER, 20.0, -1.0, 0.0, -1.0, 30.0, 30.0, 0.0
    features[2, :8] = TOWER, 40.0, 3.0, 0.0, 1.0, 400.0, 0.0, 400.0
    features[3, :8] = TOWER, 1.0, 2.0, 0.0, 1.0, 4.0, 0.0, 4.0
    targets = np.zeros((4, 7), dtype=np.float32)
    targets[0] = 1, 1, 9.0, 0.4, 0.0, 1.0, 10.0
    targets[1] = 3, 0, 21.0, -1.0, 0.0, -1.0, 30.0
    targets[2] = targets[3] = 2, 0, 42.0, 3.0, 0.0, 1.0, 400.0  # one particle at two elements
    jets = np.array([[50.0, 3.0, 3.1, 1.0], [20.0, -1.0, 0.0, 1.0]], dtype=np.float32)
    return Event(features, targets, targets[:, :].copy(), 7, "ttbar", 0.0, jets, np.zeros(2, np.float32))


def points(axis) -> dict[str, np.ndarray]:
    """Return the markers of an axis by legend entry: rows (eta, phi, area)."""
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    drawn = [c for c in axis.collections if len(c.get_offsets())]
    return {
        label: np.column_stack([np.asarray(c.get_offsets()), c.get_sizes()])
        for label, c in zip(labels, drawn, strict=False)
    }


def test_a_display_shows_elements_truth_and_candidates(event) -> None:
    figure = event_display(event)
    detector, truth, rules = figure.axes
    positions = points(detector)
    hcal, ecal, track = (positions[name] for name in ("HCAL tower (2)", "ECAL tower (1)", "track (1)"))
    assert track[0, :2] == pytest.approx([0.5, np.pi / 2])
    assert ecal[0, :2] == pytest.approx([-1.0, np.pi])
    assert hcal[0, 2] == pytest.approx(2 * ecal[0, 2])  # areas go with ET
    assert "3 particles" in truth.get_title()
    assert "rule-based" in rules.get_title()
    assert "neutral hadron (1)" in [text.get_text() for text in truth.get_legend().get_texts()]
    for axis in figure.axes:
        assert "η" in axis.get_xlabel()
    assert "rad" in detector.get_ylabel()
    assert "PU 0" in figure.get_suptitle()
    assert [text.get_text() for text in truth.texts] == ["50", "20"]
    assert png(figure).startswith(b"\x89PNG")


def test_a_network_s_particles_take_the_candidates_place(event) -> None:
    predicted = event.targets.copy()
    predicted[0, 0] = 0
    figure = event_display(event, predicted, "network")
    assert figure.axes[2].get_title() == "network: 2 particles"


def test_events_with_less_are_drawn_too(event) -> None:
    bare = dataclasses.replace(event, candidates=None, generator_jets=None, generator_met=None)
    assert len(event_display(bare).axes) == 2
    nothing = Event(*(np.zeros((0, n), np.float32) for n in (12, 7, 7)), 0, "qcd", 0.0, None, None)
    assert png(event_display(nothing)).startswith(b"\x89PNG")
