"""`Rung`: the values that trials left at one rung, ranked."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence


class Rung(Mapping[str, float]):
    """Values of trials, the smallest first, of equal ones those with the first identifiers.

    A trial is entered and removed in a time that hardly grows with their number: nothing is sorted again.

    Examples
    --------
    >>> rung = Rung()
    >>> for trial_id, value in (("a", 3.0), ("b", 1.0), ("c", 3.0), ("d", 2.0)):
    ...     rung.record(trial_id, value)
    >>> list(rung), rung["c"], rung.percentile(50)
    (['b', 'd', 'a', 'c'], 3.0, 2.5)
    """

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._ranked: list[tuple[float, str]] = []

    def record(self, trial_id: str, value: float) -> None:
        """Enter the finite value of a trial that has none here."""
        self._values[trial_id] = value
        insort(self._ranked, (value, trial_id))

    def discard(self, trial_id: str) -> None:
        """Remove the value of a trial, if it has one."""
        value = self._values.pop(trial_id, None)
        if value is not None:
            del self._ranked[bisect_left(self._ranked, (value, trial_id))]

    @property
    def ranked(self) -> Sequence[tuple[float, str]]:
        """Values with their trials, ascending."""
        return self._ranked

    def percentile(self, percent: float) -> float:
        """Return what `numpy.percentile` returns, to the last digit: linear between two values."""
        position = (len(self._ranked) - 1) * (percent / 100)
        below = math.floor(position)
        if below >= len(self._ranked) - 1:
            return self._ranked[-1][0]
        share, low, high = position - below, self._ranked[below][0], self._ranked[below + 1][0]
        return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share

    def __getitem__(self, trial_id: str) -> float:
        return self._values[trial_id]

    def __contains__(self, trial_id: object) -> bool:
        return trial_id in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return (trial_id for _, trial_id in self._ranked)
