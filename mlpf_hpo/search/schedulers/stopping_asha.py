"""`StoppingASHA`: asynchronous successive halving that stops trials outside the best 1/eta at a rung."""

from __future__ import annotations

from mlpf_hpo.search.scheduler import Decision, Stop
from mlpf_hpo.search.schedulers.halving import HalvingScheduler
from mlpf_hpo.search.schedulers.rung import Rung
from mlpf_hpo.space import Mode

ROUNDING = 1e-9
"""In percent: a trial that is itself the limit passes whatever the rounding of 1/eta."""


class StoppingASHA(HalvingScheduler):
    """The stopping rule of Ray Tune's `AsyncHyperBandScheduler` with one bracket, or syne-tune's.

    At the first epoch that reaches a rung grace * eta^k, a trial is compared with the values that *earlier*
    trials left there: it stops if it is worse than their best-1/eta quantile (linear interpolation). The
    first to arrive passes, and so does a trial that equals the limit: of equal values, none is stopped. The
    value is recorded whether the trial passes or not.

    Parameters
    ----------
    max_epochs : int
        Number of epochs of a full training; there is no rung at or above it.
    grace_epochs : int
        First rung.
    reduction_factor : float
        eta.
    mode : {"min", "max"}
        Whether smaller or larger values are better.
    own_value : bool
        Whether the trial's own value counts among those that it is compared with: syne-tune's rule, under
        which fewer pass. By default it does not: Ray's rule.

    References
    ----------
    L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020, arXiv 1810.05934; the
    stopping variants are those of Ray Tune 2 and syne-tune 0.13 (`hyperband_stopping`).

    Examples
    --------
    >>> scheduler = StoppingASHA(max_epochs=16, reduction_factor=2)
    >>> for trial_id in ("good", "bad"):
    ...     scheduler.on_trial_add(trial_id, {"lr": 0.1})
    >>> scheduler.on_trial_result("good", 1, 1.0).value, scheduler.on_trial_result("bad", 1, 2.0).value
    ('continue', 'stop')
    >>> print(scheduler.stops["bad"])
    rank after epoch 1: 2, limit 1
    """

    def __init__(
        self,
        max_epochs: int,
        grace_epochs: int = 1,
        reduction_factor: float = 3.0,
        mode: Mode = "min",
        own_value: bool = False,
    ) -> None:
        super().__init__(max_epochs, grace_epochs, reduction_factor, mode)
        self.own_value = own_value

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        threshold = self._pass_rung(trial_id, epoch, value)
        if threshold is None:
            return Decision.CONTINUE
        return self._stop(Stop(trial_id, epoch, value, "rank", threshold=threshold))

    def _pass_rung(self, trial_id: str, epoch: int, value: float) -> float | None:
        """Record a value where the trial reaches a rung; return the limit if it fails to reach it."""
        for level, recorded in reversed(self._rungs.items()):
            if epoch < level or trial_id in recorded:
                continue
            # Rewards, and the quantile of rewards, as Ray computes them: the last digit decides ties.
            reward = -self._cost(value)
            if self.own_value:
                recorded.record(trial_id, reward)
            limit = self._limit(recorded)
            if not self.own_value:
                recorded.record(trial_id, reward)
            return None if limit is None or reward >= limit else -self._cost(limit)
        return None

    def _limit(self, recorded: Rung) -> float | None:
        if not recorded:
            return None
        percent = (1 - 1 / self.reduction_factor) * 100 - (ROUNDING if self.own_value else 0)
        return recorded.percentile(percent)
