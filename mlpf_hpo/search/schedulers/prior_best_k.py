"""`PriorBestK`: train the k best by a prior campaign in full, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.prior_ranking import rank_by_prior, require_prior
from mlpf_hpo.search.scheduler import BaseScheduler, Decision
from mlpf_hpo.search.schedulers.checks import check_whole
from mlpf_hpo.space import Configuration, Mode


class PriorBestK(BaseScheduler):
    """Train the k trials whose hyperparameters promise the best final values, best first; start no other.

    A null: no epoch of the search itself is used for a decision. Whatever else decides on the same prior has
    to do better.

    Parameters
    ----------
    max_epochs : int
        Number of epochs of a full training.
    k : int
        Number of trials to train.
    mode : {"min", "max"}
        Whether smaller or larger values are better.
    prior : LearningCurves
        Curves of the prior campaign, see `rank_by_prior`.

    Raises
    ------
    ConfigurationError, DataError
        If k is not possible; if there is no prior, or it has another mode, or too few final values.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> rates = [0.1, 0.2, 0.3, 0.4, 0.5]
    >>> losses = [[1.0, rate] for rate in rates]
    >>> target = TargetMetric("loss", "min")
    >>> prior = LearningCurves.from_arrays([{"lr": rate} for rate in rates], losses, target)
    >>> scheduler = PriorBestK(max_epochs=2, k=1, prior=prior)
    >>> for trial_id, rate in (("t0", 0.45), ("t1", 0.15)):
    ...     scheduler.on_trial_add(trial_id, {"lr": rate})
    >>> scheduler.choose(pending=["t0", "t1"], paused=[]), scheduler.choose(pending=["t0"], paused=[])
    ('t1', None)
    """

    def __init__(
        self, max_epochs: int, k: int = 1, mode: Mode = "min", prior: LearningCurves | None = None
    ) -> None:
        super().__init__(max_epochs, mode)
        check_whole("k", k, least=1)
        self.k = k
        self.prior = require_prior(prior, mode, "prior_best_k")
        self._configurations: dict[str, Configuration] = {}
        self._best: list[str] = []

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Record the hyperparameters."""
        self._configurations[trial_id] = configuration
        self._best = []

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the best of the k best that has not started."""
        self._best = self._best or rank_by_prior(self.prior, self._configurations)[: self.k]
        return next((trial_id for trial_id in self._best if trial_id in pending), None)

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        return Decision.CONTINUE
