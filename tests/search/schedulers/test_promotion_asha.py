"""PromotionASHA: the rule of algorithm 2 of arXiv 1810.05934, checked against its definition."""

from __future__ import annotations

import pytest

from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers import LABELS, SCHEDULERS, make_scheduler
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.target_metric import TargetMetric


class Watched(PromotionASHA):
    """Compares every choice with the definition, worked out from all that ever arrived."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.arrived: list[tuple[float, str, float]] = []
        self.promoted: set[tuple[float, str]] = set()
        self.choices = 0

    def on_trial_result(self, trial_id, epoch, value):
        decision = super().on_trial_result(trial_id, epoch, value)
        if decision is Decision.PAUSE:
            level = [level for level in self._rungs if epoch >= level][-1]
            self.arrived.append((level, trial_id, -value if self.mode == "max" else value))
        return decision

    def choose(self, pending, paused):
        expected = pending[0] if pending else None
        for level in self._rungs:  # a higher level overwrites
            here = sorted((cost, trial_id) for at, trial_id, cost in self.arrived if at == level)
            best = [trial_id for _, trial_id in here[: int(len(here) / self.reduction_factor)]]
            able = [trial_id for trial_id in best if (level, trial_id) not in self.promoted]
            expected = able[0] if able else expected
        chosen = super().choose(pending, paused)
        assert chosen == expected
        if chosen in paused:
            at = max(level for level, trial_id, _ in self.arrived if trial_id == chosen)
            self.promoted.add((at, chosen))
            self.choices += 1
        return chosen


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("grace", "eta"), [(1, 3.0), (2, 2.0), (1, 2.5)])
@pytest.mark.parametrize("workers", [1, 3])
def test_promotes_the_best(curves, simulate, mode, grace, eta, workers) -> None:
    table = curves(30, 12, seed=3)
    scheduler = Watched(12, grace, eta, mode)
    ledger = Ledger([Trial(t, t, {}) for t in table], scheduler, 12, TargetMetric("loss", mode))
    results = simulate(ledger, table, workers, seed=5)
    assert scheduler.choices > 0
    status = [trial.status for trial in ledger.trials.values()]
    assert set(status) <= {"finished", "stopped"}
    assert 1 <= status.count("finished") < 10
    assert {trial.reason for trial in ledger.trials.values()} == {"", "not promoted"}
    assert len(results) == sum(trial.epochs for trial in ledger.trials.values()) < 30 * 12


def test_idle_while_a_rival_is_on_its_way() -> None:
    scheduler = PromotionASHA(9, reduction_factor=3)
    for trial_id, value in (("a", 1.0), ("b", 2.0)):
        assert scheduler.on_trial_result(trial_id, 1, value) is Decision.PAUSE
    assert scheduler.choose([], ["a", "b"]) is None
    assert scheduler.on_trial_result("c", 1, 0.5) is Decision.PAUSE
    assert scheduler.choose([], ["a", "b", "c"]) == "c"


def test_the_highest_rung_comes_first_and_nobody_twice() -> None:
    scheduler = PromotionASHA(9, reduction_factor=2)  # rungs 1, 2, 4, 8
    for trial_id, value in (("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0)):
        scheduler.on_trial_result(trial_id, 1, value)
    for trial_id, value in (("c", 3.0), ("d", 2.5)):
        scheduler.on_trial_result(trial_id, 2, value)
    assert scheduler.choose(["e"], ["a", "b", "c", "d"]) == "d"
    assert scheduler.choose(["e"], ["a", "b", "c"]) == "a"
    assert scheduler.choose(["e"], ["b", "c"]) == "b"
    assert scheduler.choose(["e"], ["c"]) == "e"


def test_the_registry_makes_every_policy() -> None:
    assert set(SCHEDULERS.builtin) == set(LABELS) >= {"full", "asha", "promotion_asha"}
    assert isinstance(make_scheduler("promotion_asha", max_epochs=9), PromotionASHA)
    with pytest.warns(FutureWarning, match="use 'promotion_asha'"):
        assert isinstance(make_scheduler("promotion", max_epochs=9), PromotionASHA)
    with pytest.raises(Exception, match="did you mean asha"):
        make_scheduler("ashaa")
