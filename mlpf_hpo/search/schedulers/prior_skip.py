"""`PriorSkip`: another scheduler, without the trials that are worst by a prior campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.prior_ranking import rank_by_prior, require_prior
from mlpf_hpo.search.scheduler import Decision, Scheduler, Stop
from mlpf_hpo.search.schedulers.checks import check_share
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.waiting_trials import WaitingTrials
from mlpf_hpo.space import Configuration, Mode


class PriorSkip:
    """Follow a scheduler that only gets the trials whose hyperparameters promise good final values.

    The worst share by the prior, rounded down, is never started.

    Parameters
    ----------
    scheduler : Scheduler
        Decides on the others, which it gets in their order.
    share : float
        Share of the trials to skip.
    mode : {"min", "max"}
        Whether smaller or larger values are better.
    prior : LearningCurves
        Curves of the prior campaign, see `rank_by_prior`.

    Raises
    ------
    ConfigurationError, DataError
        If the share is not possible; if there is no prior, or it has another mode, or too few final values.

    Examples
    --------
    >>> from mlpf_hpo import FullTraining, LearningCurves, TargetMetric
    >>> rates = [0.1, 0.2, 0.3, 0.4, 0.5]
    >>> losses = [[1.0, rate] for rate in rates]
    >>> target = TargetMetric("loss", "min")
    >>> prior = LearningCurves.from_arrays([{"lr": rate} for rate in rates], losses, target)
    >>> scheduler = PriorSkip(FullTraining(), share=0.5, prior=prior)
    >>> for trial_id, rate in (("t0", 0.45), ("t1", 0.15)):
    ...     scheduler.on_trial_add(trial_id, {"lr": rate})
    >>> scheduler.choose(pending=["t0", "t1"], paused=[]), scheduler.choose(pending=["t0"], paused=[])
    ('t1', None)
    """

    def __init__(
        self, scheduler: Scheduler, share: float, mode: Mode = "min", prior: LearningCurves | None = None
    ) -> None:
        check_share("share", share)
        self.scheduler = scheduler
        if hasattr(scheduler, "max_epochs"):
            self.max_epochs: int = scheduler.max_epochs
        self.share = share
        self.mode: Mode = mode
        self.prior = require_prior(prior, mode, "prior_skip")
        self._configurations: dict[str, Configuration] = {}
        self._kept: frozenset[str] = frozenset()

    @property
    def stops(self) -> Mapping[str, Stop]:
        """Why the scheduler stopped each trial that it stopped."""
        return self.scheduler.stops

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Record the hyperparameters; the scheduler gets the trial once all are known."""
        self._configurations[trial_id] = configuration

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch."""
        self._skip()
        return self.scheduler.on_trial_result(trial_id, epoch, value)

    def on_trial_complete(self, trial_id: str) -> None:
        """Pass the end of a trial on, unless it was skipped."""
        if trial_id in self._kept:
            self.scheduler.on_trial_complete(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Pass the failure of a trial on."""
        self._skip()
        self.scheduler.on_trial_error(trial_id)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return what the scheduler chooses of the trials that are not skipped."""
        self._skip()
        kept = WaitingTrials(trial_id for trial_id in pending if trial_id in self._kept)
        return self.scheduler.choose(kept, paused)

    def _skip(self) -> None:
        """Rank all trials at the first call after they were added, and give the scheduler the good ones."""
        if self._kept:
            return
        ranked = rank_by_prior(self.prior, self._configurations)
        self._kept = frozenset(ranked[: len(ranked) - int(self.share * len(ranked))])
        for trial_id, configuration in self._configurations.items():
            if trial_id in self._kept:
                self.scheduler.on_trial_add(trial_id, configuration)


def prior_skip(
    max_epochs: int,
    share: float = 0.5,
    grace_epochs: int = 1,
    reduction_factor: float = 3.0,
    mode: Mode = "min",
    prior: LearningCurves | None = None,
) -> PriorSkip:
    """Return `PriorSkip` around `PromotionASHA`.

    Examples
    --------
    >>> prior_skip(max_epochs=9, share=1.0)
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: share must be a number between 0 and 1, both excluded, found 1.0
    """
    promotion = PromotionASHA(max_epochs, grace_epochs, reduction_factor, mode)
    return PriorSkip(promotion, share, mode, prior)
