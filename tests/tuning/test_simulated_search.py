"""A scheduler decides the same in the simulator and under Ray, where epochs arrive in the same order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.overheads import Overheads
from mlpf_hpo.search.scheduler import Decision, Result
from mlpf_hpo.search.schedulers.budget import BudgetScheduler
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.hyperband import Hyperband
from mlpf_hpo.search.schedulers.pasha import PASHA
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.schedulers.swift_hyperband import SwiftHyperband
from mlpf_hpo.search.schedulers.top_k import TopK
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tuning.bridge import Bridge
from mlpf_hpo.tuning.interruption import Interruption
from mlpf_hpo.tuning.ray_adapter import METRIC, BridgeCallback, BridgeScheduler, BridgeSearcher
from mlpf_hpo.tuning.ray_trial import TRIAL


class Logged:
    """Passes calls on to a scheduler, and writes down all that matters: results, ends, what was chosen."""

    def __init__(self, scheduler) -> None:
        self.scheduler = scheduler
        self.calls: list[str] = []

    def __getattr__(self, name):
        method = getattr(self.scheduler, name)
        if not callable(method):
            return method

        def call(*arguments):
            offered = tuple(list(one) if name == "choose" else one for one in arguments)
            answer = method(*arguments)
            if name != "choose" or answer is not None:
                self.calls.append(repr((name, *offered, answer)))  # NaN equals NaN
            return answer

        return call


class Tune:
    """Stands for Tune's controller: workers, and trials that report when they are asked to."""

    def __init__(self, curves, scheduler, workers) -> None:
        trials = [
            Trial(f"t{row:03d}", f"t{row:03d}", {"lr": lr}) for row, lr in enumerate(curves.configs["lr"])
        ]
        self.curves = curves
        self.ledger = Ledger(trials, scheduler, curves.n_epochs, curves.target)
        self.bridge = Bridge(self.ledger, None, workers, 60.0, Interruption(), lambda: None)
        self.searcher = BridgeSearcher(self.bridge)
        self.scheduler = BridgeScheduler(self.bridge)
        self.callback = BridgeCallback(self.bridge)
        self.running: dict[str, SimpleNamespace] = {}
        self.live: set[str] = set()
        self.finished = False

    def pause_trial(self, trial, should_checkpoint):
        del self.running[trial.config[TRIAL]]

    def stop_trial(self, trial):
        self.live.remove(trial.config[TRIAL])
        self.scheduler.on_trial_remove(self, trial)
        self.callback.on_trial_complete(0, [], trial)

    def start(self) -> None:
        """Start trials, new and paused ones, while there are any.

        Where it has no trial that is not over, Tune asks the searcher alone, for ten minutes.
        """
        for _ in range(100):
            suggestion = self.searcher.suggest("")
            self.finished = suggestion == Searcher.FINISHED
            if isinstance(suggestion, dict):
                trial = SimpleNamespace(config=suggestion)
                self.live.add(trial.config[TRIAL])
                self.scheduler.on_trial_add(self, trial)
            elif self.live:
                trial = self.scheduler.choose_trial_to_run(self)
            elif self.finished:
                return
            else:
                continue
            if trial is None:
                return
            self.running[trial.config[TRIAL]] = trial
            self.callback.on_trial_start(0, [], trial)
        raise AssertionError("Tune waits for a searcher without a suggestion")

    def report(self, row: int, epoch: int | None = None) -> None:
        """Report the next epoch of a trial, and its end if it ends with that."""
        trial_id = f"t{row:03d}"
        trial = self.running[trial_id]
        epoch = epoch or self.ledger.trials[trial_id].epochs + 1
        value = float(self.curves.values[row, epoch - 1])
        result = {"epoch": epoch, f"{METRIC}loss": value, "diverged": value != value}
        decided = self.scheduler.on_trial_result(self, trial, result)
        self.callback.on_trial_result(0, [], trial, {**result, "metrics": {}, "timestamp_ms": 0})
        if decided == TrialScheduler.STOP or epoch == self.curves.n_epochs:
            self.scheduler.on_trial_complete(self, trial, result)
            self.callback.on_trial_complete(0, [], trial)
            del self.running[trial_id]
            self.live.remove(trial_id)


def recorded(n: int, epochs: int, seed: int) -> LearningCurves:
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 9, (n, epochs)) / 4.0
    diverged = generator.random(n) < 0.1
    values[diverged, epochs // 2 :] = np.nan
    curves = LearningCurves.from_arrays(
        [{"lr": i + 1.0} for i in range(n)], values, TargetMetric("loss", "min")
    )
    curves.status[diverged] = "diverged"
    return curves


def first_three(epochs):
    scheduler = PromotionASHA(epochs, reduction_factor=2)
    choose = scheduler.choose
    scheduler.choose = lambda pending, paused: choose([t for t in pending if t < "t003"], paused)
    return scheduler


SCHEDULERS = {
    "asha": StoppingASHA,
    "promotion_asha": PromotionASHA,
    "hyperband": lambda epochs: Hyperband(epochs, reduction_factor=2),
    "pasha": PASHA,
    "swift_hyperband": lambda epochs: SwiftHyperband(epochs, reduction_factor=2, least_curves=5),
    "top_k": lambda epochs: TopK(epochs, k=2),
    "budget": lambda epochs: BudgetScheduler(PromotionASHA(epochs, reduction_factor=2), 2 * epochs, epochs),
    "starts three": first_three,
    "full": lambda epochs: FullTraining(),
}


@settings(max_examples=80)
@given(
    st.sampled_from(sorted(SCHEDULERS)),
    st.integers(1, 15),
    st.integers(2, 9),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
def test_the_adapter_decides_as_the_simulator(name, n, epochs, workers, seed) -> None:
    """The adapter's own searcher, scheduler and callback, called as Tune calls them, without a cluster."""
    curves = recorded(n, epochs, seed)
    simulated, adapted = Logged(SCHEDULERS[name](epochs)), Logged(SCHEDULERS[name](epochs))
    found = simulate(curves, simulated, workers, seed, jitter=0.3, overheads=Overheads(delay=0.5))
    tune = Tune(curves, adapted, workers)
    for row in found.rows:
        tune.start()
        tune.report(row)
    tune.start()
    assert tune.bridge.error is None
    assert tune.finished
    assert not tune.running
    assert adapted.calls == simulated.calls
    ends = [(trial.status, trial.reason, trial.epochs) for trial in tune.ledger.trials.values()]
    assert ends == [(trial.status, trial.reason, trial.epochs) for trial in found.trials]


def test_trials_that_were_all_paused_before_a_restart_end_at_once() -> None:
    """None will be promoted: Tune gets each once more, to report its epoch, and waits for nothing."""
    curves = LearningCurves.from_arrays(
        [{"lr": 1.0}] * 2, [[1.0, 0.5], [2.0, 1.5]], TargetMetric("loss", "min")
    )
    results = [
        Result(f"t{row:03d}", 1, "loss", float(curves.values[row, 0]), Decision.PAUSE) for row in range(2)
    ]
    tune = Tune(curves, PromotionASHA(2), workers=1)
    tune.ledger.restore({}, results)
    for row in range(2):
        tune.start()
        assert list(tune.running) == [f"t{row:03d}"]
        tune.report(row, epoch=1)
    tune.start()
    assert tune.finished
    assert {trial.reason for trial in tune.ledger.trials.values()} == {"not promoted"}
