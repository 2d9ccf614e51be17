"""The simulator's time - overheads, delays, recorded durations - and its decisions, by a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.overheads import Overheads
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.schedulers.top_k import TopK
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric


def recorded(n: int, epochs: int, seed: int = 0) -> LearningCurves:
    values = np.random.default_rng(seed).integers(0, 9, (n, epochs)) / 4.0
    return LearningCurves.from_arrays(
        [{"lr": i + 1.0} for i in range(n)], values, TargetMetric("loss", "min")
    )


def plain_loop(curves, scheduler, workers, durations, overheads, max_epochs):
    """Drive a scheduler without a ledger: every worker is a list of what it does and until when."""
    names = [f"t{row:03d}" for row in range(len(curves))]
    for name, lr in zip(names, curves.configs["lr"], strict=True):
        scheduler.on_trial_add(name, {"lr": lr})
    pending, paused, epochs = list(names), [], dict.fromkeys(names, 0)
    busy, begun, clock, reports = {}, 0, 0.0, []

    def occupy(until, name):
        nonlocal begun
        begun += 1
        busy[begun] = (until, begun, name)

    def train(name, before):
        taken = durations[names.index(name), epochs[name]]
        occupy(clock + before + taken + overheads.report, name)

    while True:
        while len(busy) < workers and (pending or paused):
            chosen = scheduler.choose(list(pending), list(paused))
            if chosen is None:
                break
            fresh = chosen in pending
            (pending if fresh else paused).remove(chosen)
            train(chosen, overheads.start if fresh else overheads.resume)
        if not busy:
            return reports, clock, {*pending}, {*paused}
        clock, turn, name = min(busy.values())
        del busy[turn]
        if name is None:
            continue
        epochs[name] += 1
        value = float(curves.values[names.index(name), epochs[name] - 1])
        decision = scheduler.on_trial_result(name, epochs[name], value)
        reports.append((names.index(name), clock))
        if decision is Decision.STOP or epochs[name] == max_epochs:
            scheduler.on_trial_complete(name)
        elif decision is Decision.PAUSE:
            paused.append(name)
            if overheads.pause:
                occupy(clock + overheads.pause, None)
        else:
            train(name, 0.0)


class Three(PromotionASHA):
    """Starts three trials at most."""

    started = 0

    def choose(self, pending, paused):
        chosen = super().choose(pending if self.started < 3 else [], paused)
        self.started += chosen in pending
        return chosen


SCHEDULERS = [StoppingASHA, PromotionASHA, Three, TopK, lambda epochs: FullTraining()]
TIMES = st.sampled_from([0.0, 0.25, 1.0, 3.0])


@settings(max_examples=100)
@given(
    st.sampled_from(SCHEDULERS),
    st.integers(1, 12),
    st.integers(2, 9),
    st.integers(1, 5),
    st.builds(Overheads, TIMES, TIMES, TIMES, TIMES),
    st.integers(0, 2**32 - 1),
)
def test_a_search_is_a_plain_loop(make, n, epochs, workers, overheads, seed) -> None:
    """Durations in quarters, so that sums are exact and many epochs end together."""
    curves = recorded(n, epochs, seed)
    durations = np.random.default_rng(seed).integers(1, 9, (n, epochs)) / 4.0
    found = simulate(curves, make(epochs), workers, durations=durations, overheads=overheads)
    reports, clock, unstarted, paused = plain_loop(
        curves, make(epochs), workers, durations, overheads, epochs
    )
    assert list(zip(found.rows.tolist(), found.times.tolist(), strict=True)) == reports
    assert found.makespan == clock
    ends = {trial.trial_id: (trial.status, trial.reason) for trial in found.trials}
    assert {name for name, end in ends.items() if end == ("stopped", "not started")} == unstarted
    assert {name for name, end in ends.items() if end == ("stopped", "not promoted")} == paused


def test_overheads_by_hand() -> None:
    curves = recorded(2, 3)
    plain = {"spread": 0, "jitter": 0}

    def makespan(scheduler, workers=1, **times):
        return simulate(curves, scheduler, workers, **plain, overheads=Overheads(**times)).makespan

    assert makespan(FullTraining()) == 6
    assert makespan(FullTraining(), start=2) == 6 + 2 * 2
    assert makespan(FullTraining(), report=0.5) == 6 + 6 * 0.5
    assert makespan(FullTraining(), pause=5, resume=7) == 6
    # One epoch each, both pause; the better one goes on for two epochs.
    assert makespan(TopK(3)) == 4
    assert makespan(TopK(3), resume=10) == 4 + 10
    assert makespan(TopK(3), pause=3) == 4 + 2 * 3
    # On two workers, the pause of the one does not keep the other one's trial from going on.
    assert makespan(TopK(3), workers=2, pause=3) == 1 + 3 + 2


def test_delays_change_the_order_of_arrival_alone() -> None:
    curves = recorded(40, 9)
    delayed = Overheads(delay=2.0)
    found = simulate(curves, FullTraining(), 8, seed=1, overheads=delayed)
    prompt = simulate(curves, FullTraining(), 8, seed=1)
    assert found.rows.tolist() != prompt.rows.tolist()
    assert found.trials == prompt.trials
    assert (np.diff(found.times) >= 0).all()
    # 45 epochs a worker, 2 longer each in the mean.
    assert found.makespan - prompt.makespan == pytest.approx(45 * 2, rel=0.2)
    # In pairs: the delay of an epoch does not depend on the scheduler.
    first = {row: at for row, at in zip(found.rows[::-1], found.times[::-1], strict=True) if row < 8}
    asha = simulate(curves, StoppingASHA(9), 8, seed=1, overheads=delayed)
    again = {row: at for row, at in zip(asha.rows[::-1], asha.times[::-1], strict=True) if row < 8}
    assert again == first
    other = simulate(curves, FullTraining(), 8, seed=2, overheads=delayed)
    assert other.times.tolist() != found.times.tolist()


def test_recorded_durations() -> None:
    curves = recorded(3, 4)
    durations = np.array([[1.0, 2, 3, 4], [10, 10, 10, 10], [5, 5, 5, 5]])
    found = simulate(curves, FullTraining(), 2, seed=3, durations=durations)
    # The third begins when the first has ended, at 10.
    assert found.times.tolist() == [1, 3, 6, 10, 10, 15, 20, 20, 25, 30, 30, 40]
    assert found.makespan == 40
    kept = durations.copy()
    simulate(curves, FullTraining(), 2, durations=durations, overheads=Overheads(start=1, report=1))
    assert (durations == kept).all(), "what was given is left as it was"
    assert simulate(curves, StoppingASHA(3), 3, durations=durations).makespan <= 30


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_durations_that_no_epoch_takes_are_refused(wrong: float) -> None:
    curves = recorded(3, 4)
    durations = np.ones((3, 4))
    durations[1, 2] = wrong
    with pytest.raises(DataError, match=f"durations: epoch 3 of row 2 takes {wrong:g}; every epoch must"):
        simulate(curves, FullTraining(), durations=durations)
    assert simulate(curves, StoppingASHA(2), durations=durations).epochs <= 6, "not trained so far"
    # Nor is it reached where the curve has diverged before.
    curves.values[1, 1:] = math.nan
    curves.status[1] = "diverged"
    assert simulate(curves, FullTraining(), durations=durations).epochs == 10
    durations[1, 1] = wrong
    with pytest.raises(DataError, match="epoch 2 of row 2"):
        simulate(curves, FullTraining(), durations=durations)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"shape \(3,\), the curves have \(3, 4\)"):
        simulate(recorded(3, 4), FullTraining(), durations=np.ones(3))
    for name in ("start", "pause", "resume", "report", "delay"):
        for wrong in (-0.1, math.nan, math.inf):
            with pytest.raises(ConfigurationError, match=f"overheads: {name} must be finite and not n"):
                Overheads(**{name: wrong})
