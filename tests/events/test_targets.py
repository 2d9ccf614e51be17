"""Target rules, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.events.targets import (
    CHARGED_HADRON,
    ELECTRON,
    MUON,
    NEUTRAL_HADRON,
    NONE,
    PHOTON,
    classes,
    tower_targets,
    track_targets,
)


def tower(particles, linked=None) -> np.ndarray:
    linked = np.arange(len(particles)) if linked is None else np.asarray(linked)
    return tower_targets(particles, linked, np.zeros(len(linked), dtype=np.int64), 1)[0]


def test_pids_are_those_of_the_public_dataset() -> None:
    assert (NONE, CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON) == (0, 1, 2, 3, 4, 5)


def test_particles_outside_the_known_ids_go_by_their_charge() -> None:
    pid = np.array([3112, 3122, 310, 22, 11, -13, 3334])
    charge = np.array([-1.0, 0.0, 0.0, 0.0, -1.0, 1.0, -1.0])
    expected = [
        CHARGED_HADRON,
        NEUTRAL_HADRON,
        NEUTRAL_HADRON,
        PHOTON,
        ELECTRON,
        MUON,
        CHARGED_HADRON,
    ]
    assert classes(pid, charge).tolist() == expected


def test_a_track_s_target_is_its_particle_with_the_charge_of_the_pdg(make_particles) -> None:
    particles = make_particles([11, -11, 13, 211, -211], [1.0, 2.0, 3.0, 4.0, 5.0], 0.5, 0.3)
    table = track_targets(particles, np.array([0, 1, 2, 3, 4]))
    assert table[:, 0].tolist() == [ELECTRON, ELECTRON, MUON, CHARGED_HADRON, CHARGED_HADRON]
    assert table[:, 1].tolist() == [-1, 1, -1, 1, -1]
    assert table[:, 2] == pytest.approx([1, 2, 3, 4, 5])
    assert table[:, 3] == pytest.approx(0.5)
    assert table[:, 4] == pytest.approx(np.sin(0.3))
    assert table[:, 5] == pytest.approx(np.cos(0.3))
    assert table[:, 6] == pytest.approx(particles.momentum[:, 3])


def test_a_tower_s_target_is_the_sum_of_its_particles(make_particles) -> None:
    particles = make_particles([22, 22, 130], [8.0, 5.0, 2.0], [1.0, 1.01, 0.99], [0.30, 0.31, 0.29])
    found = tower(particles)
    px, py, pz, energy = particles.momentum.sum(axis=0)
    assert found[0] == PHOTON
    assert found[1] == 0
    assert found[2] == pytest.approx(np.hypot(px, py))
    assert found[3] == pytest.approx(np.arcsinh(pz / np.hypot(px, py)))
    assert np.arctan2(found[4], found[5]) == pytest.approx(np.arctan2(py, px))
    assert found[6] == pytest.approx(energy)


def test_particles_with_a_track_do_not_count(make_particles) -> None:
    particles = make_particles([211, 22], [50.0, 5.0], 0.2)
    found = tower(particles, linked=[1])
    assert found[0] == PHOTON
    assert found[6] == pytest.approx(particles.momentum[1, 3])
    assert tower_targets(particles, np.array([], int), np.array([], int), 1).tolist() == [[0.0] * 7]


def test_the_class_is_that_with_the_largest_sum_of_energies(make_particles) -> None:
    # Two photons together outweigh the charged hadron that is the most energetic particle.
    assert tower(make_particles([211, 22, 22], [10.0, 6.0, 6.0], 0.1))[0] == PHOTON
    assert tower(make_particles([211, 22, 22], [10.0, 4.0, 4.0], 0.1))[0] == CHARGED_HADRON
    assert tower(make_particles([11, 22], [10.0, 4.0], 0.1))[0] == ELECTRON
    assert tower(make_particles([130, 211], [20.0, 15.0], 0.1))[0] == NEUTRAL_HADRON


def test_the_charge_is_that_of_the_leading_particle_of_the_class(make_particles) -> None:
    assert tower(make_particles([-211, 211], [10.0, 9.0], 0.1))[1] == -1
    assert tower(make_particles([-11, 11], [10.0, 9.0], 0.1))[1] == 1
    assert tower(make_particles([211, -11, -11], [10.0, 9.0, 8.0], 0.1))[:2].tolist() == [ELECTRON, 1]
    assert tower(make_particles([22, 211], [10.0, 9.0], 0.1))[1] == 0


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_charged_hadron_beyond_the_tracker_is_a_neutral_hadron(make_particles, sign: int) -> None:
    inside = tower(make_particles([211], 10.0, 2.49 * sign))
    outside = tower(make_particles([211], 10.0, 2.51 * sign))
    assert inside[:2].tolist() == [CHARGED_HADRON, 1]
    assert outside[:2].tolist() == [NEUTRAL_HADRON, 0]
    assert outside[2] == pytest.approx(10.0)


def test_a_neutral_hadron_below_9_gev_is_not_asked_for(make_particles) -> None:
    def kaon(energy: float) -> np.ndarray:
        return tower(make_particles([130], np.sqrt(energy**2 - 0.49761**2), 0.0))

    assert kaon(8.99).tolist() == [0.0] * 7
    assert kaon(9.01)[0] == NEUTRAL_HADRON


def test_a_soft_charged_hadron_beyond_the_tracker_is_not_asked_for(make_particles) -> None:
    assert tower(make_particles([211], 8.9 / np.cosh(3.0), 3.0)).tolist() == [0.0] * 7
    assert tower(make_particles([211], 8.9 / np.cosh(2.0), 2.0))[0] == CHARGED_HADRON


def test_a_soft_photon_is_asked_for(make_particles) -> None:
    assert tower(make_particles([22], 1.0, 0.0))[0] == PHOTON


def test_towers_are_kept_apart(make_particles) -> None:
    particles = make_particles([22, 130, 211, -211], [3.0, 30.0, 5.0, 6.0], 0.5)
    table = tower_targets(particles, np.array([0, 1, 2, 3, 1]), np.array([2, 0, 2, 3, 3]), 4)
    assert table[:, 0].tolist() == [NEUTRAL_HADRON, NONE, CHARGED_HADRON, NEUTRAL_HADRON]
    assert table[:, 1].tolist() == [0, 0, 1, 0]
    # A particle with deposits in two towers counts in full in both.
    energy = particles.momentum[:, 3]
    assert table[:, 6] == pytest.approx([energy[1], 0, energy[0] + energy[2], energy[3] + energy[1]])
