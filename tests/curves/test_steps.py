"""Logged points as curves: steps that go back, repeat, differ between trainings, or are missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.curves.readers.steps import MOST_EPOCHS, aligned, without_superseded
from mlpf_hpo.errors import DataError

NAN = float("nan")


@pytest.mark.parametrize(
    ("points", "kept", "back"),
    [
        ([(1, 9.0), (2, 8.0)], [(1, 9.0), (2, 8.0)], 0),
        ([(1, 9.0), (2, 8.0), (3, 7.0), (2, 5.0)], [(1, 9.0), (2, 5.0)], 1),
        ([(1, 9.0), (2, 8.0), (1, 9.5), (2, 8.5), (3, 8.0)], [(1, 9.5), (2, 8.5), (3, 8.0)], 1),
        ([(1, 9.0), (2, 8.0), (2, 8.5), (3, 7.0)], [(1, 9.0), (2, 8.5), (3, 7.0)], 0),
        ([(0, 9.0), (0, 8.0), (0, 8.0)], [(1, 9.0), (2, 8.0), (3, 8.0)], 0),
        ([(4, 9.0)], [(4, 9.0)], 0),
    ],
    ids=["once", "resumed", "from the beginning", "a step repeated", "without steps", "one point"],
)
def test_what_was_logged_later_counts(points, kept, back) -> None:
    assert without_superseded(points) == (kept, back)


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1)), max_size=30))
def test_steps_rise_and_the_last_point_is_the_last_logged(points) -> None:
    kept, _ = without_superseded(points)
    steps = [step for step, _ in kept]
    assert steps == sorted(set(steps))
    assert not points or kept[-1][1] == points[-1][1]


@pytest.mark.parametrize(
    ("trainings", "values"),
    [
        ([[0, 1, 2], [0, 1]], [[0, 1, 2], [0, 1, NAN]]),
        ([[1, 3, 9, 27], [1, 3]], [[1, 3, 9, 27], [1, 3, NAN, NAN]]),
        ([[100, 200, 300, 400], [100, 300, 400]], [[100, 200, 300, 400], [100, NAN, 300, 400]]),
        ([[1, 2, 3], [2, 3]], [[1, 2, 3], [NAN, 2, 3]]),
        ([[99, 199, 299], [49, 99, 149]], [[99, 199, 299], [49, 99, 149]]),
        ([[7, 19], [8, 30, 41]], [[7, 19, NAN], [8, 30, 41]]),
    ],
    ids=["from 0", "rungs", "a gap", "a late beginning", "two batch sizes", "any"],
)
def test_steps_of_several_trainings(trainings, values) -> None:
    found, _ = aligned([[(step, float(step)) for step in steps] for steps in trainings], "here")
    np.testing.assert_array_equal(found, values)


def test_a_metric_of_every_batch_is_refused() -> None:
    points = [(step, 0.0) for step in range(MOST_EPOCHS + 1)]
    with pytest.raises(DataError, match=r"^here: a training has 10001 values .* name another with --metric$"):
        aligned([points], "here")
