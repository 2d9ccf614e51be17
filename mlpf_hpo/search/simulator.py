"""Simulate a search: replay recorded learning curves through a scheduler, without training.

The simulator drives the same `Ledger` as the Ray backend does, so that a scheduler runs unchanged in both.
Time is simulated: an epoch takes about one unit.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler import Decision, Scheduler
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.target_metric import TargetMetric


@dataclass(frozen=True)
class SimulatedSearch:
    """What a scheduler did with recorded curves.

    Attributes
    ----------
    trials : tuple of Trial
        One per curve, in the order of the curves, as the search left it.
    target : TargetMetric
        The metric that was searched.
    makespan : float
        When the last worker had finished, in median epoch times.
    rows, times : array of int, array of float
        Of each epoch, in the order in which they were reported: the row of its curve, and when it ended.
        Epoch i + 1 of all that were spent is row i.
    """

    trials: tuple[Trial, ...]
    target: TargetMetric
    makespan: float
    rows: IntArray = field(compare=False)
    times: FloatArray = field(compare=False)

    @property
    def epochs(self) -> int:
        """Number of epochs of training, over all trials."""
        return len(self.rows)

    @property
    def best(self) -> float:
        """Best last value among the trials that were trained to the end; NaN if there is none."""
        return self.target.best(trial.values[-1] for trial in self.trials if trial.status == "finished")


def simulate(
    curves: LearningCurves,
    scheduler: Scheduler,
    workers: int = 1,
    seed: int = 0,
    spread: float = 0.1,
    jitter: float = 0.02,
) -> SimulatedSearch:
    """Run a scheduler on recorded curves, in simulated time.

    An epoch of a trial takes exp(spread x + jitter y), with x standard normal per trial and y per epoch. A
    paused trial goes on where it stopped, without loss of time. A curve of status "diverged" ends at its
    first value that is not finite; any other must have a finite value for every epoch.

    Parameters
    ----------
    curves : LearningCurves
        One trial per curve, offered to the scheduler in this order.
    scheduler : Scheduler
        A fresh one: it keeps its state. Its `max_epochs`, where it has one, limits the trainings.
    workers : int
        Number of trials that run at the same time.
    seed : int
        Of the durations of the epochs. They do not depend on the scheduler: with equal seeds, schedulers are
        compared in pairs.
    spread : float
        Standard deviation over the trials of the logarithm of an epoch's duration, whose median is 1: some
        configurations train faster than others.
    jitter : float
        Standard deviation over the epochs of one trial of the same. With both 0 every epoch takes 1, and
        epochs that end together are reported in the order in which they were begun.

    Returns
    -------
    SimulatedSearch
        The trials, their epochs, the makespan and the best value found.

    Notes
    -----
    How the order of arrival changes matters. The first trial at a rung passes whatever its value; where the
    order stays the same from rung to rung, as with trials of their own speed, it passes at all of them.
    Stopping ASHA (eta 3, 24 workers) on 163 of the 296 published curves takes 1319 epochs by default and
    1108 where every epoch has a duration of its own (spread 0, jitter 0.05).

    Raises
    ------
    DataError
        If a curve ends without having diverged: what its training would have done is not known.
    ConfigurationError
        If a parameter has no meaning, or the scheduler's mode or number of epochs is not that of the curves.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, StoppingASHA, TargetMetric, simulate
    >>> configurations = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    >>> losses = [[3.0, 2.0, 1.0], [4.0, 3.5, 3.0], [2.5, 1.5, 0.5]]
    >>> curves = LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))
    >>> found = simulate(curves, StoppingASHA(max_epochs=3, reduction_factor=2))
    >>> [trial.epochs for trial in found.trials], found.epochs, found.best
    ([3, 1, 3], 7, 0.5)
    """
    if workers < 1 or not (0 <= spread < math.inf and 0 <= jitter < math.inf):
        raise ConfigurationError(
            "workers must be at least 1, spread and jitter finite and not negative; found "
            f"{workers}, {spread}, {jitter}"
        )
    max_epochs = getattr(scheduler, "max_epochs", curves.n_epochs)
    if max_epochs > curves.n_epochs:
        raise ConfigurationError(
            f"max_epochs = {max_epochs} of {type(scheduler).__name__}: the curves have {curves.n_epochs} "
            "epochs"
        )
    values = curves.values[:, :max_epochs]
    _check_complete(curves, values)
    generator = np.random.default_rng(derive_seed(seed, "durations"))
    per_trial, per_epoch = generator.normal(size=(len(curves), 1)), generator.normal(size=values.shape)
    durations = np.exp(spread * per_trial + jitter * per_epoch)
    columns = {name: curves.configs[name].tolist() for name in curves.hyperparameters}
    trials = tuple(
        Trial(f"t{row:03d}", f"t{row:03d}", {name: column[row] for name, column in columns.items()})
        for row in range(len(curves))
    )
    ledger = Ledger(trials, scheduler, max_epochs, curves.target)
    reports = _run(ledger, values, durations, workers)
    reported, times = np.array([row for _, row in reports], int), np.array([at for at, _ in reports], float)
    return SimulatedSearch(trials, curves.target, float(times.max(initial=0.0)), reported, times)


def _run(ledger: Ledger, values: FloatArray, durations: FloatArray, workers: int) -> list[tuple[float, int]]:
    """Run a search to its end; return when each epoch ended, and the row of its curve, in order."""
    rows = {trial_id: row for row, trial_id in enumerate(ledger.trials)}
    clock, turn = 0.0, count()
    running: list[tuple[float, int, str]] = []
    reports: list[tuple[float, int]] = []

    def begin_epoch(trial_id: str) -> None:
        duration = durations[rows[trial_id], ledger.trials[trial_id].epochs]
        heapq.heappush(running, (clock + duration, next(turn), trial_id))

    while not ledger.all_ended:
        while len(running) < workers and (chosen := ledger.next_trial()) is not None:
            begin_epoch(chosen)
        if not running:
            ledger.end_waiting()
            continue
        clock, _, trial_id = heapq.heappop(running)
        epoch = ledger.trials[trial_id].epochs + 1
        reports.append((clock, rows[trial_id]))
        decision = ledger.report(trial_id, epoch, float(values[rows[trial_id], epoch - 1]))
        ledger.commit(trial_id)
        if decision is Decision.STOP or epoch == ledger.max_epochs:
            ledger.report_end(trial_id)
        elif decision is Decision.CONTINUE:
            begin_epoch(trial_id)
    return reports


def _check_complete(curves: LearningCurves, values: FloatArray) -> None:
    """Raise DataError if a curve that has not diverged is incomplete."""
    cut = ~np.isfinite(values).all(axis=1) & (curves.status != "diverged")
    if cut.any():
        row = int(cut.argmax())
        raise DataError(
            f"curve {row} of {curves.source or 'these curves'} has no value for every one of "
            f"{values.shape[1]} epochs (status {curves.status[row]}), nor have {int(cut.sum()) - 1} others: "
            "what a longer training of them gives is not known; leave them out with "
            "curves.select(~curves.truncated)"
        )
