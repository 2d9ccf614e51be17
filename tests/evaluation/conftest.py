"""Hand-made samples: particles in words, and what two reconstructions say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from mlpf_hpo.evaluation.sample import Sample
from mlpf_hpo.events.schema import CLASSES
from tests.mlpf.conftest import make_batch, make_network

__all__ = ["make_batch", "make_network", "make_sample", "random_sample"]

Particle = tuple[str, float, float, float]
"""Class, pt, eta, phi; its energy is that of a massless particle."""

NOTHING: Particle = ("none", 0.0, 0.0, 0.0)


def row(particle: Particle) -> list[float]:
    name, pt, eta, phi = particle
    if name == "none":
        return [0.0] * 7
    charge = 1.0 if name in ("charged hadron", "electron", "muon") else 0.0
    return [CLASSES.index(name), charge, pt, eta, np.sin(phi), np.cos(phi), pt * np.cosh(eta)]


def rows(particles: Sequence[Particle]) -> np.ndarray:
    return np.array([row(particle) for particle in particles], dtype=float).reshape(-1, 7)


@pytest.fixture(scope="session")
def make_sample() -> Callable[..., Sample]:
    """Return a maker of samples from lists of particles, one list per event.

    `mlpf` and `ycand` are the truth where they are not given; every element is a track unless `is_track` says
    otherwise.
    """

    def make(
        truth: Sequence[Sequence[Particle]],
        mlpf: Sequence[Sequence[Particle]] | None = None,
        ycand: Sequence[Sequence[Particle]] | None = None,
        is_track: Sequence[bool] | None = None,
        jets: Sequence[Sequence[tuple[float, float, float]]] = (),
        met: Sequence[tuple[float, float]] | None = None,
    ) -> Sample:
        n = len(truth)
        flat: Mapping[str, list[Particle]] = {
            name: [particle for event in (given or truth) for particle in event]
            for name, given in (("truth", truth), ("mlpf", mlpf), ("ycand", ycand))
        }
        per_jet = [(*jet, 0.0) for event in jets for jet in event]
        return Sample(
            n_events=n,
            event=np.repeat(np.arange(n), [len(event) for event in truth]),
            is_track=np.ones(len(flat["truth"]), bool) if is_track is None else np.array(is_track),
            truth=rows(flat["truth"]),
            reconstructions={name: rows(flat[name]) for name in ("mlpf", "ycand")},
            jets=np.array(per_jet, dtype=float).reshape(-1, 4),
            jet_event=np.repeat(np.arange(len(jets)), [len(event) for event in jets]),
            met=np.zeros((n, 2)) if met is None else np.array(met, dtype=float),
        )

    return make


@pytest.fixture(scope="session")
def random_sample() -> Sample:
    """Return 30 events of random elements, some at a tower, that both reconstructions get wrong at random."""
    generator = np.random.default_rng(5)
    sizes = generator.integers(5, 40, 30)
    n = int(sizes.sum())

    def table(pid: np.ndarray) -> np.ndarray:
        pt, eta, phi = (
            generator.lognormal(0.5, 1.2, n),
            generator.normal(0, 2, n),
            generator.uniform(-4, 4, n),
        )
        out = np.column_stack([pid, pid % 2, pt, eta, np.sin(phi), np.cos(phi), pt * np.cosh(eta)])
        out[pid == 0] = 0
        return out

    pid = generator.integers(0, 6, n)
    truth = table(pid)
    said = {}
    for name in ("mlpf", "ycand"):
        wrong = generator.random(n) < 0.3
        guess = np.where(wrong, generator.integers(0, 6, n), pid)
        smeared = truth * np.exp(0.2 * generator.normal(size=truth.shape))
        smeared[:, 0] = guess
        said[name] = np.where((guess == pid)[:, None], smeared, table(guess))
    return Sample(
        n_events=30,
        event=np.repeat(np.arange(30), sizes),
        is_track=generator.random(n) < 0.6,
        truth=truth,
        reconstructions=said,
        jets=np.zeros((0, 4)),
        jet_event=np.zeros(0, dtype=int),
        met=generator.normal(0, 20, (30, 2)),
    )
