"""`FastHyperband`: Hyperband that gives a trial up in a round as soon as it will hardly be kept."""

from __future__ import annotations

from scipy.stats import norm

from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers.checks import check_share
from mlpf_hpo.search.schedulers.learning_hyperband import LearningHyperband
from mlpf_hpo.search.schedulers.round_models import RoundModels
from mlpf_hpo.space import Mode

SHAPES = ("prefix", "differences", "second_differences")


class FastHyperband(LearningHyperband):
    """Hyperband with a decision after every epoch of a round.

    Once enough trials came to a round's level, in whatever bracket, a model for each number of observed
    epochs predicts the value at that level from hyperparameters, curve, and its first and second differences.
    A trial is given up if the chance that it will be among those that the round keeps is less than
    1 - `confidence`: the chance that a Gaussian around the prediction, as wide as the model's errors out of
    fold, lies below the cost of the worst trial that would be kept of those that are done. Until as many are
    done, none is given up. Brackets follow one another.

    Parameters
    ----------
    max_epochs, reduction_factor, mode
        As for `Hyperband`.
    regressor : {"nu_svr", "qsvr"}
        Classical support vector regression, or the one that is trained as a QUBO.
    least_curves : int
        Number of curves that a model is fitted on, at least.
    confidence : float
        How sure a trial is given up; Delta of the paper.

    Raises
    ------
    ConfigurationError
        If a setting is not possible.

    References
    ----------
    B. Baker et al., "Accelerating neural architecture search using performance prediction", 2017, arXiv
    1705.10823, section 4.2.

    Examples
    --------
    >>> FastHyperband(max_epochs=9, confidence=1)
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: confidence must be a number between 0 and 1, both excluded, found 1
    """

    def __init__(
        self,
        max_epochs: int,
        reduction_factor: float = 3.0,
        mode: Mode = "min",
        regressor: str = "nu_svr",
        least_curves: int = 15,
        confidence: float = 0.95,
    ) -> None:
        models = RoundModels(regressor, least_curves, SHAPES, hyperparameters=True)
        super().__init__(max_epochs, reduction_factor, mode, models)
        check_share("confidence", confidence)
        self.confidence = confidence

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        bracket = self._bracket_of[trial_id]
        if bracket.awaits(trial_id) and epoch < bracket.level and self._is_hopeless(trial_id, epoch):
            bracket.leave(trial_id)
            return Decision.PAUSE
        return super()._decide(trial_id, epoch, value)

    def _is_hopeless(self, trial_id: str, epoch: int) -> bool:
        """Return whether a trial will hardly be among those that the round keeps."""
        bracket = self._bracket_of[trial_id]
        done = sorted(self._models.done(bracket.entrants, bracket.level))
        if len(done) < bracket.n_next:
            return False
        model = self._models.model(bracket.level, epoch)
        if model is None:
            return False
        (predicted,) = self._models.predict(model, [trial_id], bracket.level)
        chance = norm.cdf((done[bracket.n_next - 1] - predicted) / max(model.error, 1e-300))
        return bool(chance < 1 - self.confidence)
