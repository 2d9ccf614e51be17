"""Generator jets and missing momentum."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events import jets
from mlpf_hpo.events.jets import generator_jets, generator_met, visible
from mlpf_hpo.events.particles import Particles

pytest.importorskip("fastjet")


def truth(*collisions: Particles) -> tuple[np.ndarray, np.ndarray, int]:
    """Return momenta and events of what is visible, and the number of events."""
    seen = [collision.momentum[visible(collision)] for collision in collisions]
    return np.concatenate(seen), np.repeat(np.arange(len(seen)), list(map(len, seen))), len(seen)


def jets_of(particles: Particles) -> np.ndarray:
    return generator_jets(*truth(particles))[0]


def test_what_is_visible(make_particles) -> None:
    particles = make_particles([211, 12, -12, 13, 22, 130], 1.0, [4.9, 0.0, 1.0, -4.9, 5.1, -6.0])
    assert visible(particles).tolist() == [True, False, False, True, False, False]


def test_two_jets(make_particles) -> None:
    pid, pt = [211, 22, -211, 130, 12], [20.0, 10.0, 15.0, 9.0, 50.0]
    particles = make_particles(pid, pt, [0.5, 0.6, -0.2, -0.3, 2.0], [1.0, 1.1, -2.0, -1.9, 0.0])
    found = jets_of(particles)
    assert found.dtype == np.float32
    assert found.shape == (2, 4)
    for row, members in zip(found, ([0, 1], [2, 3]), strict=True):
        px, py, pz, energy = particles.momentum[members].sum(axis=0)
        pt_sum = np.hypot(px, py)
        mass = np.sqrt(energy**2 - px**2 - py**2 - pz**2)
        assert row == pytest.approx([pt_sum, np.arcsinh(pz / pt_sum), np.arctan2(py, px), mass], rel=1e-4)


def test_radius_and_least_pt(make_particles) -> None:
    apart = make_particles([22, 22], [9.0, 8.0], 0.0, [0.0, 0.41])
    together = make_particles([22, 22], [9.0, 8.0], 0.0, [0.0, 0.39])
    assert (len(jets_of(apart)), len(jets_of(together))) == (2, 1)
    assert len(jets_of(make_particles([22, 22], [4.9, 5.1], [0.0, 2.0]))) == 1
    assert jets_of(make_particles([], 1.0, 0.0)).shape == (0, 4)


def test_jets_of_several_events_are_those_of_each(make_particles) -> None:
    # The oracle is FastJet's interface of one object per particle.
    fastjet = jets.load_fastjet()
    generator = np.random.default_rng(6)
    collisions = [
        make_particles(
            [22] * n, generator.exponential(3, n), generator.normal(0, 2, n), generator.uniform(-3, 3, n)
        )
        for n in (300, 0, 40, 1)
    ]
    found = generator_jets(*truth(*collisions))
    assert len(found) == 4
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
    for table, collision in zip(found, collisions, strict=True):
        inputs = [fastjet.PseudoJet(*row) for row in collision.momentum[visible(collision)].tolist()]
        expected = fastjet.sorted_by_pt(fastjet.ClusterSequence(inputs, definition).inclusive_jets(5.0))
        rows = [(jet.pt(), jet.eta(), jet.phi_std(), jet.m()) for jet in expected]
        assert table == pytest.approx(np.array(rows).reshape(-1, 4), rel=1e-5, abs=1e-3)
    assert len(found[0]) > 10


def test_missing_momentum_is_that_of_what_is_not_seen(make_particles) -> None:
    particles = make_particles([211, 22, 12], [20.0, 10.0, 30.0], 0.5, [1.0, 2.0, 3.0])
    found = generator_met(*truth(particles, make_particles([], 1.0, 0.0)))
    assert found == pytest.approx(np.stack([-particles.momentum[:2, :2].sum(axis=0), [0, 0]]), rel=1e-6)
    assert found.dtype == np.float32


def test_fastjet_is_silent() -> None:
    code = (
        "import numpy as np; from mlpf_hpo.events.jets import generator_jets;"
        "print(len(generator_jets(np.array([[9.0, 0, 0, 9]]), np.zeros(1, int), 1)[0]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("1\n", "")


def test_without_fastjet_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "fastjet", None)
    jets.load_fastjet.cache_clear()
    with pytest.raises(ConfigurationError, match=r"pip install 'mlpf_hpo\[generate\]'"):
        jets.load_fastjet()
