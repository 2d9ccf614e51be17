"""Generator jets and missing momentum."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events import jets
from mlpf_hpo.events.jets import generator_jets, generator_met, visible

pytest.importorskip("fastjet")


def test_what_is_visible(make_particles) -> None:
    particles = make_particles([211, 12, -12, 13, 22, 130], 1.0, [4.9, 0.0, 1.0, -4.9, 5.1, -6.0])
    assert visible(particles).tolist() == [True, False, False, True, False, False]


def test_two_jets(make_particles) -> None:
    pid, pt = [211, 22, -211, 130, 12], [20.0, 10.0, 15.0, 9.0, 50.0]
    particles = make_particles(pid, pt, [0.5, 0.6, -0.2, -0.3, 2.0], [1.0, 1.1, -2.0, -1.9, 0.0])
    found = generator_jets(particles)
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
    assert (len(generator_jets(apart)), len(generator_jets(together))) == (2, 1)
    assert len(generator_jets(make_particles([22, 22], [4.9, 5.1], [0.0, 2.0]))) == 1
    assert generator_jets(make_particles([], 1.0, 0.0)).shape == (0, 4)


def test_missing_momentum_is_that_of_what_is_not_seen(make_particles) -> None:
    particles = make_particles([211, 22, 12], [20.0, 10.0, 30.0], 0.5, [1.0, 2.0, 3.0])
    assert generator_met(particles) == pytest.approx(-particles.momentum[:2, :2].sum(axis=0), rel=1e-6)
    assert generator_met(particles).dtype == np.float32


def test_fastjet_is_silent() -> None:
    code = (
        "import numpy as np; from mlpf_hpo.events.jets import generator_jets;"
        "from mlpf_hpo.events.particles import Particles;"
        "print(len(generator_jets(Particles(np.array([22]), np.zeros(1), np.array([[9.0, 0, 0, 9]]), "
        "np.zeros((1, 3))))))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("1\n", "")


def test_without_fastjet_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "fastjet", None)
    jets.load_fastjet.cache_clear()
    with pytest.raises(ConfigurationError, match=r"pip install 'mlpf_hpo\[generate\]'"):
        jets.load_fastjet()
