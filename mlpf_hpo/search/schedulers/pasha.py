"""`PASHA`: promotion whose highest rung rises only while trials change places between the two highest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpf_hpo.search.scheduler import BaseScheduler, Decision, rungs
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.waiting_trials import WaitingTrials
from mlpf_hpo.space import Configuration, Mode

FIRST_TOP = 1
"""Index of the rung that is the highest at first."""

NOISE_PERCENTILE = 90


class PASHA(BaseScheduler):
    """Promote as `PromotionASHA` does, up to a highest rung; raise that while the ranking is not settled.

    At first the second rung is the highest. Whenever a trial arrives at the highest rung, the trials that
    reached it are ranked there and at the rung before. If one of them changes places with a trial whose value
    at the lower rung differs by more than epsilon, the next rung becomes the highest, in the end the full
    training. Epsilon is the noise of the curves: the 90th percentile of the differences, at the highest rung,
    between trials whose curves cross and cross back before. When nothing else is left to run, the best trial
    at the highest rung that any reached is trained to the end.

    Parameters
    ----------
    max_epochs, grace_epochs, reduction_factor, mode
        As for `StoppingASHA`.

    References
    ----------
    O. Bohdal et al., "PASHA: efficient HPO and NAS with progressive resource allocation", ICLR 2023, arXiv
    2207.06940, algorithm 1 and section 4.2.

    Examples
    --------
    >>> scheduler = PASHA(max_epochs=9)
    >>> scheduler.on_trial_add("t0", {"lr": 0.1})
    >>> scheduler.on_trial_result("t0", 1, 3.0).value, scheduler.choose(pending=[], paused=["t0"])
    ('pause', 't0')
    """

    def __init__(
        self,
        max_epochs: int,
        grace_epochs: int = 1,
        reduction_factor: float = 3.0,
        mode: Mode = "min",
    ) -> None:
        super().__init__(max_epochs, mode)
        self.promotion = PromotionASHA(max_epochs, grace_epochs, reduction_factor, mode)
        self._levels = [int(np.ceil(level)) for level in rungs(max_epochs, grace_epochs, reduction_factor)]
        self._top = min(FIRST_TOP, len(self._levels))  # the number of levels: full training
        self._epsilon = 0.0
        self._distances: list[float] = []  # of those whose curves cross twice, at the highest rung
        self._live: set[str] = set()
        self._costs: dict[str, list[float]] = {}  # by epoch
        self._n_rungs: dict[str, int] = {}

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Record a trial that has not ended."""
        self._live.add(trial_id)

    def on_trial_complete(self, trial_id: str) -> None:
        """Record that a trial ended."""
        self._live.discard(trial_id)
        if trial_id in self._stops:
            self._n_rungs.pop(trial_id, None)

    def on_trial_error(self, trial_id: str) -> None:
        """Record that a trial failed: it is not the best of any rung."""
        self._live.discard(trial_id)
        self._n_rungs.pop(trial_id, None)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return whom `PromotionASHA` would run up to the highest rung; if nothing runs, the best of all."""
        below = WaitingTrials(trial_id for trial_id in paused if self._n_rungs[trial_id] <= self._top)
        chosen = self.promotion.choose(pending, below)
        if chosen is not None or len(self._live) > len(pending) + len(paused):
            return chosen
        highest = self._at(max(self._n_rungs.values(), default=1) - 1)
        best = min(highest, key=lambda trial_id: (highest[trial_id], trial_id), default=None)
        return best if best in paused else None

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        self._costs.setdefault(trial_id, []).append(self._cost(value))
        decision = self.promotion.on_trial_result(trial_id, epoch, value)
        if decision is Decision.PAUSE:
            self._n_rungs[trial_id] = self._n_rungs.get(trial_id, 0) + 1
            if self._n_rungs[trial_id] - 1 == self._top < len(self._levels):
                self._add_distances(trial_id)
                self._raise_top()
        return decision

    def _raise_top(self) -> None:
        """Raise the highest rung if its ranking is not settled."""
        if not self._is_settled():
            self._top += 1
            self._distances = []

    def _at(self, rung: int) -> dict[str, float]:
        """Return the costs that trials left at a rung."""
        level = self._levels[rung]
        return {trial: self._costs[trial][level - 1] for trial, n in self._n_rungs.items() if n > rung}

    def _is_settled(self) -> bool:
        """Return whether the two highest rungs rank alike, up to differences of epsilon."""
        top, below = self._at(self._top), self._at(self._top - 1)
        ranked = sorted(top, key=lambda trial: (top[trial], trial))
        sorted_below = sorted(below[trial] for trial in ranked)
        if self._distances:
            self._epsilon = float(np.percentile(self._distances, NOISE_PERCENTILE))
        return all(
            abs(below[trial] - there) <= self._epsilon
            for trial, there in zip(ranked, sorted_below, strict=True)
        )

    def _add_distances(self, trial_id: str) -> None:
        """Measure how far a trial is from each other one at the highest rung whose curve crosses it twice."""
        n = self._levels[self._top]
        own = np.array(self._costs[trial_id][:n])
        for other in self._at(self._top):
            difference = own - np.array(self._costs[other][:n])
            above = difference > 0
            reversed_at = np.flatnonzero(above != above[-1])
            # The last order, the reverse before it, and the last one again before that.
            if len(reversed_at) and (above[: reversed_at[-1]] == above[-1]).any():
                self._distances.append(float(abs(difference[-1])))
