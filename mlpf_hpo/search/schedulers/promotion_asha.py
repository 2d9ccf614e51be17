"""`PromotionASHA`: asynchronous successive halving that pauses trials at rungs and promotes the best."""

from __future__ import annotations

from collections.abc import Sequence

from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers.halving import HalvingScheduler
from mlpf_hpo.search.schedulers.rung import Rung
from mlpf_hpo.space import Mode


class PromotionASHA(HalvingScheduler):
    """Pause every trial at its next rung; a free worker resumes one of the best, or starts a new trial.

    At a rung where n trials have arrived, the best floor(n / eta) may go on, of equal ones those with the
    first identifiers: whichever order they arrived in. Higher rungs come first.
    Trials that are never promoted end when nothing else is left to run; of fewer trials than eta to the
    power of the number of rungs, none may be trained to the end.

    Parameters
    ----------
    max_epochs, grace_epochs, reduction_factor, mode
        As for `StoppingASHA`.

    References
    ----------
    L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020, arXiv 1810.05934,
    algorithm 2.

    Examples
    --------
    >>> scheduler = PromotionASHA(max_epochs=16, reduction_factor=2)
    >>> for trial_id, value in (("good", 1.0), ("bad", 2.0)):
    ...     scheduler.on_trial_add(trial_id, {"lr": 0.1})
    ...     print(scheduler.on_trial_result(trial_id, 1, value).value)
    pause
    pause
    >>> scheduler.choose(pending=["new"], paused=["good", "bad"])
    'good'
    """

    def __init__(
        self,
        max_epochs: int,
        grace_epochs: int = 1,
        reduction_factor: float = 3.0,
        mode: Mode = "min",
    ) -> None:
        super().__init__(max_epochs, grace_epochs, reduction_factor, mode)
        # Level -> the trials that have not gone on from there.
        self._staying = {level: Rung() for level in self._rungs}
        # The trial chosen last; unless it is still paused at the next choice, it has gone on.
        self._chosen = ""

    def on_trial_complete(self, trial_id: str) -> None:
        """Promote a trial that ended no more."""
        self._leave(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Promote a failed trial no more."""
        self._leave(trial_id)

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        for level, rung in self._rungs.items():
            if epoch >= level and trial_id not in rung:
                self._leave(trial_id)
                rung.record(trial_id, self._cost(value))
                self._staying[level].record(trial_id, self._cost(value))
                return Decision.PAUSE
        return Decision.CONTINUE

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the best trial that may be promoted from the highest rung, else the first pending one."""
        if self._chosen not in paused:
            self._leave(self._chosen)
        self._chosen = self._promoted(paused) or ""
        return self._chosen or (pending[0] if pending else None)

    def _promoted(self, paused: Sequence[str]) -> str | None:
        """Return the best trial that may be promoted from the highest rung."""
        for level, rung in reversed(self._rungs.items()):
            n_best = int(len(rung) / self.reduction_factor)
            if not n_best:
                continue
            last = rung.ranked[n_best - 1]
            for entry in self._staying[level].ranked:
                if entry > last:
                    break
                if entry[1] in paused:
                    return entry[1]
        return None

    def _leave(self, trial_id: str) -> None:
        for staying in self._staying.values():
            staying.discard(trial_id)
        if trial_id == self._chosen:
            self._chosen = ""
