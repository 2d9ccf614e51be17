"""`RandomSearch`: the first n configurations in full, and no more."""

from __future__ import annotations

from collections.abc import Sequence

from mlpf_hpo.search.scheduler import BaseScheduler, Decision
from mlpf_hpo.search.schedulers.checks import check_whole
from mlpf_hpo.space import Configuration, Mode


class RandomSearch(BaseScheduler):
    """Train the first `n_trials` trials to the end: configurations are drawn at random before.

    Parameters
    ----------
    max_epochs : int
        Number of epochs of a full training.
    n_trials : int
        Number of trials to start.
    mode : {"min", "max"}
        Whether smaller or larger values are better.

    Raises
    ------
    ConfigurationError
        If the number of trials is not positive.

    Examples
    --------
    >>> scheduler = RandomSearch(max_epochs=9, n_trials=1)
    >>> for trial_id in ("t0", "t1"):
    ...     scheduler.on_trial_add(trial_id, {"lr": 0.1})
    >>> scheduler.choose(pending=["t0", "t1"], paused=[]), scheduler.choose(pending=["t1"], paused=[])
    ('t0', None)
    """

    def __init__(self, max_epochs: int, n_trials: int = 1, mode: Mode = "min") -> None:
        super().__init__(max_epochs, mode)
        check_whole("n_trials", n_trials, least=1)
        self.n_trials = n_trials
        self._first: set[str] = set()

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Take the trial if it is one of the first."""
        if len(self._first) < self.n_trials:
            self._first.add(trial_id)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the first pending trial if it is one of those taken."""
        return pending[0] if pending and pending[0] in self._first else None

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        return Decision.CONTINUE
