"""`SyneTuneScheduler`: any scheduler of this project in syne-tune 0.16, its backends and its simulator."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.integrations.host_ledger import HostLedger
from mlpf_hpo.integrations.host_scheduler import Prior, as_configuration, make_host_scheduler
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers.checks import check_whole
from mlpf_hpo.search.trial_state import TrialState
from mlpf_hpo.space import Configuration
from mlpf_hpo.target_metric import TargetMetric

try:
    from syne_tune import Tuner
    from syne_tune.config_space import Domain
    from syne_tune.optimizer.scheduler import SchedulerDecision, TrialScheduler, TrialSuggestion
except ImportError as missing:  # not installed, or of another interface: said where it is used
    MISSING: ImportError | None = missing
    Tuner = TrialScheduler = object
else:
    MISSING = None

log = logging.getLogger(__name__)


class SyneTuneScheduler(TrialScheduler):
    """A scheduler of this project for `syne_tune.Tuner(scheduler=...)`.

    All configurations are known from the start, so that a scheduler may choose among them: the given ones,
    then random ones.

    syne-tune's own tuner has no idle workers: where a scheduler waits for running trials before it resumes a
    paused one, the search would end. `PatientTuner` waits.

    Parameters
    ----------
    name : str
        Of the scheduler.
    config_space : mapping
        Name -> a domain of syne-tune, or a constant, which every trial gets.
    metric : str
        What trials report.
    do_minimize : bool
        Whether small values are good.
    n_trials : int
        Number of configurations.
    max_epochs : int
        Number of reports of a full training; a trial stops there.
    time_attr : str
        What grows from report to report.
    prior : LearningCurves, CurvePredictor, str or path, optional
        Curves of a prior campaign or a fitted predictor, or the name of one.
    points_to_evaluate : sequence of mapping, optional
        First configurations.
    random_seed : int
        Of the others.
    **settings
        Of the scheduler, as in params.yaml.

    Raises
    ------
    ConfigurationError
        If syne-tune is not installed, there is no such scheduler, or a setting or the prior does not fit.
    MissingInputError, DataError, TrackingError
        If the prior is not there, or cannot be used.
    """

    def __init__(
        self,
        name: str,
        config_space: Mapping[str, Any],
        metric: str,
        do_minimize: bool = True,
        *,
        n_trials: int,
        max_epochs: int,
        time_attr: str = "epoch",
        prior: Prior | None = None,
        points_to_evaluate: Sequence[Configuration] = (),
        random_seed: int = 0,
        **settings: Any,
    ) -> None:
        if MISSING is not None:
            raise ConfigurationError(
                f"SyneTuneScheduler needs syne-tune 0.16: pip install 'mlpf_hpo[syne-tune]' ({MISSING})"
            )
        super().__init__(random_seed=random_seed)
        check_whole("n_trials", n_trials, least=1)
        target = TargetMetric(metric, "min" if do_minimize else "max")
        scheduler = make_host_scheduler(name, max_epochs, target.mode, prior, settings)
        self.name, self.config_space, self.time_attr = name, dict(config_space), time_attr
        self.is_patient = False
        self._ledger = HostLedger(scheduler, max_epochs, target)
        self._ours: dict[int, str] = {}  # by syne-tune's number of the trial
        self._theirs: dict[str, int] = {}
        self._started = ""
        for number, configuration in enumerate(self._configurations(n_trials, points_to_evaluate)):
            self._ledger.add(f"t{number:06d}", configuration)

    @property
    def waits(self) -> bool:
        """Whether trials run, after which others may be started or resumed."""
        return self._ledger.n_running > 0 and not self._ledger.all_ended

    def suggest(self) -> Any:
        """Return the trial to start or resume; None where none is, for now or for good."""
        chosen = self._ledger.next_trial()
        if chosen is None:
            if self.waits and not self.is_patient:
                log.warning(
                    "%s leaves a worker idle until a trial reports, which syne-tune's Tuner takes for the "
                    "end of the search: paused trials are not resumed. PatientTuner waits",
                    self.name,
                )
            self._ledger.end_waiting()
            return None
        if chosen in self._theirs:
            return TrialSuggestion.resume_suggestion(self._theirs[chosen])
        self._started = chosen
        constants = {key: value for key, value in self.config_space.items() if not isinstance(value, Domain)}
        return TrialSuggestion.start_suggestion({**constants, **self._ledger.trials[chosen].configuration})

    def on_trial_add(self, trial: Any) -> None:
        """Remember the number of the trial that was suggested last."""
        self._ours[trial.trial_id], self._theirs[self._started] = self._started, trial.trial_id

    def on_trial_result(self, trial: Any, result: dict[str, Any]) -> str:
        """Return the scheduler's decision in syne-tune's words."""
        name = f"trial {trial.trial_id}"
        if self.time_attr not in result:
            raise ConfigurationError(f"SyneTuneScheduler: {name} reports no time_attr {self.time_attr!r}")
        value = self._ledger.target.value_in(result, name)
        decision = self._ledger.report_at(self._ours[trial.trial_id], float(result[self.time_attr]), value)
        words = {Decision.CONTINUE: "CONTINUE", Decision.PAUSE: "PAUSE", Decision.STOP: "STOP"}
        return str(getattr(SchedulerDecision, words[decision]))

    def on_trial_remove(self, trial: Any) -> None:
        """Record the end of a trial that was stopped; syne-tune calls this after a pause as well."""
        if self._ledger.trials[self._ours[trial.trial_id]].state is not TrialState.PAUSED:
            self._ledger.report_early_end(self._ours[trial.trial_id])

    def on_trial_complete(self, trial: Any, result: dict[str, Any]) -> None:
        """Record the end of a trial."""
        self._ledger.report_early_end(self._ours[trial.trial_id])

    def on_trial_error(self, trial: Any) -> None:
        """Record that a trial failed."""
        self._ledger.report_failure(self._ours[trial.trial_id], "failed in syne-tune")

    def metric_names(self) -> list[str]:
        """Return the name of the metric."""
        return [self._ledger.target.metric]

    def metric_mode(self) -> str:
        """Return "min" or "max"."""
        return self._ledger.target.mode

    def metadata(self) -> dict[str, Any]:
        """Return what syne-tune writes beside its results."""
        return {
            "scheduler_name": f"mlpf_hpo {self.name}",
            "metric_names": self.metric_names(),
            "metric_mode": self.metric_mode(),
        }

    def _configurations(self, n_trials: int, points: Sequence[Configuration]) -> list[Configuration]:
        """Return the given configurations, then random ones of the seed."""
        domains = {key: one for key, one in self.config_space.items() if isinstance(one, Domain)}
        random = np.random.RandomState(self.random_seed)
        drawn: list[Configuration] = [as_configuration(point) for point in points[:n_trials]]
        while len(drawn) < n_trials:
            drawn.append({key: one.sample(random_state=random) for key, one in domains.items()})
        return drawn


class PatientTuner(Tuner):
    """syne-tune's tuner, whose workers may be idle until a running trial reports."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.scheduler.is_patient = True

    def _schedule_new_tasks(self, running_trials_ids: set[int]) -> None:
        try:
            super()._schedule_new_tasks(running_trials_ids=running_trials_ids)
        except StopIteration:
            if not self.scheduler.waits:
                raise
            self._sleep()
