"""`TopK`: train every trial for a few epochs, then the k best to the end."""

from __future__ import annotations

from collections.abc import Sequence

from mlpf_hpo.search.scheduler import BaseScheduler, Decision
from mlpf_hpo.search.schedulers.checks import check_whole
from mlpf_hpo.space import Configuration, Mode


class TopK(BaseScheduler):
    """Pause every trial after `first_epochs`; when all have arrived there, train the k best to the end.

    One that diverges or fails afterwards is replaced by the next best.

    Parameters
    ----------
    max_epochs : int
        Number of epochs of a full training.
    k : int
        Number of trials to train in full.
    first_epochs : int
        Number of epochs of every trial.
    mode : {"min", "max"}
        Whether smaller or larger values are better.

    Raises
    ------
    ConfigurationError
        If k or the number of first epochs is not possible.

    References
    ----------
    R. Egele et al., "Is one epoch all you need for multi-fidelity hyperparameter optimization?", ESANN 2023,
    arXiv 2307.15422.

    Examples
    --------
    >>> scheduler = TopK(max_epochs=9, k=1)
    >>> for trial_id in ("t0", "t1"):
    ...     scheduler.on_trial_add(trial_id, {"lr": 0.1})
    >>> scheduler.on_trial_result("t0", 1, 3.0).value, scheduler.on_trial_result("t1", 1, 2.0).value
    ('pause', 'pause')
    >>> scheduler.choose(pending=[], paused=["t0", "t1"]), scheduler.choose(pending=[], paused=["t0"])
    ('t1', None)
    """

    def __init__(self, max_epochs: int, k: int = 1, first_epochs: int = 1, mode: Mode = "min") -> None:
        super().__init__(max_epochs, mode)
        check_whole("k", k, least=1)
        check_whole("first_epochs", first_epochs, least=1, most=max_epochs - 1)
        self.k = k
        self.first_epochs = first_epochs
        self._awaited: set[str] = set()
        self._costs: dict[str, float] = {}

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Wait for the trial's first epochs."""
        self._awaited.add(trial_id)

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Pause after the first epochs."""
        decision = super().on_trial_result(trial_id, epoch, value)
        if decision is Decision.STOP:
            self.on_trial_error(trial_id)
        return decision

    def on_trial_complete(self, trial_id: str) -> None:
        """Wait no more for a trial that ended."""
        self._awaited.discard(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Leave a failed trial out of the ranking."""
        self._awaited.discard(trial_id)
        self._costs.pop(trial_id, None)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the first pending trial; when all have arrived, the best of the k best that is paused."""
        if pending or self._awaited:
            return next(iter(pending), None)
        best = sorted(self._costs, key=lambda trial_id: (self._costs[trial_id], trial_id))[: self.k]
        return next((trial_id for trial_id in best if trial_id in paused), None)

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        if epoch != self.first_epochs:
            return Decision.CONTINUE
        self._awaited.discard(trial_id)
        self._costs[trial_id] = self._cost(value)
        return Decision.PAUSE
