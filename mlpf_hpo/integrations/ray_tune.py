"""`RayTuneScheduler`: any scheduler of this project as the scheduler of a Ray Tune script."""

from __future__ import annotations

import logging
from typing import Any

import ray
from ray.tune import Trainable
from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import BasicVariantGenerator
from ray.tune.trainable.function_trainable import FunctionTrainable

from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.integrations.host_ledger import HostLedger
from mlpf_hpo.integrations.host_scheduler import (
    STOPPING,
    Prior,
    as_configuration,
    check_mode,
    make_host_scheduler,
    make_stopping_variant,
    read_knowledge,
)
from mlpf_hpo.search.scheduler import Decision, Scheduler
from mlpf_hpo.search.schedulers import SCHEDULERS
from mlpf_hpo.space import Mode
from mlpf_hpo.target_metric import TargetMetric

log = logging.getLogger(__name__)


class RayTuneScheduler(TrialScheduler):
    """A scheduler of this project for `ray.tune.TuneConfig(scheduler=...)`; the script stays as it is.

    Where Tune's own generator makes all configurations (grids and random samples), trials wait until the
    scheduler chooses them, so that it may choose among all. Where a search algorithm proposes them, one by
    one, they start as they come.

    A scheduler that pauses needs checkpoints: a function that reports one with its metrics, or a class with
    `save_checkpoint` and `load_checkpoint`. At the first pause without one a warning says so, and a stopping
    scheduler, ``asha``, takes over with all that was reported.

    Parameters
    ----------
    name : str
        Of the scheduler.
    metric, mode : str, optional
        The metric that trials report, and "min" or "max"; here or in `TuneConfig`.
    max_epochs : int
        Number of reports of a full training; a trial stops there.
    prior : LearningCurves, CurvePredictor, str or path, optional
        Curves of a prior campaign or a fitted predictor, or the name of one: a file of either, a shipped data
        set, ``models:/MODEL@ALIAS``.
    time_attr : str
        What grows from report to report.
    **settings
        Of the scheduler, as in params.yaml.

    Raises
    ------
    ConfigurationError
        If there is no such scheduler, or a setting or the prior does not fit.
    MissingInputError, DataError, TrackingError
        If the prior is not there, or cannot be used.

    Examples
    --------
    >>> RayTuneScheduler("promotion_asha", "loss", "min", max_epochs=27, reduction_factor=3).debug_string()
    'promotion_asha'
    >>> RayTuneScheduler("freeze_thau", "loss", "min", max_epochs=27)
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: no scheduler 'freeze_thau' (did you mean freeze_thaw?); there are: ...
    """

    _supports_buffered_results = False  # a pause is due at once

    def __init__(
        self,
        name: str,
        metric: str | None = None,
        mode: Mode | None = None,
        *,
        max_epochs: int,
        prior: Prior | None = None,
        time_attr: str = "training_iteration",
        **settings: Any,
    ) -> None:
        super().__init__()
        self.name, self.max_epochs, self.prior, self.time_attr = name, max_epochs, prior, time_attr
        self.settings = settings
        self._metric, self._mode = metric, mode
        if mode is not None:  # whatever is wrong is said now
            self._make_scheduler(mode)
        SCHEDULERS.check(name)
        self._ledger: HostLedger | None = None
        self._chosen: str | None = None  # by the scheduler, and does not run yet
        self._handed_over: str | None = None  # the same, when Tune has it
        self._holds: bool | None = None  # whether trials wait until they are chosen
        self._limit = 0  # of trials at once, if the script has one
        self._error: Exception | None = None

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take metric and mode of `TuneConfig`, unless they were given before."""
        if (self._metric and metric) or (self._mode and mode):
            return False
        self._metric, self._mode = self._metric or metric, self._mode or mode  # type: ignore[assignment]
        if not self._metric or not self._mode:
            raise ConfigurationError(
                "RayTuneScheduler: metric and mode are not known; give both here or to TuneConfig"
            )
        target = TargetMetric(self._metric, self._mode)
        self._ledger = HostLedger(self._make_scheduler(self._mode), self.max_epochs, target)
        return True

    @property
    def ledger(self) -> HostLedger:
        """All trials, with what was reported and decided."""
        if self._ledger is None:
            raise ConfigurationError("RayTuneScheduler: no search has begun")
        return self._ledger

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Add a trial; hold it back where the scheduler chooses among all."""
        if self._holds is None:
            self._holds = self._take_over_starts(tune_controller.search_alg)
        known = trial.trial_id in self.ledger.trials
        if not known and (trial.is_finished() or trial.run_metadata.last_result):
            raise ConfigurationError(
                "RayTuneScheduler: Tuner.restore is not supported: Tune gives a scheduler no results from "
                "before; begin a new experiment, with the curves of this one as prior"
            )
        if not known:
            self.ledger.add(trial.trial_id, as_configuration(trial.evaluated_params or trial.config))
        if self._holds and not known and trial.status == Trial.PENDING:
            trial.init_local_path()  # without which a trial that never starts has no result
            trial.set_status(Trial.PAUSED)  # Tune starts by itself what is pending
        else:
            self.ledger.begin(trial.trial_id)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Return the scheduler's decision in Tune's words."""
        if self._error is not None:
            return str(self.CONTINUE)
        try:
            decision = self._report(trial, result)
        except Exception as error:  # let out where Tune makes no long text of it
            self._error = error
            return str(self.CONTINUE)
        words = {Decision.CONTINUE: self.CONTINUE, Decision.PAUSE: self.PAUSE, Decision.STOP: self.STOP}
        return str(words[decision])

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Record the end; the last report, too, where a stop criterion of the script kept it back."""
        if self._error is None:
            if self._metric in result and self.time_attr in result:
                self._report(trial, result, last=True)
            self.ledger.report_early_end(trial.trial_id)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Record the end of a trial that waited."""
        ours = self.ledger.trials[trial.trial_id]
        if not ours.status:
            self.ledger.report_early_end(trial.trial_id, "removed")

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Record that a trial failed, unless Tune tries it again."""
        if trial.status != Trial.ERROR:  # which it is already where it is tried again
            self.ledger.report_failure(trial.trial_id, "failed in Tune")

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return the trial that the scheduler starts or resumes next; end those that it never will."""
        if self._error is not None:
            raise self._error
        trials = {trial.trial_id: trial for trial in tune_controller.get_trials()}
        if self._handed_over and trials[self._handed_over].status not in (Trial.PENDING, Trial.PAUSED):
            self._chosen = self._handed_over = None
        busy = [one for one in trials.values() if one.status in (Trial.PENDING, Trial.RUNNING)]
        if self._chosen is None and self._has_room(trials, len(busy)):
            self._chosen = self.ledger.next_trial()
        if self._chosen is not None:
            if trials[self._chosen].status == Trial.RUNNING:
                return None  # it is just being paused
            self._handed_over = self._chosen
            return trials[self._chosen]
        if not busy:
            for trial_id in self.ledger.end_waiting():
                tune_controller.stop_trial(trials[trial_id])
        return None

    def debug_string(self) -> str:
        """Return the scheduler's name."""
        return self.name

    def _make_scheduler(self, mode: Mode) -> Scheduler:
        check_mode(mode)
        if self.prior is not None:
            self.prior = read_knowledge(self.prior, mode)  # once: it may be far away
        return make_host_scheduler(self.name, self.max_epochs, mode, self.prior, self.settings)

    def _take_over_starts(self, search_alg: Any) -> bool:
        """Return whether all configurations are known at once; then the limit of trials at once is kept here.

        Tune's own limit counts trials that wait, of which all must be known to choose among them.
        """
        if not isinstance(search_alg, BasicVariantGenerator) or not 0 < search_alg.total_samples < 10**6:
            return False
        self._limit, search_alg.max_concurrent = search_alg.max_concurrent, 0
        return True

    def _report(self, trial: Trial, result: dict[str, Any], last: bool = False) -> Decision:
        if self.time_attr not in result:
            hint = did_you_mean(self.time_attr, result)
            raise ConfigurationError(f"RayTuneScheduler: time_attr: trials report no {self.time_attr}{hint}")
        value = self.ledger.target.value_in(result, f"trial {trial.trial_id}")
        decision = self.ledger.report_at(trial.trial_id, float(result[self.time_attr]), value)
        if decision is Decision.PAUSE and not last and not _saves(trial, result):
            return self._stop_instead()
        return decision

    def _stop_instead(self) -> Decision:
        target = self.ledger.target
        log.warning(
            "%s pauses trials, but the trainable saves no checkpoint, without which a paused trial would "
            "begin anew: %s, which only stops, takes over. Report a checkpoint with the metrics "
            "(tune.report(metrics, checkpoint=...)), or write save_checkpoint and load_checkpoint, to pause",
            self.name,
            STOPPING,
        )
        variant = make_stopping_variant(self.max_epochs, target.mode, self.prior, self.settings)
        return self.ledger.replace_scheduler(variant)

    def _has_room(self, trials: dict[str, Trial], n_busy: int) -> bool:
        """Return whether another trial could start now, so that it is chosen no earlier than it must be."""
        if self._limit and n_busy >= self._limit:
            return False
        available = ray.cluster_resources()
        needed = next(iter(trials.values())).placement_group_factory.required_resources if trials else {}
        room = [available.get(name, 0.0) / amount for name, amount in needed.items() if amount > 0]
        return n_busy < max(1, int(min(room, default=1)))


def _saves(trial: Trial, result: dict[str, Any]) -> bool:
    """Return whether a trial can be resumed."""
    kind = trial.get_trainable_cls()
    if issubclass(kind, FunctionTrainable):
        return bool(result.get(SHOULD_CHECKPOINT)) or trial.has_checkpoint()
    return kind.save_checkpoint is not Trainable.save_checkpoint
