"""The rule-based candidates."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.events.calorimeter import HCAL
from mlpf_hpo.events.particle_flow import tower_candidates, track_candidates, track_energy
from mlpf_hpo.events.propagation import propagate
from mlpf_hpo.events.schema import N_FEATURES
from mlpf_hpo.events.towers import Towers, deposit
from mlpf_hpo.events.tracker import Tracks, measure_tracks


def test_tracks_become_charged_candidates(make_particles) -> None:
    particles = make_particles([211, 11, -13] * 20, 30.0, 0.3, np.linspace(-3, 3, 60))
    position = propagate(particles.charge, particles.momentum, particles.vertex)
    tracks = measure_tracks(particles, position, np.random.default_rng(0))
    table = track_candidates(tracks)
    pid = np.abs(particles.pid[tracks.particle])
    assert (table[:, 0] == np.select([pid == 211, pid == 11, pid == 13], [1, 4, 5])).all()
    assert table[:, 1:6] == pytest.approx(tracks.features[:, [9, 1, 2, 3, 4]])
    mass = np.select([pid == 211, pid == 11, pid == 13], [0.13957, 0.000511, 0.10566])
    assert table[:, 6] == pytest.approx(np.sqrt(tracks.features[:, 5] ** 2 + mass**2))


@pytest.mark.parametrize(
    ("tower_energy", "track_energies", "expected"),
    [
        (50.0, [0.0, 0.0], 50.0),  # no track: all of it
        (50.0, [30.0, 0.0], 20.0),  # the excess
        (50.0, [30.0, 11.5], 0.0),  # an excess of 8.5 GeV the HCAL would not read out
        (50.0, [30.0, 40.0], 0.0),  # the tracks explain more than there is
    ],
)
def test_an_excess_beyond_threshold_becomes_a_neutral_candidate(
    make_particles, tower_energy: float, track_energies: list[float], expected: float
) -> None:
    eta, phi = 0.9, 0.8
    particles = make_particles([211, 211], 300.0, eta, phi)
    position = propagate(particles.charge, particles.momentum, particles.vertex)
    deposits = deposit(HCAL, position, np.ones(2))
    assert len(deposits.number) == 1
    features = np.zeros((1, N_FEATURES))
    features[0, [0, 2, 3, 4, 5]] = 1, eta, np.sin(phi), np.cos(phi), tower_energy
    towers = Towers(tower=np.array([0]), features=features)
    row = tower_candidates(HCAL, deposits, towers, np.array(track_energies), pid=2)[0]
    if expected == 0.0:
        assert row.tolist() == [0.0] * 7
    else:
        assert row == pytest.approx([2, 0, expected / np.cosh(eta), eta, np.sin(phi), np.cos(phi), expected])


def test_tracks_explain_the_share_of_their_calorimeter(make_particles) -> None:
    particles = make_particles([310, 211], 100.0, 0.9, 0.8)
    tracks = Tracks(particle=np.array([1]), features=np.zeros((1, N_FEATURES)))
    energy = track_energy(tracks, np.full((1, 7), 40.0), 2)
    assert energy.tolist() == [0.0, 40.0]
    position = propagate(particles.charge, particles.momentum, particles.vertex)
    position[0] = position[1]  # into the same tower
    deposits = deposit(HCAL, position, np.array([0.7, 0.5]))
    features = np.zeros((1, N_FEATURES))
    features[0, 5] = 60.0
    towers = Towers(tower=np.array([0]), features=features)
    assert tower_candidates(HCAL, deposits, towers, energy, pid=2)[0, 6] == pytest.approx(60.0 - 20.0)
