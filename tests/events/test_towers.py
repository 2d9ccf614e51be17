"""Towers: every deposit linked to its particle, energies conserved, read-out as the card says."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.events.calorimeter import ECAL, HCAL, energy_shares
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.towers import read_out
from tests.events.single import deposits_of, impact, streams


@pytest.fixture(scope="module")
def crowd(make_particles) -> Particles:
    """Return particles of all kinds, close enough to share towers."""
    generator = np.random.default_rng(5)
    n = 3000
    pid = generator.choice([22, 211, -211, 130, 310, 11, 13, 12, 2112], n)
    return make_particles(
        pid, generator.exponential(2, n) + 0.2, generator.uniform(-6, 6, n), generator.uniform(0, 1, n)
    )


@pytest.mark.parametrize("calorimeter", [ECAL, HCAL])
def test_the_sum_of_all_deposits_is_the_energy_that_arrives(crowd, calorimeter) -> None:
    deposits = deposits_of(crowd, calorimeter)
    energy = crowd.momentum[:, 3]
    share = energy_shares(crowd.pid)[0 if calorimeter is ECAL else 1]
    _, eta, _ = impact(crowd)
    expected = np.nansum((energy * share)[np.abs(eta) < 5.0])
    assert deposits.sum(energy * deposits.share).sum() == pytest.approx(expected)


@pytest.mark.parametrize("calorimeter", [ECAL, HCAL])
def test_per_tower_sums_are_those_of_the_linked_particles(crowd, calorimeter) -> None:
    deposits = deposits_of(crowd, calorimeter)
    _, eta, phi = impact(crowd)
    values = crowd.momentum[:, 3] * deposits.share
    sums = deposits.sum(values)
    counts = np.bincount(deposits.tower)
    assert (counts > 1).any()
    for i, (low_eta, high_eta, low_phi, high_phi) in enumerate(calorimeter.bounds(deposits.number)):
        within = (eta >= low_eta) & (eta < high_eta) & (phi % (2 * np.pi) >= low_phi)
        within &= (phi % (2 * np.pi) < high_phi) & (deposits.share > 0)
        assert sorted(deposits.particle[deposits.tower == i]) == np.flatnonzero(within).tolist()
        assert sums[i] == pytest.approx(values[within].sum())


def test_a_kaon_leaves_three_tenths_in_the_ecal_and_is_linked_to_both(make_particles) -> None:
    particles = make_particles([310], 20.0, 1.0)
    for calorimeter, share in ((ECAL, 0.3), (HCAL, 0.7)):
        deposits = deposits_of(particles, calorimeter)
        assert deposits.particle.tolist() == [0]
        total = deposits.sum(particles.momentum[:, 3] * deposits.share)
        assert total == pytest.approx([share * particles.momentum[0, 3]])


def test_muons_and_neutrinos_leave_nothing(make_particles) -> None:
    particles = make_particles([13, -13, 12], 20.0, 1.0)
    assert all(len(deposits_of(particles, calorimeter).number) == 0 for calorimeter in (ECAL, HCAL))


@pytest.mark.parametrize(
    ("calorimeter", "pid", "eta", "energy", "width"),
    [
        (ECAL, 22, 0.0087, 50.0, np.sqrt(0.4**2 + 0.11**2 * 50 + 0.4**2)),
        (ECAL, 22, 4.0875, 400.0, np.hypot(42.8, 41.6)),
        (ECAL, 310, 0.0087, 100.0, np.sqrt(0.24**2 + 0.11**2 * 30 + 0.4**2)),
        (HCAL, 130, 0.0435, 100.0, np.hypot(5.0, 15.0)),
        (HCAL, 130, 3.5625, 400.0, np.hypot(52.0, 54.0)),
    ],
)
def test_measured_energies_have_the_card_s_mean_and_width(
    make_particles, calorimeter, pid: int, eta: float, energy: float, width: float
) -> None:
    phi = np.deg2rad(20 * np.arange(18) + 0.5)  # 18 towers of the ring
    particles = make_particles([pid] * 18, energy / np.cosh(eta), eta, phi)
    deposits = deposits_of(particles, calorimeter)
    assert len(deposits.number) == 18
    numbers = streams(2)
    towers = [read_out(calorimeter, deposits, particles, numbers) for _ in range(200)]
    measured = np.concatenate([t.features[:, calorimeter.feature] for t in towers])
    n = len(measured)
    assert n == 18 * 200
    mean = particles.momentum[0, 3] * deposits.share[0]
    assert measured.mean() == pytest.approx(mean, abs=5 * width / np.sqrt(n))
    assert measured.std() == pytest.approx(width, rel=0.07)
    assert np.log(measured).std() == pytest.approx(np.sqrt(np.log1p((width / mean) ** 2)), rel=0.07)


def test_positions_are_uniform_within_the_tower(make_particles) -> None:
    particles = make_particles([130], 100.0, 2.4, 1.5)
    deposits = deposits_of(particles, HCAL)
    low_eta, high_eta, low_phi, high_phi = HCAL.bounds(deposits.number)[0]
    numbers = streams(4)
    rows = np.concatenate([read_out(HCAL, deposits, particles, numbers).features for _ in range(1000)])
    phi = np.arctan2(rows[:, 3], rows[:, 4]) % (2 * np.pi)
    for values, low, high in ((rows[:, 2], low_eta, high_eta), (phi, low_phi, high_phi)):
        assert low <= values.min()
        assert values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=5 * (high - low) / np.sqrt(12 * 1000))
        assert values.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.07)


def test_columns_of_a_tower(crowd) -> None:
    for calorimeter, own, other in ((ECAL, 6, 7), (HCAL, 7, 6)):
        deposits = deposits_of(crowd, calorimeter)
        f = read_out(calorimeter, deposits, crowd, streams(0)).features
        assert len(f) > 20
        assert (f[:, 0] == 1).all()
        assert f[:, 1] == pytest.approx(f[:, 5] / np.cosh(f[:, 2]))
        assert (f[:, own] == f[:, 5]).all()
        assert (f[:, other] == 0).all()
        assert (f[:, 8:] == 0).all()
        assert f[:, 3] ** 2 + f[:, 4] ** 2 == pytest.approx(1)


def test_a_soft_deposit_is_rarely_read_out_a_hard_one_always(make_particles) -> None:
    n = 600
    eta = 0.0435 + 0.087 * (np.arange(n) % 10)
    phi = np.deg2rad(2.5 + 5 * (np.arange(n) // 10))
    for energy, low, high in ((4.0, 0.01, 0.2), (200.0, 1.0, 1.0)):
        particles = make_particles([130] * n, energy / np.cosh(eta), eta, phi)
        deposits = deposits_of(particles, HCAL)
        assert len(deposits.number) == n
        towers = read_out(HCAL, deposits, particles, streams(0))
        assert low <= len(towers.tower) / n <= high
        assert (towers.features[:, 5] >= 9.09).all()
