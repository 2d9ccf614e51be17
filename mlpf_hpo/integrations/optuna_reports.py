"""`StudyReports`: what an Optuna study holds, passed on to a scheduler."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.integrations.host_scheduler import as_configuration
from mlpf_hpo.search.scheduler import Decision, Scheduler
from mlpf_hpo.space import Mode

if TYPE_CHECKING:
    import optuna


class StudyReports:
    """Reads a study, and passes on to a scheduler what it has not passed on yet.

    The n-th value of a trial is its epoch n, whatever its steps. The storage keeps no order of reports: those
    that are new are passed on by their epochs, of one epoch by the numbers of their trials.

    Parameters
    ----------
    study : optuna.Study
        With one objective.
    scheduler : Scheduler
        A fresh one.
    max_epochs : int
        Number of epochs of a full training; later ones are not passed on.

    Attributes
    ----------
    stopped : set of int
        Numbers of the trials that the scheduler stopped.
    """

    def __init__(self, study: optuna.Study, scheduler: Scheduler, max_epochs: int) -> None:
        self.study, self.scheduler, self.max_epochs = study, scheduler, max_epochs
        self.stopped: set[int] = set()
        self._epochs: dict[int, int] = {}  # passed on
        self._ended: set[int] = set()

    def read(self, without: Collection[int] = ()) -> None:
        """Pass on what is new, but for trials that are reported otherwise, by their numbers."""
        trials = [
            trial
            for trial in self.study.get_trials(deepcopy=False)
            if trial.number not in self._ended and trial.number not in without and trial.intermediate_values
        ]
        new = []
        for trial in trials:
            if trial.number not in self._epochs:
                self._epochs[trial.number] = 0
                self.scheduler.on_trial_add(_name(trial.number), as_configuration(trial.params))
            values = [value for _, value in sorted(trial.intermediate_values.items())][: self.max_epochs]
            begin = self._epochs[trial.number]
            new += [(begin + i, trial.number, value) for i, value in enumerate(values[begin:], start=1)]
        for epoch, number, value in sorted(new, key=lambda report: report[:2]):
            self._epochs[number] = epoch
            decision = self.scheduler.on_trial_result(_name(number), epoch, value)
            if decision is Decision.STOP or not math.isfinite(value):
                self.stopped.add(number)
        for trial in trials:
            if trial.state.is_finished():
                self._ended.add(trial.number)
                failed = trial.state.name == "FAIL"
                end = self.scheduler.on_trial_error if failed else self.scheduler.on_trial_complete
                end(_name(trial.number))


def mode_of(study: optuna.Study) -> Mode:
    """Return the mode of a study.

    Raises
    ------
    ConfigurationError
        If it has several objectives.

    Examples
    --------
    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> mode_of(optuna.create_study(direction="maximize"))
    'max'
    """
    if len(study.directions) > 1:
        raise ConfigurationError(
            f"study {study.study_name}: {len(study.directions)} objectives; a learning curve is of one"
        )
    return "max" if study.direction.name == "MAXIMIZE" else "min"


def _name(number: int) -> str:
    """Return what a scheduler calls a trial: names sort as numbers do."""
    return f"optuna-{number:09d}"
