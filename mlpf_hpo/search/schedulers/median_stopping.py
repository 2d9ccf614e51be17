"""`MedianStopping`: stop a trial whose best value is worse than the median of the others' running means."""

from __future__ import annotations

import numpy as np

from mlpf_hpo.search.scheduler import BaseScheduler, Decision, Stop
from mlpf_hpo.search.schedulers.checks import check_whole
from mlpf_hpo.space import Mode


class MedianStopping(BaseScheduler):
    """The rule of Ray Tune's `MedianStoppingRule`, and of Vizier.

    After an epoch a trial is compared with the other trials that came at least as far: it stops if its best
    value so far is worse than the median of their mean values since `grace_epochs`, up to the same epoch. It
    goes on where fewer than `least_trials` others came as far. (There Ray pauses a trial in favour of others
    if asked to; this rule never pauses.)

    Parameters
    ----------
    max_epochs : int
        Number of epochs of a full training.
    grace_epochs : int
        First epoch after which a trial may be stopped, and first that counts in the means.
    least_trials : int
        Least number of other trials to compare with.
    mode : {"min", "max"}
        Whether smaller or larger values are better.

    Raises
    ------
    ConfigurationError
        If one of the numbers is not possible.

    References
    ----------
    D. Golovin et al., "Google Vizier: a service for black-box optimization", KDD 2017, section 3.2.2.

    Examples
    --------
    >>> scheduler = MedianStopping(max_epochs=9, least_trials=1)
    >>> scheduler.on_trial_result("t0", 1, 1.0).value, scheduler.on_trial_result("t1", 1, 2.0).value
    ('continue', 'stop')
    """

    def __init__(
        self, max_epochs: int, grace_epochs: int = 1, least_trials: int = 3, mode: Mode = "min"
    ) -> None:
        super().__init__(max_epochs, mode)
        check_whole("grace_epochs", grace_epochs, least=1, most=max_epochs)
        check_whole("least_trials", least_trials, least=1)
        self.grace_epochs = grace_epochs
        self.least_trials = least_trials
        self._best: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._means: list[dict[str, float]] = [{} for _ in range(max_epochs)]  # by epoch, of each trial

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Record the value, also of the last epoch, and decide."""
        if np.isfinite(value) and epoch <= self.max_epochs:
            cost = self._cost(value)
            self._best[trial_id] = min(cost, self._best.get(trial_id, cost))
            if epoch >= self.grace_epochs:
                self._sums[trial_id] = self._sums.get(trial_id, 0.0) + cost
                self._means[epoch - 1][trial_id] = self._sums[trial_id] / (epoch - self.grace_epochs + 1)
        return super().on_trial_result(trial_id, epoch, value)

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        means = self._means[epoch - 1]
        if epoch < self.grace_epochs or len(means) - 1 < self.least_trials:
            return Decision.CONTINUE
        median = float(np.median([mean for other, mean in means.items() if other != trial_id]))
        if self._best[trial_id] <= median:
            return Decision.CONTINUE
        return self._stop(Stop(trial_id, epoch, value, "rank", threshold=self._cost(median)))
