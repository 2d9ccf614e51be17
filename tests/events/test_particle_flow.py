"""The rule-based candidates: Delphes' energy flow, tower by tower."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.events.calorimeter import ECAL, HCAL
from mlpf_hpo.events.particle_flow import energy_flow, track_particles
from mlpf_hpo.events.schema import N_FEATURES
from mlpf_hpo.events.towers import Towers, read_out
from mlpf_hpo.events.tracker import Tracks
from tests.events.single import deposits_of, streams, tracks_of

ETA, PHI = 0.9, 0.8


def test_tracks_become_charged_candidates(make_particles) -> None:
    particles = make_particles([211, 11, -13] * 20, 30.0, 0.3, np.linspace(-3, 3, 60))
    tracks = tracks_of(particles, seed=0)
    table = track_particles(tracks.features, np.ones(len(tracks.particle)))
    pid = np.abs(particles.pid[tracks.particle])
    assert (table[:, 0] == np.select([pid == 211, pid == 11, pid == 13], [1, 4, 5])).all()
    assert table[:, 1:6] == pytest.approx(tracks.features[:, [9, 1, 2, 3, 4]])
    mass = np.select([pid == 211, pid == 11, pid == 13], [0.13957, 0.000511, 0.10566])
    assert table[:, 6] == pytest.approx(np.sqrt(tracks.features[:, 5] ** 2 + mass**2))
    assert table[:, 6] == pytest.approx(track_particles(tracks.features)[:, 6])


def test_a_factor_changes_momenta_alone(make_particles) -> None:
    tracks = tracks_of(make_particles([211] * 20, 30.0, 0.3, np.linspace(-3, 3, 20)), seed=0)
    ones = np.ones(len(tracks.particle))
    before, after = track_particles(tracks.features, ones), track_particles(tracks.features, 0.5 * ones)
    assert (after[:, [0, 1, 3, 4, 5]] == before[:, [0, 1, 3, 4, 5]]).all()
    assert after[:, 2] == pytest.approx(before[:, 2] / 2)
    assert after[:, 6] == pytest.approx(np.hypot(tracks.features[:, 5] / 2, 0.13957))


def one_tower(
    make_particles, energy: float, momenta: list[float], resolution: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the flow makes of an HCAL tower that measured `energy`, and of tracks that point to it."""
    n = len(momenta)
    particles = make_particles([211] * n + [130], 300.0, ETA, PHI)  # stiff: all into the same tower
    deposits = deposits_of(particles, HCAL)
    assert len(deposits.number) == 1
    of_tower, of_tracks = np.zeros((1, N_FEATURES)), np.zeros((n, N_FEATURES))
    of_tower[0, [0, 2, 3, 4, 5]] = 1, ETA, np.sin(PHI), np.cos(PHI), energy
    of_tracks[:, 5] = momenta
    tracks = Tracks(np.arange(n), of_tracks, np.full(n, resolution))
    energies = np.array([energy])
    seen = np.flatnonzero(energies)
    sigma = HCAL.sigma(np.maximum(energies, 5.0), np.array([ETA]))  # below threshold, 5 GeV were measured
    towers = Towers(energies, sigma, seen, of_tower[seen])
    return energy_flow(HCAL, deposits, towers, tracks, track_particles(tracks.features)[:, 6], pid=2)


@pytest.mark.parametrize(
    ("energy", "momenta", "excess"),
    [
        (50.0, [], 50.0),  # no track: all of it
        (100.0, [30.0, 11.0], 59.0),  # sigma is 16 GeV: an excess of 3.6 of them
        (100.0, [68.0], 32.0),  # 2.01 sigma
        (100.0, [70.0], 0.0),  # 1.89 sigma
        (50.0, [60.0], 0.0),  # the track explains more than there is
    ],
)
def test_a_significant_excess_becomes_a_neutral_candidate(
    make_particles, energy: float, momenta: list[float], excess: float
) -> None:
    neutral, factor = one_tower(make_particles, energy, momenta, resolution=0.02)
    if excess == 0.0:
        assert neutral.tolist() == [[0.0] * 7]
        return
    expected = [2, 0, excess / np.cosh(ETA), ETA, np.sin(PHI), np.cos(PHI), excess]
    assert neutral[0] == pytest.approx(expected, rel=1e-3)
    assert factor.tolist() == [1.0] * len(momenta)


def test_the_uncertainty_of_the_tracks_counts(make_particles) -> None:
    # As above, where tracks of 2 % leave an excess of 3.6 sigma; 50 % of 41 GeV make it 2.3, 80 % 1.7.
    for resolution, expected in ((0.5, 59.0), (0.8, 0.0)):
        neutral, _ = one_tower(make_particles, 100.0, [41.0], resolution)
        assert neutral[0, 6] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("energy", "momenta"), [(40.0, [30.0, 15.0]), (40.0, [60.0]), (0.0, [9.0])])
def test_otherwise_the_tracks_share_the_weighted_mean(
    make_particles, energy: float, momenta: list[float]
) -> None:
    resolution = 0.3
    neutral, factor = one_tower(make_particles, energy, momenta, resolution)
    assert (neutral == 0).all()
    energies = np.hypot(momenta, 0.13957)
    tracks, variance = energies.sum(), (resolution**2 * energies**2).sum()
    calorimeter = 0.05**2 * max(energy, 5.0) ** 2 + 1.5**2 * max(energy, 5.0)
    mean = (tracks / variance + energy / calorimeter) / (1 / variance + 1 / calorimeter)
    assert factor == pytest.approx(np.full(len(momenta), mean / tracks))


def test_each_calorimeter_corrects_its_own_tracks(make_particles) -> None:
    particles = make_particles([11, 211, 13] * 20, 40.0, np.linspace(-1.4, 1.4, 60), np.linspace(-3, 3, 60))
    tracks = tracks_of(particles, seed=2)
    kind = np.abs(particles.pid[tracks.particle])
    for calorimeter, pid in ((ECAL, 11), (HCAL, 211)):
        deposits = deposits_of(particles, calorimeter)
        towers = read_out(calorimeter, deposits, particles, streams(3))
        _, factor = energy_flow(
            calorimeter, deposits, towers, tracks, track_particles(tracks.features)[:, 6], pid=3
        )
        assert (factor[kind != pid] == 1.0).all()
        assert (factor[kind == pid] != 1.0).mean() > 0.5


def test_the_flow_improves_on_the_tracks(make_particles) -> None:
    # Electrons beyond |eta| 1.5 have tracks of 20 %, the ECAL there measures them to 3 %. They are far enough
    # apart for each to have a tower of its own: tracks that share one keep their ratio.
    n = 100
    particles = make_particles([11, -11] * (n // 2), 40.0, 2.0, np.linspace(-3.1, 3.1, n))
    tracks = tracks_of(particles, seed=4)
    deposits = deposits_of(particles, ECAL)
    towers = read_out(ECAL, deposits, particles, streams(5))
    _, factor = energy_flow(ECAL, deposits, towers, tracks, track_particles(tracks.features)[:, 6], pid=3)
    true = particles.momentum[tracks.particle, 3]
    before, after = (
        track_particles(tracks.features)[:, 6] / true,
        track_particles(tracks.features, factor)[:, 6] / true,
    )
    shared = factor != 1.0
    assert shared.mean() > 0.6
    assert np.std(after[shared]) < 0.4 * np.std(before[shared])
    assert np.mean(after[shared]) == pytest.approx(1.0, abs=0.02)
