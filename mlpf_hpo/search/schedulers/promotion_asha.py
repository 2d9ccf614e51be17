"""`PromotionASHA`: asynchronous successive halving that pauses trials at rungs and promotes the best."""

from __future__ import annotations

from collections.abc import Sequence

from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers.halving import HalvingScheduler


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

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        for level, costs in self._rungs.items():
            if epoch >= level and trial_id not in costs:
                costs[trial_id] = self._cost(value)
                return Decision.PAUSE
        return Decision.CONTINUE

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the best trial that may be promoted from the highest rung, else the first pending one."""
        waiting = set(paused)
        passed: dict[str, float] = {}
        for costs in reversed(self._rungs.values()):
            ranked = sorted(costs, key=lambda trial_id: (costs[trial_id], trial_id))
            best = ranked[: int(len(costs) / self.reduction_factor)]
            for trial_id in best:
                if trial_id in waiting and trial_id not in passed:
                    return trial_id
            passed = costs
        return pending[0] if pending else None
