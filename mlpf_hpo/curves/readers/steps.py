"""Points that a tool logged, (step, value), as curves aligned by epoch.

What a step is differs: the epoch from 0 or 1, a number of batches that depends on the batch size, or nothing
where it was left out. A training that was resumed logs some steps twice, and what it logged later counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import DataError

MOST_EPOCHS = 10_000
"""A metric with more values in one training is logged per batch, not per epoch."""

Points = Sequence[tuple[int, float]]


def without_superseded(points: Points) -> tuple[list[tuple[int, float]], int]:
    """Return the points that count, in the order of their steps, and how often the steps go back.

    Where the step goes back, the training was resumed from a checkpoint, or started again: all that it had
    logged from that step on is superseded. A step that is repeated at once is only updated. If all steps are
    the same, none were given, and they are numbered from 1.

    Examples
    --------
    >>> without_superseded([(1, 9.0), (2, 8.0), (3, 7.0), (2, 8.5), (3, 7.5)])
    ([(1, 9.0), (2, 8.5), (3, 7.5)], 1)
    >>> without_superseded([(0, 9.0), (0, 8.0)])
    ([(1, 9.0), (2, 8.0)], 0)
    """
    if len(points) > 1 and len({step for step, _ in points}) == 1:
        return [(number, value) for number, (_, value) in enumerate(points, start=1)], 0
    kept: list[tuple[int, float]] = []
    back = 0
    for step, value in points:
        back += bool(kept) and step < kept[-1][0]
        while kept and kept[-1][0] >= step:
            kept.pop()
        kept.append((step, value))
    return kept, back


def aligned(trainings: Sequence[Points], where: str) -> tuple[FloatArray, str]:
    """Return curves of points with rising steps as an array, NaN where one has none, and what an epoch is.

    Column 0 is the first epoch. The steps of all trainings are the epochs if each training has them from the
    first to its last one, or if they are evenly spaced in all; a step that is missing is then a gap. Steps
    that differ between trainings count as they come: the i-th value of each is that after epoch i.

    Returns
    -------
    array [n, epochs], str

    Raises
    ------
    DataError
        If a training has more than `MOST_EPOCHS` values.

    Examples
    --------
    >>> values, epochs = aligned([[(10, 3.0), (20, 2.0)], [(10, 4.0)]], "runs")
    >>> values.tolist(), epochs
    ([[3.0, 2.0], [4.0, nan]], 'steps 10 to 20 every 10')
    >>> values, epochs = aligned([[(50, 3.0), (100, 2.0)], [(25, 4.0), (50, 3.5), (75, 3.0)]], "runs")
    >>> values.tolist(), epochs
    ([[3.0, 2.0, nan], [4.0, 3.5, 3.0]], 'the values of each training as they come: their steps differ')
    """
    longest = max(map(len, trainings))
    if longest > MOST_EPOCHS:
        raise DataError(
            f"{where}: a training has {longest} values of the metric, which is logged per batch rather than "
            "per epoch; name another with --metric"
        )
    steps = sorted({step for points in trainings for step, _ in points})
    column = {step: place for place, step in enumerate(steps)}
    if len(steps) > MOST_EPOCHS or not (_begin_alike(trainings, column) or _evenly_spaced(trainings, steps)):
        numbered = [[(place, value) for place, (_, value) in enumerate(points)] for points in trainings]
        return _filled(numbered, longest), "the values of each training as they come: their steps differ"
    placed = [[(column[step], value) for step, value in points] for points in trainings]
    return _filled(placed, len(steps)), _described(steps)


def _begin_alike(trainings: Sequence[Points], column: dict[int, int]) -> bool:
    return all(column[points[-1][0]] == len(points) - 1 for points in trainings if points)


def _evenly_spaced(trainings: Sequence[Points], steps: Sequence[int]) -> bool:
    """Tell whether all steps are evenly spaced, and those of each training as closely."""
    between = set(np.diff(steps).tolist())
    own = {min(np.diff([step for step, _ in points]).tolist()) for points in trainings if len(points) > 1}
    return len(between) == 1 and own == between


def _filled(trainings: Sequence[Points], epochs: int) -> FloatArray:
    values = np.full((len(trainings), epochs), np.nan)
    for row, points in zip(values, trainings, strict=True):
        for place, value in points:
            row[place] = value
    return values


def _described(steps: Sequence[int]) -> str:
    between = set(np.diff(steps).tolist())
    every = f" every {between.pop()}" if len(between) == 1 else ""
    return f"steps {steps[0]} to {steps[-1]}{every}"
