"""Tracks: the card's tables, and what is measured at modest statistics."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.events.tracker import efficiency, pt_resolution
from tests.events.single import impact, tracks_of

N = 20_000


@pytest.mark.parametrize(
    ("pid", "pt", "barrel", "end_cap"),
    [
        (211, 0.1, 0.0, 0.0),
        (211, 0.5, 0.70, 0.60),
        (-321, 1.0, 0.70, 0.60),
        (2212, 1.001, 0.95, 0.85),
        (11, 0.9, 0.73, 0.50),
        (-11, 100.0, 0.95, 0.83),
        (11, 100.1, 0.99, 0.90),
        (13, 1.0, 0.75, 0.70),
        (-13, 900.0, 0.99, 0.98),
        (13, 1500.0, 0.99 * np.exp(-0.25), 0.98 * np.exp(-0.25)),
    ],
)
def test_efficiency_table(pid: int, pt: float, barrel: float, end_cap: float) -> None:
    eta = np.array([0.0, -1.5, 1.5001, -2.5, 2.5001, 4.0, np.nan])
    found = efficiency(np.full(7, pid), np.full(7, pt), eta)
    assert found == pytest.approx([barrel, barrel, end_cap, end_cap, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("pid", "constant", "slope"),
    [
        (-211, (0.06, 0.10, 0.25), (1.3e-3, 1.7e-3, 3.1e-3)),
        (11, (0.03, 0.05, 0.15), (1.3e-3, 1.7e-3, 3.1e-3)),
        (-13, (0.01, 0.015, 0.025), (1.0e-4, 1.5e-4, 3.5e-4)),
    ],
)
def test_resolution_table(pid: int, constant: tuple[float, ...], slope: tuple[float, ...]) -> None:
    eta, region = np.array([0.0, 0.5, -0.51, 1.5, 1.51, -2.5]), [0, 0, 1, 1, 2, 2]
    for pt in (1.0, 80.0):
        expected = [np.sqrt(constant[i] ** 2 + (slope[i] * pt) ** 2) for i in region]
        assert pt_resolution(np.full(6, pid), np.full(6, pt), eta) == pytest.approx(expected)


def test_the_resolution_is_bounded() -> None:
    # As in Delphes: beyond |eta| 1.5 sqrt(.25^2 + (3.1e-3 pt)^2) passes 1 at 312 GeV.
    found = pt_resolution(np.full(2, 211), np.array([312.0, 1000.0]), np.full(2, 2.0))
    assert found == pytest.approx([np.hypot(0.25, 3.1e-3 * 312.0), 1.0])


@pytest.mark.parametrize(
    ("pid", "pt", "eta", "probability", "width"),
    [
        (211, 10.0, 0.3, 0.95, np.hypot(0.06, 0.013)),
        (-211, 40.0, -1.0, 0.95, np.hypot(0.10, 0.068)),
        (211, 20.0, 2.0, 0.85, np.hypot(0.25, 0.062)),
        (11, 5.0, 2.0, 0.83, np.hypot(0.15, 0.0155)),
        (-13, 100.0, 0.1, 0.99, np.hypot(0.01, 0.01)),
    ],
)
def test_measured_tracks_have_the_card_s_efficiency_and_widths(
    make_particles, pid: int, pt: float, eta: float, probability: float, width: float
) -> None:
    particles = make_particles([pid] * N, pt, eta, 0.4)
    tracks = tracks_of(particles, seed=3)
    n = len(tracks.particle)
    assert n / N == pytest.approx(probability, abs=5 * np.sqrt(probability * (1 - probability) / N))
    f = tracks.features
    relative = f[:, 1] / pt
    assert relative.mean() == pytest.approx(1.0, abs=5 * width / np.sqrt(n))
    assert relative.std() == pytest.approx(width, rel=0.05)
    # Log-normal: the logarithm is symmetric, of width sqrt(log(1 + width^2)).
    logarithm = np.log(relative)
    assert logarithm.std() == pytest.approx(np.sqrt(np.log1p(width**2)), rel=0.03)
    assert np.mean((logarithm - logarithm.mean()) ** 3) / logarithm.std() ** 3 == pytest.approx(0, abs=0.1)
    assert np.std(f[:, 2]) == pytest.approx(0.01, rel=0.03)
    assert np.mean(f[:, 2]) == pytest.approx(eta, abs=5e-4)
    assert np.std(np.arctan2(f[:, 3], f[:, 4])) == pytest.approx(0.01, rel=0.03)
    assert np.mean(np.arctan2(f[:, 3], f[:, 4])) == pytest.approx(0.4, abs=5e-4)


def test_columns_of_a_track(make_particles) -> None:
    particles = make_particles([11, -13, 211], [20.0, 30.0, 40.0], [0.5, -1.0, 0.2], [0.3, 1.0, -2.0])
    _, outer_eta, outer_phi = impact(particles)
    for seed in range(20):
        tracks = tracks_of(particles, seed)
        if len(tracks.particle) == 3:
            break
    f = tracks.features
    assert f[:, 0] == pytest.approx(2)
    assert f[:, 5] == pytest.approx(f[:, 1] * np.cosh(f[:, 2]))
    assert f[:, 3] ** 2 + f[:, 4] ** 2 == pytest.approx(1)
    assert f[:, 6] == pytest.approx(outer_eta)
    assert np.arctan2(f[:, 7], f[:, 8]) == pytest.approx(outer_phi)
    assert f[:, 9:].tolist() == [[-1, 0, 1], [1, 1, 0], [1, 0, 0]]


def test_efficiency_looks_at_the_position_not_at_the_momentum(make_particles) -> None:
    # At 0.3 GeV a particle of eta 0.5 curls up and leaves through the end.
    particles = make_particles([211] * N, 0.3, 0.5, np.linspace(-3, 3, N))
    _, outer, _ = impact(particles)
    assert (np.abs(outer) > 1.5).all()
    found = len(tracks_of(particles, seed=1).particle)
    expected = 0.60 if abs(outer[0]) <= 2.5 else 0.0
    assert found / N == pytest.approx(expected, abs=0.02)


def test_neutral_particles_and_those_that_never_arrive_leave_no_track(make_particles) -> None:
    particles = make_particles([22, 130, 12, 211], [10.0, 10.0, 10.0, 0.4], [0.5, 0.1, 0.2, 0.0])
    for seed in range(10):
        assert len(tracks_of(particles, seed).particle) == 0
