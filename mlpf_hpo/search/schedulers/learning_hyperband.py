"""`LearningHyperband`: Hyperband that learns during the search how its rounds end."""

from __future__ import annotations

import math

from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers.brackets import Bracket
from mlpf_hpo.search.schedulers.hyperband import Hyperband
from mlpf_hpo.search.schedulers.round_models import RoundModels
from mlpf_hpo.space import Configuration, Mode


class LearningHyperband(Hyperband):
    """Base class of Hyperbands that predict in their rounds; brackets follow one another.

    Parameters
    ----------
    max_epochs, reduction_factor, mode
        As for `Hyperband`.
    models : RoundModels
        Gets the curve of every trial, and learns from those that `_arrive` keeps.
    """

    def __init__(self, max_epochs: int, reduction_factor: float, mode: Mode, models: RoundModels) -> None:
        super().__init__(max_epochs, reduction_factor, mode)
        self._models = models

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Deal the trial to a bracket."""
        super().on_trial_add(trial_id, configuration)
        self._models.add(trial_id, configuration)

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch."""
        bracket = self._bracket_of[trial_id]
        if math.isfinite(value):
            self._models.costs[trial_id].append(self._cost(value))
            if bracket.awaits(trial_id):
                self._arrive(bracket, trial_id, epoch)
        return super().on_trial_result(trial_id, epoch, value)

    def _arrive(self, bracket: Bracket, trial_id: str, epoch: int) -> None:
        """Learn from a trial of a round once it comes to its level; called after each of its epochs."""
        if epoch == bracket.level:
            self._models.keep(trial_id, epoch)
