"""`OptunaLoop`: a scheduler of this project that pauses and resumes the trials of an Optuna study."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import optuna
from optuna.trial import TrialState as OptunaState

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.integrations.host_ledger import HostLedger
from mlpf_hpo.integrations.host_scheduler import (
    Prior,
    as_configuration,
    make_host_scheduler,
    read_knowledge,
)
from mlpf_hpo.integrations.optuna_reports import StudyReports, mode_of
from mlpf_hpo.search.scheduler import Decision, Scheduler
from mlpf_hpo.search.schedulers.checks import check_whole
from mlpf_hpo.search.schedulers.proposing import OpenConfiguration
from mlpf_hpo.target_metric import TargetMetric

Suggest = Callable[[optuna.Trial], Any]
"""Calls `trial.suggest_...` for all hyperparameters; what it returns is not used."""

TrainEpoch = Callable[[optuna.Trial, int], float]
"""Trains one more epoch of a trial, counted from 1, and returns its value."""


class OptunaLoop:
    """Ask a study for trials, train them epoch by epoch as a scheduler says, tell their ends.

    A trial that is paused stays "running" in the study until it is resumed or the loop ends; whoever trains
    keeps what it needs to go on, such as the network, by `trial.number`. Trials that are stopped or never
    resumed are pruned, with their last value.

    The study's sampler proposes a configuration when its trial starts, and so has seen all results before;
    for a scheduler that chooses among all configurations it proposes them all at once.

    With a storage that other processes share, their values count. No process waits for another's trials.

    Parameters
    ----------
    study : optuna.Study
        With one objective. Its pruner is not used.
    name : str
        Of the scheduler.
    suggest : callable
        Suggests the hyperparameters of a trial.
    n_trials : int
        Number of trials that may start.
    max_epochs : int
        Number of epochs of a full training.
    prior : LearningCurves, CurvePredictor, str or path, optional
        Curves of a prior campaign or a fitted predictor, or the name of one.
    **settings
        Of the scheduler, as in params.yaml.

    Raises
    ------
    ConfigurationError
        If there is no such scheduler, or a setting, a number or the prior does not fit.
    MissingInputError, DataError, TrackingError
        If the prior is not there, or cannot be used.

    Examples
    --------
    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    >>> suggest = lambda trial: trial.suggest_float("x", 0, 1)
    >>> loop = OptunaLoop(study, "promotion_asha", suggest, n_trials=9, max_epochs=9)
    >>> loop.optimize(lambda trial, epoch: trial.params["x"] + 1 / epoch)
    >>> sorted(len(trial.intermediate_values) for trial in study.trials)
    [1, 1, 1, 1, 1, 1, 3, 3, 9]
    """

    def __init__(
        self,
        study: optuna.Study,
        name: str,
        suggest: Suggest,
        *,
        n_trials: int,
        max_epochs: int,
        prior: Prior | None = None,
        **settings: Any,
    ) -> None:
        check_whole("n_trials", n_trials, least=1)
        mode = mode_of(study)
        known = None if prior is None else read_knowledge(prior, mode)
        scheduler = make_host_scheduler(name, max_epochs, mode, known, settings)
        ahead = _reads_ahead(make_host_scheduler(name, max_epochs, mode, known, settings))
        self.study, self.suggest = study, suggest
        self._ledger = HostLedger(scheduler, max_epochs, TargetMetric("value", mode))
        self._others = StudyReports(study, scheduler, max_epochs)
        self._trials: dict[str, optuna.Trial] = {}
        self._open: dict[str, OpenConfiguration] = {}
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        for number in range(n_trials):
            trial_id = f"t{number:06d}"
            self._open[trial_id] = OpenConfiguration()
            if ahead:
                self._ask(trial_id)
            self._ledger.add(trial_id, self._open[trial_id])

    def optimize(self, train_epoch: TrainEpoch, n_jobs: int = 1) -> None:
        """Train until the scheduler has nothing left to run.

        Parameters
        ----------
        train_epoch : callable
            Trains one more epoch of a trial and returns its value; not finite ends the trial, and so does
            `optuna.TrialPruned`.
        n_jobs : int
            Number of threads that train at once, each another trial.

        Raises
        ------
        Exception
            What `train_epoch` raises, once the epochs that other threads train are over. The trial has
            failed; another call goes on with the others.
        """
        check_whole("n_jobs", n_jobs, least=1)
        self._error = None
        with ThreadPoolExecutor(n_jobs) as threads:
            for _ in range(n_jobs):
                threads.submit(self._work, train_epoch)
        if self._error is not None:
            raise self._error

    def _work(self, train_epoch: TrainEpoch) -> None:
        """Run trials until there are none."""
        try:
            while (trial_id := self._next()) is not None:
                while self._train(trial_id, train_epoch):
                    pass
        except BaseException as error:  # raised again by `optimize`, in its thread
            with self._changed:
                self._error = self._error or error
                self._changed.notify_all()

    def _next(self) -> str | None:
        """Return the trial that this thread runs next; None at the end."""
        with self._changed:
            while not self._ledger.all_ended and self._error is None:
                self._others.read(without={trial.number for trial in self._trials.values()})
                chosen = self._ledger.next_trial()
                if chosen is not None:
                    if not self._open[chosen].is_fixed:
                        self._ask(chosen)
                    return chosen
                for trial_id in self._ledger.end_waiting():
                    if trial_id in self._trials:
                        self.study.tell(self._trials[trial_id], state=OptunaState.PRUNED)
                if not self._ledger.all_ended:
                    self._changed.wait()
            self._changed.notify_all()
            return None

    def _train(self, trial_id: str, train_epoch: TrainEpoch) -> bool:
        """Train one epoch; return whether this thread goes on with the trial."""
        trial, epoch = self._trials[trial_id], self._ledger.trials[trial_id].epochs + 1
        try:
            value = float(train_epoch(trial, epoch))
        except optuna.TrialPruned:
            return self._end(trial_id, None)
        except BaseException:
            with self._changed:
                self._ledger.report_failure(trial_id, "failed in training")
                self.study.tell(trial, state=OptunaState.FAIL)
            raise
        trial.report(value, epoch)
        with self._changed:
            decision = self._ledger.report_at(trial_id, epoch, value)
            self._changed.notify_all()
        if decision is Decision.STOP or not math.isfinite(value):
            return self._end(trial_id, value if epoch == self._ledger.max_epochs else None)
        return decision is Decision.CONTINUE and self._error is None

    def _end(self, trial_id: str, value: float | None) -> bool:
        """Tell the end of a trial: pruned, or with its final value."""
        with self._changed:
            self._ledger.report_early_end(trial_id)
            if value is None or not math.isfinite(value):
                self.study.tell(self._trials[trial_id], state=OptunaState.PRUNED)
            else:
                self.study.tell(self._trials[trial_id], value)
            self._changed.notify_all()
        return False

    def _ask(self, trial_id: str) -> None:
        """Let the sampler propose the configuration of a trial."""
        self._trials[trial_id] = trial = self.study.ask()
        self.suggest(trial)
        self._open[trial_id].fix(as_configuration(trial.params))


def _reads_ahead(scheduler: Scheduler) -> bool:
    """Return whether a scheduler reads configurations before it starts a trial, to choose among them."""
    try:
        scheduler.on_trial_add("t0", OpenConfiguration())
        scheduler.choose(["t0"], [])
    except ConfigurationError:
        return True
    return False
