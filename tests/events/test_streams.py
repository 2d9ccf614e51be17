"""Random numbers of many events at once."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.events.streams import Streams, log_normal


def generators(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


@pytest.mark.parametrize(("method", "of_numpy"), [("uniform", "random"), ("normal", "standard_normal")])
def test_each_event_draws_from_its_own_generator(method: str, of_numpy: str) -> None:
    event = np.array([0, 0, 0, 2, 2])
    together = getattr(Streams(generators(3, 4, 5)), method)(event)
    alone = [getattr(generator, of_numpy)(n) for generator, n in zip(generators(3, 5), (3, 2), strict=True)]
    assert (together == np.concatenate(alone)).all()


def test_no_entries() -> None:
    assert Streams(generators(1)).uniform(np.zeros(0, int)).shape == (0,)


def test_log_normal_has_the_mean_and_width_asked_for() -> None:
    n = 200_000
    normal = np.random.default_rng(0).standard_normal(n)
    drawn = log_normal(normal, np.full(n, 20.0), np.full(n, 5.0))
    assert drawn.mean() == pytest.approx(20.0, abs=5 * 5.0 / np.sqrt(n))
    assert drawn.std() == pytest.approx(5.0, rel=0.01)
    assert np.log(drawn) == pytest.approx(
        np.log(20.0) - np.log(1.0625) / 2 + np.sqrt(np.log(1.0625)) * normal
    )


def test_log_normal_of_nothing_is_nothing() -> None:
    drawn = log_normal(np.array([1.0, 1.0]), np.array([0.0, 5.0]), np.array([0.4, 0.0]))
    assert drawn == pytest.approx([0.0, 5.0])
