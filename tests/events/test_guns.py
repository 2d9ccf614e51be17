"""Single-particle guns: what they shoot, and what the detector makes of it, against the card's formulae."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.config import SampleParams
from mlpf_hpo.events.calorimeter import ECAL, HCAL
from mlpf_hpo.events.detector import simulate
from mlpf_hpo.events.particles import Particles, merge
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.sources import SOURCES
from mlpf_hpo.events.sources.guns import GUNS, shoot
from mlpf_hpo.events.tracker import efficiency, pt_resolution
from tests.events.single import impact

pytest.importorskip("fastjet")

N = 4000


@pytest.fixture(scope="module", params=GUNS)
def gun(request) -> tuple[str, Particles, list[Event]]:
    """Return a gun, what it shot, and the events."""
    shots = list(shoot(request.param, seed=2, numbers=range(N)))
    generators = [np.random.default_rng([7, number]) for number in range(N)]
    return request.param, merge(shots), simulate(shots, generators, range(N), request.param, 0.0)


def test_params_know_all_samples() -> None:
    assert [SampleParams(process=process, events=1).process for process in SOURCES] == list(SOURCES)


def test_one_particle_each_flat_in_pt_and_eta(gun) -> None:
    name, particles, events = gun
    assert len(particles) == len(events) == N
    assert particles.pid.tolist() == [GUNS[name][i % len(GUNS[name])] for i in range(N)]
    if "neutral" not in name and name != "gun-photon":
        assert particles.charge.sum() == 0
    for values, low, high in ((particles.pt, 1.0, 100.0), (particles.eta, -5.0, 5.0)):
        assert low < values.min()
        assert values.max() < high
        counts, _ = np.histogram(values, 10, (low, high))
        assert ((counts - N / 10) ** 2 / (N / 10)).sum() < 27.9  # chi-squared, 9 degrees: p = 0.001
    px, py, pz, energy = particles.momentum.T
    mass = np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0))
    central = np.abs(particles.eta) < 2  # further out the difference is of large numbers
    expected = {211: 0.1396, 130: 0.4976, 2112: 0.9396, 22: 0.0, 11: 0.0005, 13: 0.1057}
    assert mass[central] == pytest.approx([expected[abs(p)] for p in particles.pid[central]], abs=2e-3)


def test_an_event_follows_from_its_number() -> None:
    (alone,) = shoot("gun-muon", 2, [7])
    among = list(shoot("gun-muon", 2, range(9)))[7]
    assert (alone.momentum == among.momentum).all()
    assert (next(shoot("gun-muon", 3, [7])).momentum != alone.momentum).any()


def test_the_efficiency_of_tracks_is_the_card_s(gun) -> None:
    _, particles, events = gun
    found = np.array([(event.features[:, 0] == 2).sum() for event in events])
    assert found.max() <= 1
    # Above 1 GeV positions differ from momenta by little: away from the edges, eta of either will do.
    eta, away = np.abs(particles.eta), particles.pt > 5
    for low, high in ((0.0, 1.3), (1.7, 2.4), (2.6, 5.0)):
        own = away & (eta > low) & (eta < high)
        expected = np.where(
            particles.charge[own] != 0, efficiency(particles.pid[own], particles.pt[own], eta[own]), 0.0
        )
        error = np.sqrt((expected * (1 - expected)).sum()) / own.sum()
        assert found[own].mean() == pytest.approx(expected.mean(), abs=4 * error + 1e-12)


def test_the_resolution_of_tracks_is_the_card_s_in_bins_of_pt_and_eta(gun) -> None:
    _, particles, events = gun
    if not particles.charge.any():
        return
    tracks = [event.features[event.features[:, 0] == 2] for event in events]
    found = np.array(list(map(len, tracks))) == 1
    measured = np.array(
        [event.features[0, 1] for event in events if len(event) and event.features[0, 0] == 2]
    )
    measured, outer = np.concatenate(tracks)[:, [1, 6]].T
    pid, pt = particles.pid[found], particles.pt[found]
    width = pt_resolution(pid, pt, outer)
    # The logarithm of a log-normal, in units of its own width, is standard normal.
    sigma = np.sqrt(np.log1p(width**2))
    pull = (np.log(measured / pt) + sigma**2 / 2) / sigma
    for low, high in ((1.0, 30.0), (30.0, 60.0), (60.0, 100.0)):
        for region in ((0.0, 0.5), (0.5, 1.5), (1.5, 2.5)):
            own = pull[(pt > low) & (pt <= high) & (np.abs(outer) > region[0]) & (np.abs(outer) <= region[1])]
            assert len(own) > 40
            assert own.mean() == pytest.approx(0.0, abs=4 / np.sqrt(len(own)))
            assert own.std(ddof=1) == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(own)))


@pytest.mark.parametrize(
    ("process", "calorimeter", "column"),
    [("gun-photon", ECAL, 6), ("gun-electron", ECAL, 6), ("gun-neutral-hadron", HCAL, 7)],
)
def test_the_response_of_towers_is_the_card_s_in_bins_of_eta(process: str, calorimeter, column: int) -> None:
    shots = list(shoot(process, seed=4, numbers=range(N)))
    generators = [np.random.default_rng([8, number]) for number in range(N)]
    events = simulate(shots, generators, range(N), process, 0.0)
    energy = np.array([shot.momentum[0, 3] for shot in shots])
    _, eta, _ = impact(merge(shots))
    measured = np.array([event.features[event.features[:, 0] == 1, column].sum() for event in events])
    for low, high in ((0.2, 1.3), (1.7, 2.3), (3.2, 4.4)):
        own = (np.abs(eta) > low) & (np.abs(eta) < high)
        sigma = calorimeter.sigma(energy, eta)
        own &= energy > 6 * sigma  # thresholds cut nothing there
        assert own.sum() > 200
        width = np.sqrt(np.log1p((sigma[own] / energy[own]) ** 2))
        pull = (np.log(measured[own] / energy[own]) + width**2 / 2) / width
        assert pull.mean() == pytest.approx(0.0, abs=4 / np.sqrt(own.sum()))
        assert pull.std(ddof=1) == pytest.approx(1.0, abs=4 / np.sqrt(2 * own.sum()) + 0.01)


def test_what_a_gun_s_target_is(gun) -> None:
    name, particles, events = gun
    expected = {
        "gun-charged-hadron": {0, 1, 2},  # neutral beyond the tracker
        "gun-neutral-hadron": {0, 2},
        "gun-photon": {3},
        "gun-electron": {0, 4},  # none: the tower of an electron with a track
        "gun-muon": {5},
    }
    seen = {int(pid) for event in events for pid in event.targets[:, 0]}
    assert seen <= expected[name]
    assert max(len(event) for event in events) <= 2
    energies = particles.momentum[:, 3]
    for event, energy in zip(events, energies, strict=True):
        asked = event.targets[event.targets[:, 0] > 0]
        assert asked[:, 6] == pytest.approx(energy, rel=1e-6)
