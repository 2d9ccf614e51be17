"""`Bracket`: one successive halving of Hyperband, round by round; `bracket_shapes`: its sizes and levels."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from mlpf_hpo.errors import ConfigurationError

LEAST_ETA = 2
"""With less, two rounds of a bracket may end after the same epoch."""


def bracket_shapes(max_epochs: int, eta: float) -> list[tuple[int, tuple[int, ...]]]:
    """Return number of trials and levels of each bracket, the one with the most rounds first.

    Round i of bracket s trains to round(R eta^(i-s)) epochs, R = `max_epochs`; the last one to R.

    Raises
    ------
    ConfigurationError
        If eta is less than 2.

    Examples
    --------
    >>> bracket_shapes(9, 3)
    [(9, (1, 3, 9)), (5, (3, 9)), (3, (9,))]
    >>> sum(n for n, _ in bracket_shapes(100, 2)), sum(n for n, _ in bracket_shapes(100, 3))
    (163, 143)
    """
    if not (isinstance(eta, int | float) and eta >= LEAST_ETA):
        raise ConfigurationError(f"reduction_factor of Hyperband must be at least {LEAST_ETA}, found {eta!r}")
    s_max = 0
    while eta ** (s_max + 1) <= max_epochs:
        s_max += 1
    return [
        (
            math.ceil((s_max + 1) * eta**s / (s + 1)),
            tuple(round(max_epochs * eta ** (i - s)) for i in range(s + 1)),
        )
        for s in range(s_max, -1, -1)
    ]


@dataclass
class Bracket:
    """The trials of one bracket, and how far they came.

    A round is complete when each of its trials has arrived at its level or ended; the next round takes the
    best floor(n eta^-i) of those that arrived, at least one; of equal ones those with the first identifiers.

    Attributes
    ----------
    levels : tuple of int
        Epoch at which each round ends.
    eta : float
        Reduction factor.
    capacity : int
        Number of trials of a full bracket.
    members : list of str
        All trials, in their order.
    index : int
        The round in progress; `len(levels)` after the last.
    entrants : list of str
        Trials of the round in progress, the best first.
    arrived : dict of str to float
        Trials that arrived in the round in progress, and their costs (smaller is better).
    parked : set of str
        Trials of the round in progress that are not to be resumed for now.
    """

    levels: tuple[int, ...]
    eta: float
    capacity: int
    members: list[str] = field(default_factory=list)
    index: int = 0
    entrants: list[str] = field(default_factory=list)
    arrived: dict[str, float] = field(default_factory=dict)
    parked: set[str] = field(default_factory=set)
    _missing: set[str] = field(default_factory=set)

    def add(self, trial_id: str) -> None:
        """Add a trial to the first round."""
        self.members.append(trial_id)
        self.entrants.append(trial_id)
        self._missing.add(trial_id)

    @property
    def is_done(self) -> bool:
        """Whether all rounds are complete."""
        return self.index == len(self.levels)

    @property
    def level(self) -> int:
        """Epoch at which the round in progress ends."""
        return self.levels[self.index]

    @property
    def previous_level(self) -> int:
        """Epoch at which it began."""
        return self.levels[self.index - 1] if self.index else 0

    @property
    def n_next(self) -> int:
        """Number of trials that the next round takes; after the last round at least one counts as kept."""
        return max(1, math.floor(len(self.members) * self.eta ** -(self.index + 1) + 1e-9))

    def awaits(self, trial_id: str) -> bool:
        """Return whether the round in progress waits for a trial."""
        return trial_id in self._missing

    @property
    def only_parked_left(self) -> bool:
        """Whether the round in progress waits for parked trials alone."""
        return bool(self.parked) and self._missing == self.parked

    def arrive(self, trial_id: str, cost: float) -> None:
        """Record a trial at the level of the round in progress."""
        self.arrived[trial_id] = cost
        self.leave(trial_id)

    def leave(self, trial_id: str) -> None:
        """Wait no more for a trial: it arrived, ended or is given up. The next round follows the last."""
        self._missing.discard(trial_id)
        while not self._missing and not self.is_done:
            ranked = sorted(self.arrived, key=lambda trial: (self.arrived[trial], trial))
            self.entrants, self.index = ranked[: self.n_next], self.index + 1
            self._missing, self.arrived = set(self.entrants), {}

    def waiting(self, *ready: Container[str]) -> Iterator[str]:
        """Yield the trials of the round in progress that have not arrived and are ready to be run."""
        for trial_id in self.entrants:
            if trial_id not in self._missing or trial_id in self.parked:
                continue
            if any(trial_id in trials for trials in ready):
                yield trial_id
