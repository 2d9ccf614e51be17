"""`OptunaPruner`: a scheduler of this project as the pruner of an Optuna study."""

from __future__ import annotations

import threading
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.integrations.host_scheduler import (
    NEVER_PAUSE,
    Prior,
    make_host_scheduler,
    may_pause,
    read_knowledge,
)
from mlpf_hpo.integrations.optuna_reports import StudyReports, mode_of
from mlpf_hpo.search.schedulers import BUDGET, check_settings
from mlpf_hpo.search.schedulers.checks import check_whole


class OptunaPruner(BasePruner):
    """Prune by a scheduler of this project: ``optuna.create_study(pruner=OptunaPruner("asha", ...))``.

    The n-th value that a trial reports is its epoch n, whatever its steps. All trials of the study count,
    also those of other processes with the same storage; `study.optimize(n_jobs=2)` shares one pruner. After
    a restart the values in the storage are read again.

    A pruner cannot pause: a scheduler that does is refused, see `OptunaLoop`.

    Parameters
    ----------
    name : str
        Of a scheduler that stops: ``asha``, ``median_stopping``; with a predictor also ``full``.
    max_epochs : int
        Number of values that a full training reports; later ones are not judged.
    prior : LearningCurves, CurvePredictor, str or path, optional
        A fitted predictor, or the name of one: a model file, ``models:/MODEL@ALIAS``. The curves of a prior
        campaign only for a scheduler that takes them.
    **settings
        Of the scheduler, as in params.yaml.

    Raises
    ------
    ConfigurationError
        If there is no such scheduler or setting, or it pauses; at the first report, if the prior does not
        fit.
    MissingInputError, DataError, TrackingError
        At the first report, if the prior is not there, or cannot be used.

    Examples
    --------
    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> def objective(trial):
    ...     loss = trial.suggest_float("x", 0, 1)
    ...     for epoch in range(9):
    ...         trial.report(loss + 1 / (epoch + 1), epoch)
    ...         if trial.should_prune():
    ...             raise optuna.TrialPruned
    ...     return loss
    >>> sampler = optuna.samplers.RandomSampler(seed=1)
    >>> study = optuna.create_study(sampler=sampler, pruner=OptunaPruner("asha", max_epochs=9))
    >>> study.optimize(objective, n_trials=9)
    >>> [len(trial.intermediate_values) for trial in study.trials]
    [9, 1, 9, 1, 3, 9, 1, 1, 1]
    """

    def __init__(self, name: str, *, max_epochs: int, prior: Prior | None = None, **settings: Any) -> None:
        if may_pause(name) or BUDGET in settings:
            what = f"scheduler {name}" if may_pause(name) else BUDGET
            raise ConfigurationError(
                f"OptunaPruner: {what} pauses trials, and a pruner can only stop them: take one of "
                f"{', '.join(sorted(NEVER_PAUSE))}, or OptunaLoop"
            )
        check_whole("max_epochs", max_epochs, least=1)
        if prior is None:
            check_settings(name, settings)
        self.name, self.max_epochs, self.prior, self.settings = name, max_epochs, prior, settings
        self._of_study: dict[str, StudyReports] = {}
        self._lock = threading.RLock()

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the scheduler stops a trial after its last value."""
        if trial.last_step is None:
            return False
        with self._lock:  # of threads; other processes have pruners of their own
            reports = self._reports(study)
            reports.read()
            return trial.number in reports.stopped

    def _reports(self, study: optuna.Study) -> StudyReports:
        """Return what was read of a study; a pruner may be used for several."""
        if study.study_name not in self._of_study:
            mode = mode_of(study)
            if self.prior is not None:
                self.prior = read_knowledge(self.prior, mode)
            scheduler = make_host_scheduler(self.name, self.max_epochs, mode, self.prior, self.settings)
            self._of_study[study.study_name] = StudyReports(study, scheduler, self.max_epochs)
        return self._of_study[study.study_name]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what another process reads from the storage by itself."""
        return {**self.__dict__, "_of_study": {}, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())
