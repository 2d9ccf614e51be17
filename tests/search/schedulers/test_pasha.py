"""PASHA, against its definition worked out from the whole record at every choice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.pasha import PASHA
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric

EPOCHS, LEVELS = 27, [1, 3, 9]


class Definition:
    """What PASHA knows after so many reports, with rungs 1, 3 and 9; ranked anew at each arrival."""

    def __init__(self) -> None:
        self.top, self.epsilon = 1, 0.0
        self.curves: dict[str, list[float]] = {}

    def report(self, trial, epoch, cost) -> None:
        self.curves.setdefault(trial, []).append(cost)
        if epoch in LEVELS and self.top < 3 and epoch >= LEVELS[self.top - 1]:
            self.top += self.is_unsettled()

    def at(self, level) -> dict[str, float]:
        return {trial: curve[level - 1] for trial, curve in self.curves.items() if len(curve) >= level}

    def is_unsettled(self) -> bool:
        top, below = LEVELS[self.top], LEVELS[self.top - 1]
        both = sorted(self.at(top), key=lambda trial: self.curves[trial][top - 1])
        noise = [
            abs(self.curves[a][top - 1] - self.curves[b][top - 1])
            for a, b in itertools.combinations(both, 2)
            if self.cross_twice(self.curves[a][:top], self.curves[b][:top])
        ]
        self.epsilon = np.percentile(noise, 90) if noise else self.epsilon
        there = sorted(both, key=lambda trial: self.curves[trial][below - 1])
        for trial, place in zip(both, there, strict=True):
            if abs(self.curves[trial][below - 1] - self.curves[place][below - 1]) > self.epsilon:
                return True
        return False

    @staticmethod
    def cross_twice(one, other) -> bool:
        signs = ["+" if a > b else "-" for a, b in zip(one, other, strict=True)]
        groups = [sign for sign, _ in itertools.groupby(signs)]
        return len(groups) >= 3

    def choice(self, pending, paused, running):
        promoted_to = {trial: sum(len(self.curves[trial]) >= level for level in LEVELS) for trial in paused}
        for rung in reversed(range(3)):
            if rung + 1 > self.top:
                continue
            costs = self.at(LEVELS[rung])
            best = sorted(costs, key=lambda trial: costs[trial])[: len(costs) // 3]
            waiting = [trial for trial in best if promoted_to.get(trial) == rung + 1]
            if waiting:
                return waiting[0]
        if pending:
            return pending[0]
        if running:
            return None
        furthest = max(level for level in LEVELS if self.at(level))
        costs = self.at(furthest)
        best = min(costs, key=lambda trial: costs[trial])
        return best if best in paused else None


class Watched(PASHA):
    """Compares every choice with the definition."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.known = Definition()
        self.added: set[str] = set()
        self.finished: set[str] = set()
        self.tops: set[int] = set()
        self.epsilons: set[float] = set()

    def on_trial_add(self, trial_id, configuration):
        super().on_trial_add(trial_id, configuration)
        self.added.add(trial_id)

    def on_trial_result(self, trial_id, epoch, value):
        self.known.report(trial_id, epoch, value if self.mode == "min" else -value)
        self.finished |= {trial_id} if epoch == EPOCHS else set()
        return super().on_trial_result(trial_id, epoch, value)

    def choose(self, pending, paused):
        known = self.known
        running = self.added - set(pending) - set(paused) - self.finished
        chosen = super().choose(pending, paused)
        assert chosen == known.choice(pending, paused, running)
        assert self._epsilon == pytest.approx(known.epsilon)
        self.tops.add(known.top)
        self.epsilons.add(known.epsilon)
        return chosen


def table(noise, seed, mode="min", n=40) -> LearningCurves:
    generator = np.random.default_rng(seed)
    ends = generator.uniform(1, 3, (n, 1))
    values = ends + 2 / np.arange(1, EPOCHS + 1) + noise * generator.normal(size=(n, EPOCHS))
    values = values if mode == "min" else -values
    return LearningCurves.from_arrays([{"lr": 1.0 + i} for i in range(n)], values, TargetMetric("loss", mode))


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_promotes_by_the_definition(mode, workers) -> None:
    tops: set[int] = set()
    epsilons: set[float] = set()
    for seed, noise in itertools.product(range(4), (0.0, 0.05, 0.15, 0.5)):
        scheduler = Watched(EPOCHS, mode=mode)
        found = simulate(table(noise, seed, mode, n=70), scheduler, workers, seed)
        assert {trial.status for trial in found.trials} == {"finished", "stopped"}
        tops |= scheduler.tops
        epsilons |= scheduler.epsilons
    assert tops == {1, 2, 3}
    assert len(epsilons) > 5


def test_of_curves_that_never_cross_only_the_best_passes_the_second_rung() -> None:
    found = simulate(table(0.0, seed=1), make_scheduler("pasha", max_epochs=EPOCHS), workers=4)
    epochs = [trial.epochs for trial in found.trials]
    assert sorted(set(epochs)) == [1, 3, EPOCHS]
    assert epochs.count(EPOCHS) == 1
    assert found.best == min(found.trials[row].values[-1] for row in range(40) if epochs[row] == EPOCHS)
