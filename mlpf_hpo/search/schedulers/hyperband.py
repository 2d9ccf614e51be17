"""`Hyperband`: brackets of synchronous successive halving, one after the other or side by side."""

from __future__ import annotations

from collections.abc import Sequence

from mlpf_hpo.search.scheduler import BaseScheduler, Decision
from mlpf_hpo.search.schedulers.brackets import Bracket, bracket_shapes
from mlpf_hpo.space import Configuration, Mode


class Hyperband(BaseScheduler):
    """Pause every trial at the end of its round; when all of the round are there, resume the best.

    Trials are dealt to brackets in their order. After the last bracket the first one follows again; the last
    of all is cut to the trials that are left, and the rounds of a cut bracket take the same shares, at least
    one trial. Trials that are not resumed end with the search.

    Parameters
    ----------
    max_epochs : int
        Number of epochs of a full training, R.
    reduction_factor : float
        eta, at least 2.
    mode : {"min", "max"}
        Whether smaller or larger values are better.
    pipelined : bool
        Whether the next bracket begins as soon as a worker is free. By default it waits for the end of the
        bracket before it, as in the paper.

    Raises
    ------
    ConfigurationError
        If eta is less than 2.

    References
    ----------
    L. Li et al., "Hyperband: a novel bandit-based approach to hyperparameter optimization", JMLR 18 (2018),
    algorithm 1.

    Examples
    --------
    >>> scheduler = Hyperband(max_epochs=4, reduction_factor=2)
    >>> for trial_id in ("t0", "t1", "t2", "t3"):
    ...     scheduler.on_trial_add(trial_id, {"lr": 0.1})
    >>> [scheduler.on_trial_result(f"t{i}", 1, 1.0 - i).value for i in range(3)]
    ['pause', 'pause', 'pause']
    >>> scheduler.choose([], ["t0", "t1", "t2"]) is None, scheduler.on_trial_result("t3", 1, 0.0).value
    (True, 'pause')
    >>> scheduler.choose([], ["t0", "t1", "t2", "t3"])
    't2'
    """

    waits_for_rounds = True
    """No trial of a round may be held back by another rule."""

    def __init__(
        self, max_epochs: int, reduction_factor: float = 3.0, mode: Mode = "min", pipelined: bool = False
    ) -> None:
        super().__init__(max_epochs, mode)
        self.reduction_factor = reduction_factor
        self.pipelined = pipelined
        self._shapes = bracket_shapes(max_epochs, reduction_factor)
        self._brackets: list[Bracket] = []
        self._bracket_of: dict[str, Bracket] = {}

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Deal the trial to the first bracket that is not full."""
        if not self._brackets or len(self._brackets[-1].members) == self._brackets[-1].capacity:
            capacity, levels = self._shapes[len(self._brackets) % len(self._shapes)]
            self._brackets.append(Bracket(levels, self.reduction_factor, capacity))
        self._brackets[-1].add(trial_id)
        self._bracket_of[trial_id] = self._brackets[-1]

    def on_trial_complete(self, trial_id: str) -> None:
        """Wait no more for a trial that ended."""
        self._bracket_of[trial_id].leave(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Wait no more for a trial that failed."""
        self._bracket_of[trial_id].leave(trial_id)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the first trial of the first bracket that has one to run."""
        for bracket in self._brackets:
            if bracket.is_done:
                continue
            chosen = next(bracket.waiting(pending, paused), None)
            if chosen is not None or not self.pipelined:
                return chosen
        return None

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        bracket = self._bracket_of[trial_id]
        if not bracket.awaits(trial_id) or epoch < bracket.level:
            return Decision.CONTINUE
        bracket.arrive(trial_id, self._cost(value))
        return Decision.PAUSE
