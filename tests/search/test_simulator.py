"""Recorded curves replayed through schedulers, against schedules made by hand and a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.target_metric import TargetMetric

LOSS = TargetMetric("loss", "min")


@pytest.fixture
def recorded(curves):
    """Return a maker of recorded curves."""

    def make(n=12, epochs=9, seed=0, mode="min") -> LearningCurves:
        values = np.array(list(curves(n, epochs, seed).values()))
        target = TargetMetric("loss", mode)
        return LearningCurves.from_arrays([{"lr": i + 1.0} for i in range(n)], values, target)

    return make


def list_schedule(jobs, workers) -> float:
    """Return when the last job ends if each goes, in order, to the worker that is free first."""
    free = [0.0] * workers
    for job in jobs:
        first = free.index(min(free))
        free[first] += job
    return max(free)


def test_the_makespan_by_hand(recorded) -> None:
    # Seven trainings of four epochs on three workers: 4, 4, 4 | 4, 4, 4 | 4.
    found = simulate(recorded(7, 4), FullTraining(), workers=3, spread=0, jitter=0)
    assert found.makespan == 12
    assert found.epochs == 28
    assert simulate(recorded(7, 4), FullTraining(), workers=7, spread=0, jitter=0).makespan == 4
    assert simulate(recorded(7, 4), FullTraining(), workers=99, spread=0, jitter=0).makespan == 4


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_full_trainings_take_what_list_scheduling_takes(recorded, workers, seed) -> None:
    table = recorded(11, 6)
    generator = np.random.default_rng(derive_seed(seed, "durations"))
    lengths = 6 * np.exp(0.5 * generator.normal(size=11))
    found = simulate(table, FullTraining(), workers, seed, spread=0.5, jitter=0)
    assert found.makespan == pytest.approx(list_schedule(lengths, workers))


def direct_loop(values, mode, eta) -> list[int]:
    """Stop as Ray's rule says, one training after the other; return the epochs of each."""
    sign = 1 if mode == "min" else -1
    rungs = [level for level in (eta**k for k in range(10)) if level < values.shape[1]]
    seen: dict[float, list[float]] = {level: [] for level in rungs}
    epochs = []
    for curve in values:
        for epoch, value in enumerate(curve, start=1):
            if epoch in seen and seen[epoch] and sign * value > np.quantile(seen[epoch], 1 / eta):
                seen[epoch].append(sign * value)
                break
            if epoch in seen:
                seen[epoch].append(sign * value)
        epochs.append(epoch)
    return epochs


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("eta", [2, 3])
def test_one_worker_is_a_loop(recorded, mode, eta) -> None:
    table = recorded(40, 20, seed=3, mode=mode)
    found = simulate(table, StoppingASHA(20, reduction_factor=eta, mode=mode), workers=1)
    expected = direct_loop(table.values, mode, eta)
    assert [trial.epochs for trial in found.trials] == expected
    ends = table.final[np.array(expected) == 20]
    assert found.best == (ends.min() if mode == "min" else ends.max())
    assert min(expected) < max(expected) == 20


def test_a_paused_trial_goes_on_where_it_stopped(recorded) -> None:
    table = recorded(9, 9)
    found = simulate(table, PromotionASHA(9, reduction_factor=3), workers=1, spread=0, jitter=0)
    # Nine reach the first rung, the best three of those the second, the best of these the end.
    assert sorted(trial.epochs for trial in found.trials) == [1] * 6 + [3] * 2 + [9]
    assert found.makespan == found.epochs == 6 + 2 * 3 + 9
    for row, trial in enumerate(found.trials):
        assert trial.values == table.values[row, : trial.epochs].tolist()
    assert {trial.reason for trial in found.trials if trial.status == "stopped"} == {"not promoted"}


def test_the_order_of_arrival(recorded) -> None:
    """Two workers, epochs of one unit: the rows in the order of their epochs, when each ended."""
    found = simulate(recorded(3, 2), FullTraining(), workers=2, spread=0, jitter=0)
    assert found.rows.tolist() == [0, 1, 0, 1, 2, 2]
    assert found.times.tolist() == [1, 1, 2, 2, 3, 4]
    asha = simulate(recorded(9, 9), PromotionASHA(9), workers=3, seed=1)
    assert np.bincount(asha.rows, minlength=9).tolist() == [trial.epochs for trial in asha.trials]
    assert (np.diff(asha.times) >= 0).all()
    assert asha.times[-1] == asha.makespan


def test_schedulers_are_compared_in_pairs(recorded) -> None:
    """A scheduler changes which epochs are trained, never how long one takes."""
    table = recorded(8, 6)
    full = simulate(table, FullTraining(), 8, seed=5)
    asha = simulate(table, StoppingASHA(6, reduction_factor=100.0), 8, seed=5)  # one rung, at the first epoch
    assert any(trial.epochs < 6 for trial in asha.trials)
    assert asha.makespan <= full.makespan
    assert simulate(table, FullTraining(), 8, seed=5) == full
    assert simulate(table, FullTraining(), 8, seed=5).times.tolist() == full.times.tolist()
    assert simulate(table, FullTraining(), 8, seed=6).makespan != full.makespan


def test_a_diverged_curve_ends(recorded) -> None:
    table = recorded(4, 5)
    table.values[1, 2:] = math.nan
    with pytest.raises(DataError, match=r"row 2 of.*status finished.*curves\.truncated"):
        simulate(table, FullTraining())
    table.status[1] = "diverged"
    found = simulate(table, FullTraining())
    assert [trial.status for trial in found.trials] == ["finished", "diverged", "finished", "finished"]
    assert found.trials[1].epochs == 3
    nothing = simulate(table.select([1]), FullTraining())
    assert math.isnan(nothing.best)


def test_what_makes_no_sense_is_refused(recorded) -> None:
    table = recorded(4, 5)
    with pytest.raises(ConfigurationError, match="workers"):
        simulate(table, FullTraining(), workers=0)
    with pytest.raises(ConfigurationError, match="spread"):
        simulate(table, FullTraining(), spread=math.inf)
    with pytest.raises(ConfigurationError, match="jitter"):
        simulate(table, FullTraining(), jitter=-0.1)
    with pytest.raises(ConfigurationError, match="max_epochs = 9 of StoppingASHA: the curves have 5"):
        simulate(table, StoppingASHA(9))
    with pytest.raises(ConfigurationError, match="mode max"):
        simulate(table, StoppingASHA(5, mode="max"))
    assert simulate(table, StoppingASHA(3)).epochs <= 12
