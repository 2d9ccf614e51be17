"""How long a decision of a scheduler takes, with 1,000 finished curves and 100 live trials.

``python -m benchmarks.decisions [--quick] [--json FILE] [SCHEDULER...]``. Processor times of
`on_trial_result` after an epoch, and of `choose` where a worker became free, on made-up curves of 100 epochs
of six hyperparameters: the median, the 95th percentile and the longest of a thousand, in milliseconds. With
``freeze_thaw_prior`` the 1,000 finished curves are those of a prior campaign instead. What a scheduler
prepares at its first question, before anything starts, is stated beside (``first``).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.command import command, print_numbers
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.files import write_json
from mlpf_hpo.search.scheduler import Decision, Scheduler
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.waiting_trials import WaitingTrials
from mlpf_hpo.target_metric import TargetMetric

FINISHED, LIVE, EPOCHS, REPORTS = 1_000, 100, 100, 1_000
QUICK = 60, 12, 16, 60
"""The same with ``--quick``."""

WORKERS = 16
WITH_PRIOR = "_prior"
"""After the name of a scheduler whose finished curves are those of a prior campaign."""

MEASURED = ("freeze_thaw", "freeze_thaw_prior", "asha", "promotion_asha", "pasha", "median_stopping")


def campaign(n: int, epochs: int, seed: int) -> LearningCurves:
    """Return made-up curves that fall at rates of their own to a bowl of six hyperparameters, with noise."""
    generator = np.random.default_rng(seed)
    inputs = generator.uniform(size=(n, 6))
    ends = 1 + np.square(inputs - 0.4).sum(axis=1, keepdims=True) + 0.05 * generator.normal(size=(n, 1))
    rates = generator.uniform(0.02, 0.3, (n, 1))
    noise = 0.01 * generator.normal(size=(n, epochs))
    losses = ends + 3 * np.exp(-rates * np.arange(1, epochs + 1)) + noise
    configurations = [dict(zip("abcdef", row, strict=True)) for row in inputs.tolist()]
    return LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))


class Drive:
    """A scheduler with trials that are finished and trials that are live, and the time of its decisions.

    Attributes
    ----------
    first, results, choices : list of float
        Processor seconds of the first question, and of each decision measured.
    """

    def __init__(self, scheduler: Scheduler, curves: LearningCurves, finished: int) -> None:
        self.scheduler, self.values = scheduler, curves.values
        names = list(curves.hyperparameters)
        self.trials = [f"t{row}" for row in range(len(curves))]
        for trial_id, row in zip(self.trials, curves.configs[names].to_dict("records"), strict=True):
            scheduler.on_trial_add(trial_id, {str(name): value for name, value in row.items()})
        self.epochs = dict.fromkeys(self.trials, 0)
        self.first: list[float] = []
        self.results: list[float] = []
        self.choices: list[float] = []
        self.pending, self.paused = WaitingTrials(self.trials), WaitingTrials()
        self._timed(self.first, lambda: scheduler.choose(self.pending, self.paused))
        for trial_id in self.trials[:finished]:
            self.pending.discard(trial_id)
            while self.epochs[trial_id] < curves.n_epochs:
                self._report(trial_id, [])
            scheduler.on_trial_complete(trial_id)
        self.running = self.trials[finished : finished + WORKERS]
        for trial_id in self.running:
            self.pending.discard(trial_id)

    def run(self, reports: int) -> None:
        """Report so many epochs of the live trials, by turns, and let the scheduler choose others."""
        for turn in itertools.count():
            if not self.running or len(self.results) == reports:
                return
            trial_id = self.running[turn % len(self.running)]
            decision = self._report(trial_id, self.results)
            ended = self.epochs[trial_id] == self.values.shape[1] or decision is Decision.STOP
            if ended or decision is Decision.PAUSE:
                self.running.remove(trial_id)
                if ended:
                    self.scheduler.on_trial_complete(trial_id)
                else:
                    self.paused.add(trial_id)
            while len(self.running) < WORKERS and (self.pending or self.paused):
                chosen = self._timed(self.choices, lambda: self.scheduler.choose(self.pending, self.paused))
                if chosen is None:
                    break
                self.pending.discard(chosen)
                self.paused.discard(chosen)
                self.running.append(chosen)

    def _report(self, trial_id: str, times: list[float]) -> Decision:
        epoch = self.epochs[trial_id] = self.epochs[trial_id] + 1
        value = float(self.values[int(trial_id[1:]), epoch - 1])
        found: Decision = self._timed(times, lambda: self.scheduler.on_trial_result(trial_id, epoch, value))
        return found

    @staticmethod
    def _timed(times: list[float], call: Callable[[], Any]) -> Any:
        begun = time.thread_time()
        found = call()
        times.append(time.thread_time() - begun)
        return found


def measure(name: str, finished: int, live: int, epochs: int, reports: int) -> dict[str, float]:
    """Return the milliseconds of a scheduler's decisions, as ``NAME.KIND.{median,p95,longest}``."""
    settings: dict[str, Any] = {"max_epochs": epochs}
    if name.startswith("freeze_thaw"):
        settings["ends"] = False
    prior = campaign(finished, epochs, seed=1) if name.endswith(WITH_PRIOR) else None
    scheduler = make_scheduler(name.removesuffix(WITH_PRIOR), prior=prior, **settings)
    curves = campaign(live + (0 if prior is not None else finished), epochs, seed=0)
    drive = Drive(scheduler, curves, len(curves) - live)
    drive.run(reports)
    found = {f"{name}.first": 1e3 * drive.first[0]}
    for kind in ("results", "choices"):
        times = 1e3 * np.array(getattr(drive, kind))
        if len(times):
            found |= {
                f"{name}.{kind}.median": float(np.median(times)),
                f"{name}.{kind}.p95": float(np.quantile(times, 0.95)),
                f"{name}.{kind}.longest": float(times.max()),
            }
        found[f"{name}.{kind}.n"] = len(times)
    return found


def main() -> None:
    """Measure, print the numbers, and keep them with ``--json``."""
    options = command(__doc__, "few curves, trials and epochs", MEASURED)
    sizes = QUICK if options.quick else (FINISHED, LIVE, EPOCHS, REPORTS)
    numbers: dict[str, float] = {}
    for name in options.parts:
        measured = measure(name, *sizes)
        print_numbers(measured)
        numbers |= measured
    if options.json is not None:
        write_json(options.json, numbers)


if __name__ == "__main__":
    main()
