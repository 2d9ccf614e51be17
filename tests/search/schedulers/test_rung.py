"""`Rung` against sorting and NumPy, and the schedulers that use it against the plain rules they stand for."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.schedulers.rung import Rung
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA

VALUES = st.floats(-1e300, 1e300) | st.integers(-3, 3).map(float)


@given(st.lists(VALUES, min_size=1, max_size=40), st.floats(1.0001, 1e6) | st.integers(2, 9))
@example([1.0], 3.0)
@example([1.0, 2.0], 1e30)
def test_the_quantile_is_numpys_to_the_last_digit(values, eta) -> None:
    rung = Rung()
    for i, value in enumerate(values):
        rung.record(f"t{i}", value)
    percent = (1 - 1 / eta) * 100
    assert rung.percentile(percent) == np.percentile(values, percent)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 3)), max_size=40))
def test_trials_are_ranked_by_value_and_identifier(operations) -> None:
    rung, plain = Rung(), {}
    for number, recorded, value in operations:
        trial_id = f"t{number}"
        if recorded and trial_id not in plain:
            rung.record(trial_id, value)
            plain[trial_id] = value
        elif not recorded:
            rung.discard(trial_id)
            plain.pop(trial_id, None)
        assert list(rung) == sorted(plain, key=lambda trial: (plain[trial], trial))
        assert dict(rung) == plain
        assert list(rung.ranked) == [(plain[trial], trial) for trial in rung]
        assert all((f"t{i}" in rung) == (f"t{i}" in plain) for i in range(10))


class PlainStopping(StoppingASHA):
    """Ray's rule and syne-tune's, by a list for each rung and `numpy.percentile`."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.plain = {level: {} for level in self._rungs}

    def _decide(self, trial_id, epoch, value):
        for level in sorted(self.plain, reverse=True):
            recorded = self.plain[level]
            if epoch >= level and trial_id not in recorded:
                reward = value if self.mode == "max" else -value
                others = [*recorded.values(), *([reward] if self.own_value else [])]
                recorded[trial_id] = reward
                percent = (1 - 1 / self.reduction_factor) * 100 - (1e-9 if self.own_value else 0)
                bad = others and reward < np.percentile(others, percent)
                return Decision.STOP if bad else Decision.CONTINUE
        return Decision.CONTINUE


class PlainPromotion(PromotionASHA):
    """The definition: at every choice each rung is sorted, from the highest on."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.plain = {level: {} for level in self._rungs}

    def on_trial_complete(self, trial_id):
        pass

    on_trial_error = on_trial_complete

    def _decide(self, trial_id, epoch, value):
        for level, costs in self.plain.items():
            if epoch >= level and trial_id not in costs:
                costs[trial_id] = value if self.mode == "min" else -value
                return Decision.PAUSE
        return Decision.CONTINUE

    def choose(self, pending, paused):
        passed = {}
        for costs in reversed(self.plain.values()):
            ranked = sorted(costs, key=lambda trial_id: (costs[trial_id], trial_id))
            for trial_id in ranked[: int(len(costs) / self.reduction_factor)]:
                if trial_id in paused and trial_id not in passed:
                    return trial_id
            passed = costs
        return pending[0] if pending else None


ETAS = st.sampled_from([1.1, 1.5, 2.0, 2.5, 3.0])
SHAPES = st.tuples(st.integers(3, 14), st.integers(1, 3), ETAS, st.sampled_from(["min", "max"]))


@settings(max_examples=150)
@given(SHAPES, st.booleans(), st.integers(0, 2**32 - 1))
def test_stops_what_the_plain_rule_stops(shape, own_value, seed) -> None:
    fast, plain = StoppingASHA(*shape, own_value), PlainStopping(*shape, own_value)
    generator = np.random.default_rng(seed)
    live = dict.fromkeys((f"t{i}" for i in range(12)), 0)
    while live:
        trial_id = str(generator.choice(sorted(live)))
        live[trial_id] += 1
        value = math.nan if generator.random() < 0.02 else float(generator.integers(-4, 5)) / 3
        decisions = [one.on_trial_result(trial_id, live[trial_id], value) for one in (fast, plain)]
        if math.isfinite(value) and live[trial_id] < shape[0]:
            assert decisions[0] is decisions[1]
        if decisions[0] is Decision.STOP or live[trial_id] >= shape[0]:
            del live[trial_id]


@settings(max_examples=150)
@given(SHAPES, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3]))
def test_promotes_what_the_plain_rule_promotes(shape, seed, hidden) -> None:
    """Trials fail, diverge and end; some paused ones are not offered (`hidden`), others go on unasked."""
    fast, plain = PromotionASHA(*shape), PlainPromotion(*shape)
    generator = np.random.default_rng(seed)
    pending, paused = [f"t{i}" for i in range(20)], []
    running: dict[str, int] = {}
    epochs = dict.fromkeys(pending, 0)
    for _ in range(400):
        if generator.random() < 0.5:
            offered = [trial for trial in paused if generator.random() >= hidden]
            chosen = fast.choose(pending, offered)
            assert chosen == plain.choose(pending, offered)
            if chosen is None and paused and generator.random() < hidden:  # as `PredictiveScheduler` does
                chosen = str(generator.choice(paused))
            if chosen is not None:
                (pending if chosen in pending else paused).remove(chosen)
                running[chosen] = epochs[chosen]
        elif running:
            trial_id = str(generator.choice(sorted(running)))
            epochs[trial_id] += 1
            draw = generator.random()
            value = math.nan if draw < 0.02 else float(generator.integers(-4, 5)) / 3
            decision = fast.on_trial_result(trial_id, epochs[trial_id], value)
            assert decision is plain.on_trial_result(trial_id, epochs[trial_id], value)
            if decision is Decision.PAUSE:
                paused.append(trial_id)
            if decision is Decision.STOP or epochs[trial_id] >= shape[0] or draw > 0.97:
                for one in (fast, plain):
                    (one.on_trial_error if draw > 0.97 else one.on_trial_complete)(trial_id)
                paused = [trial for trial in paused if trial != trial_id]
                del running[trial_id]
            elif decision is Decision.PAUSE:
                del running[trial_id]


def test_nothing_is_sorted_again() -> None:
    """Values that arrive when there are thirty times as many take little more comparisons each."""

    class Counted(float):
        calls = 0

        def __lt__(self, other):
            Counted.calls += 1
            return float.__lt__(self, other)

    def comparisons(n: int) -> float:
        Counted.calls, rung = 0, Rung()
        for i in range(n):
            rung.record(f"t{i}", Counted((i * 7919) % n))
        return Counted.calls / n

    assert 0 < comparisons(3000) < 3 * comparisons(100)
