"""`WaitingTrials`: the trials that a scheduler may choose from, in order, without a copy for each choice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload


class WaitingTrials(Sequence[str]):
    """A sequence of trial ids, each once, that takes no time to search or to shorten, however long it is.

    The first and the last one, membership, length, addition and removal take the same time at any length;
    other positions are counted from the nearer end.

    Parameters
    ----------
    trial_ids : iterable of str
        In order.

    Examples
    --------
    >>> waiting = WaitingTrials(["t0", "t1", "t2"])
    >>> waiting.discard("t0")
    >>> waiting.add("t0")
    >>> list(waiting), waiting[0], waiting[-1], "t3" in waiting
    (['t1', 't2', 't0'], 't1', 't0', False)
    """

    def __init__(self, trial_ids: Iterable[str] = ()) -> None:
        self._trials: OrderedDict[str, None] = OrderedDict.fromkeys(trial_ids)

    def add(self, trial_id: str) -> None:
        """Append a trial that is not there."""
        self._trials[trial_id] = None

    def discard(self, trial_id: str) -> None:
        """Remove a trial if it is there."""
        self._trials.pop(trial_id, None)

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[str]:
        return iter(self._trials)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._trials)

    def __contains__(self, trial_id: object) -> bool:
        return trial_id in self._trials

    @overload
    def __getitem__(self, position: int) -> str: ...

    @overload
    def __getitem__(self, position: slice) -> list[str]: ...

    def __getitem__(self, position: int | slice) -> str | list[str]:
        n = len(self._trials)
        if isinstance(position, slice):
            return list(self._trials)[position]
        if not -n <= position < n:
            raise IndexError(f"no trial at position {position} of {n}")
        start = position % n
        if start <= n // 2:
            return next(islice(self._trials, start, None))
        return next(islice(reversed(self._trials), n - 1 - start, None))

    def __repr__(self) -> str:
        return f"WaitingTrials({list(self._trials)})"
