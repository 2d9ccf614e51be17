"""The overlay of minimum-bias collisions."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.pileup import PileUpPool


@pytest.fixture(scope="module")
def pool(make_particles) -> PileUpPool:
    """Return 60 collisions; the energy of each particle identifies its collision."""
    collisions = []
    for i in range(60):
        made = make_particles(
            [22] * (1 + i % 4), 1.0 + 0.01 * i, 0.0, np.arange(1 + i % 4), (0.001, 0.0, 0.02)
        )
        collisions.append(made)
    return PileUpPool.of(collisions)


def drawn(pool: PileUpPool, particles: Particles) -> np.ndarray:
    """Return the collisions that particles are of."""
    return np.rint((particles.momentum[:, 3] - 1.0) / 0.01).astype(int)


def test_no_collision_stands_twice_in_an_event(pool) -> None:
    for seed in range(300):
        overlaid = pool.draw(10.0, np.random.default_rng(seed))
        number, count = np.unique(drawn(pool, overlaid), return_counts=True)
        assert (count == 1 + number % 4).all()


def test_their_number_is_poisson(pool) -> None:
    generator = np.random.default_rng(1)
    counts = np.array([len(np.unique(drawn(pool, pool.draw(7.0, generator)))) for _ in range(3000)])
    assert counts.mean() == pytest.approx(7.0, abs=5 * np.sqrt(7 / 3000))
    assert counts.var() == pytest.approx(7.0, rel=0.1)


def test_each_is_turned_as_a_whole_and_moved_along_the_beam(pool) -> None:
    generator = np.random.default_rng(2)
    angles, shifts = [], []
    for _ in range(400):
        overlaid = pool.draw(7.0, generator)
        which = drawn(pool, overlaid)
        for i in np.unique(which):
            rows = which == i
            phi = np.arctan2(overlaid.momentum[rows, 1], overlaid.momentum[rows, 0])
            turn = (phi - np.arange(rows.sum())) % (2 * np.pi)
            assert np.exp(1j * turn) == pytest.approx(np.exp(1j * turn[0]))
            x, y, z = overlaid.vertex[rows].T
            assert np.hypot(x, y) == pytest.approx(0.001)
            assert np.exp(1j * np.arctan2(y, x)) == pytest.approx(np.exp(1j * turn[0]))
            assert z == pytest.approx(z[0])
            angles.append(turn[0])
            shifts.append(z[0] - 0.02)
        pt = np.hypot(overlaid.momentum[:, 0], overlaid.momentum[:, 1])
        assert pt == pytest.approx(1.0 + 0.01 * which)
        assert (overlaid.momentum[:, 2] == 0).all()
    assert np.std(shifts) == pytest.approx(0.053, rel=0.06)
    assert np.mean(shifts) == pytest.approx(0.0, abs=0.005)
    assert abs(np.mean(np.exp(1j * np.array(angles)))) < 0.08
    assert len(np.unique(angles)) == len(angles)


def test_the_pool_itself_stays_as_it_is(pool) -> None:
    before = pool.particles.momentum.copy(), pool.particles.vertex.copy()
    pool.draw(10.0, np.random.default_rng(0))
    assert (pool.particles.momentum == before[0]).all()
    assert (pool.particles.vertex == before[1]).all()


def test_none_drawn(pool) -> None:
    assert len(pool.draw(1e-9, np.random.default_rng(0))) == 0


def test_the_same_generator_draws_the_same(pool) -> None:
    one, other = (pool.draw(9.0, np.random.default_rng(4)) for _ in range(2))
    assert (one.momentum == other.momentum).all()
    assert (one.vertex == other.vertex).all()


def test_a_pool_that_is_too_small_is_refused(pool) -> None:
    with pytest.raises(ConfigurationError, match=r"minimum_bias_pool: 60 .* at least 141"):
        pool.draw(62.0, np.random.default_rng(0))


def test_save_and_load(pool, tmp_path) -> None:
    pool.save(tmp_path / "pool.npz")
    loaded = PileUpPool.load(tmp_path / "pool.npz")
    assert len(loaded) == len(pool)
    assert (loaded.particles.momentum == pool.particles.momentum).all()
    assert (loaded.particles.pid == pool.particles.pid).all()
    assert (loaded.offsets == pool.offsets).all()
