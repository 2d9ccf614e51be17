"""Grids, resolutions, thresholds and shares of the two calorimeters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.events.calorimeter import ECAL, HCAL, Calorimeter, energy_shares

FORWARD = [3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525, 4.7, 5.0]


def test_ecal_edges() -> None:
    expected = [0.0174 * i for i in range(171)] + FORWARD
    assert ECAL.edges == pytest.approx(expected)
    assert np.rad2deg(ECAL.phi_steps) == pytest.approx([1.0] * 170 + [10.0] * 11)


def test_hcal_edges() -> None:
    end_cap = [1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95]
    expected = [0.087 * i for i in range(20)] + end_cap + FORWARD
    assert HCAL.edges == pytest.approx(expected)
    assert np.rad2deg(HCAL.phi_steps) == pytest.approx([5.0] * 19 + [10.0] * 19 + [20.0] * 2)


calorimeters = st.sampled_from([ECAL, HCAL])


@given(calorimeter=calorimeters, eta=st.floats(-4.999, 4.999), phi=st.floats(-np.pi, np.pi))
def test_a_point_lies_within_the_bounds_of_its_tower(
    calorimeter: Calorimeter, eta: float, phi: float
) -> None:
    number = calorimeter.tower(np.array([eta]), np.array([phi]))
    low_eta, high_eta, low_phi, high_phi = calorimeter.bounds(number)[0]
    assert low_eta - 1e-12 <= eta <= high_eta + 1e-12
    assert low_phi - 1e-9 <= phi % (2 * np.pi) <= high_phi + 1e-9
    assert high_phi <= 2 * np.pi + 1e-9
    assert calorimeter.centre_eta(number)[0] == pytest.approx((low_eta + high_eta) / 2)


@given(calorimeter=calorimeters, eta=st.floats(-4.999, 4.999), phi=st.floats(-np.pi, np.pi))
def test_the_centre_of_a_tower_lies_in_it(calorimeter: Calorimeter, eta: float, phi: float) -> None:
    number = calorimeter.tower(np.array([eta]), np.array([phi]))
    low_eta, high_eta, low_phi, high_phi = calorimeter.bounds(number)[0]
    centre = calorimeter.tower(np.array([(low_eta + high_eta) / 2]), np.array([(low_phi + high_phi) / 2]))
    assert centre == number


@pytest.mark.parametrize(("calorimeter", "towers"), [(ECAL, 2 * (170 * 360 + 11 * 36)), (HCAL, None)])
def test_towers_have_numbers_of_their_own(calorimeter: Calorimeter, towers: int | None) -> None:
    if towers is None:
        towers = 2 * (19 * 72 + 19 * 36 + 2 * 18)
    centres = []
    for low, high, step in zip(
        calorimeter.edges[:-1], calorimeter.edges[1:], calorimeter.phi_steps, strict=True
    ):
        phi = (np.arange(round(2 * np.pi / step)) + 0.5) * step
        centres += [(sign * (low + high) / 2, p) for p in phi for sign in (-1, 1)]
    numbers = calorimeter.tower(*np.array(centres).T)
    assert len(np.unique(numbers)) == len(centres) == towers


@pytest.mark.parametrize("calorimeter", [ECAL, HCAL])
def test_nothing_is_seen_beyond_the_acceptance(calorimeter: Calorimeter) -> None:
    eta = np.array([5.0, -5.0, 7.0, np.inf, -np.inf, np.nan])
    assert (calorimeter.tower(eta, np.zeros(6)) == -1).all()


@pytest.mark.parametrize(
    ("eta", "energy", "sigma"),
    [
        (0.0, 100.0, np.sqrt(0.8**2 + 1.1**2 + 0.4**2)),
        (-1.5, 100.0, 2.44 * np.sqrt(0.8**2 + 1.1**2 + 0.4**2)),
        (2.0, 25.0, 2.16 * np.sqrt(0.2**2 + 0.55**2 + 0.4**2)),
        (-2.5, 25.0, 3.56 * np.sqrt(0.2**2 + 0.55**2 + 0.4**2)),
        (3.0, 100.0, np.hypot(10.7, 20.8)),
        (-4.9, 400.0, np.hypot(42.8, 41.6)),
    ],
)
def test_ecal_resolution(eta: float, energy: float, sigma: float) -> None:
    assert ECAL.sigma(np.array([energy]), np.array([eta])) == pytest.approx([sigma])


@pytest.mark.parametrize(
    ("eta", "energy", "sigma"),
    [
        (0.0, 100.0, np.hypot(5.0, 15.0)),
        (-3.0, 400.0, np.hypot(20.0, 30.0)),
        (3.1, 100.0, np.hypot(13.0, 27.0)),
    ],
)
def test_hcal_resolution(eta: float, energy: float, sigma: float) -> None:
    assert HCAL.sigma(np.array([energy]), np.array([eta])) == pytest.approx([sigma])


def read_out(calorimeter: Calorimeter, energies: list[float], eta: float) -> list[bool]:
    energy = np.array(energies)
    return calorimeter.is_read_out(energy, calorimeter.sigma(energy, np.full(2, eta))).tolist()


def test_two_standard_deviations_are_needed() -> None:
    # HCAL, centre: E = 2 sigma where E (1 - 4 (.05)^2) = 4 (1.5)^2, at 9.0909 GeV.
    assert read_out(HCAL, [9.08, 9.10], 0.0) == [False, True]
    # ECAL at eta = 0: E^2 (1 - 4 (.008)^2) - 4 (.11)^2 E - 4 (.4)^2 = 0, at 0.8247 GeV.
    assert read_out(ECAL, [0.824, 0.826], 0.0) == [False, True]
    # ECAL forward: E (1 - 4 (.107)^2) = 4 (2.08)^2, at 18.1366 GeV.
    assert read_out(ECAL, [18.13, 18.14], -4.0) == [False, True]


@pytest.mark.parametrize(("calorimeter", "threshold"), [(ECAL, 0.5), (HCAL, 1.0)])
def test_a_threshold_is_needed_as_well(calorimeter: Calorimeter, threshold: float) -> None:
    energies = np.array([0.999, 1.0]) * threshold
    assert calorimeter.is_read_out(energies, np.zeros(2)).tolist() == [False, True]


def test_energy_shares() -> None:
    pid = np.array([11, -11, 22, 111, 13, -13, 12, -14, 16, 310, 3122, -3122, 211, -2212, 130, 2112])
    electromagnetic = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0.3, 0.3, 0.3, 0, 0, 0, 0]
    hadronic = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0.7, 0.7, 0.7, 1, 1, 1, 1]
    assert energy_shares(pid).tolist() == [electromagnetic, hadronic]
