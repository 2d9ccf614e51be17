"""The ledger: states, and a search that is interrupted anywhere ends as if it had not been."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import pytest

from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler import Decision, Result
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.trial_state import Trial, TrialState
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.target_metric import VALIDATION_LOSS


class Kept(Ledger):
    """A ledger whose results are put on record in a list, and taken up from there."""

    journal: list[Result]

    def commit(self, trial_id):
        result = super().commit(trial_id)
        if result is not None:
            self.journal.append(result)
        return result

    def restore(self, finished):
        super().restore(finished, self.journal)


def make_ledger(table, scheduler, journal=None, epochs=8) -> Ledger:
    ledger = Kept([Trial(t, f"key-{t}", {"lr": 1.0}) for t in table], scheduler, epochs, VALIDATION_LOSS)
    ledger.journal = [] if journal is None else journal
    return ledger


def summary(trial: Trial, values, timestamps=()) -> TrialSummary:
    metrics = {"val/loss": tuple(values)}
    return TrialSummary(trial.trial_id, trial.key, "r", {}, 0, trial.status, metrics, "", timestamps)


@pytest.mark.parametrize("scheduler", [StoppingASHA, PromotionASHA])
@pytest.mark.parametrize("results", range(1, 30, 2))
def test_a_restart_takes_the_policy_up(curves, simulate, scheduler, results) -> None:
    """One worker, so that there is one order: interrupted after any result, the same decisions are made."""
    table = curves(9, 8, seed=2)
    whole = make_ledger(table, scheduler(8))
    expected = simulate(whole, table, workers=1, seed=0)
    journal = []
    before = make_ledger(table, scheduler(8), journal)
    first = simulate(before, table, workers=1, seed=0, results=results)
    after = make_ledger(table, scheduler(8), journal)
    ended = {t.trial_id: summary(t, t.values) for t in before.trials.values() if t.state is TrialState.ENDED}
    after.restore(ended)
    second = simulate(after, table, workers=1, seed=0)
    assert first + second == expected
    for trial_id, trial in whole.trials.items():
        again = after.trials[trial_id]
        assert (trial.status, trial.values, trial.reason) == (again.status, again.values, again.reason)


class Spy(StoppingASHA):
    """Records its calls."""

    def __init__(self) -> None:
        super().__init__(8)
        self.calls: list[tuple[object, ...]] = []

    def on_trial_result(self, *arguments):
        self.calls.append(arguments)
        return super().on_trial_result(*arguments)

    def on_trial_complete(self, trial_id):
        self.calls.append((trial_id, "end"))


def test_a_scheduler_receives_the_same_calls_again(curves, simulate) -> None:
    table = curves(9, 8, seed=2)
    journal = []
    before, after = make_ledger(table, Spy(), journal), make_ledger(table, Spy(), journal)
    simulate(before, table, workers=3, seed=0)
    after.restore({t.trial_id: summary(t, t.values) for t in before.trials.values()})
    assert after.all_ended
    assert after.scheduler.calls == before.scheduler.calls


def test_a_trial_paused_before_a_restart_reports_before_it_ends() -> None:
    journal = []
    before = make_ledger({"a": [], "b": []}, PromotionASHA(8), journal)
    for trial_id in "ab":
        assert before.next_trial() == trial_id
        assert before.report(trial_id, 1, 1.0) is Decision.PAUSE
        before.commit(trial_id)
    after = make_ledger({"a": [], "b": []}, PromotionASHA(8), journal)
    after.restore({})
    assert after.next_trial() is None
    assert after.end_waiting() == []
    for trial_id in "ab":
        assert after.next_trial() == trial_id
        assert after.report(trial_id, 1, 1.0) is Decision.STOP
        after.report_end(trial_id)
    assert after.all_ended
    assert {(t.status, t.reason) for t in after.trials.values()} == {("stopped", "not promoted")}
    # Within one session they end at once: their epochs were reported.
    assert before.next_trial() is None
    assert before.end_waiting() == ["a", "b"]
    assert before.all_ended


def test_what_ended_but_is_not_on_record_reports_again(curves, simulate) -> None:
    """The journal has the end of every trial, the tracking server has lost them all."""
    table = curves(6, 8, seed=1)
    journal = []
    before = make_ledger(table, StoppingASHA(8), journal)
    simulate(before, table, workers=2, seed=0)
    after = make_ledger(table, StoppingASHA(8), journal)
    after.restore({})
    assert not after.all_ended
    assert simulate(after, table, workers=2, seed=0) == []  # nothing that is new to the scheduler
    for trial_id, trial in before.trials.items():
        assert after.trials[trial_id].status == trial.status
        assert after.trials[trial_id].reason == trial.reason


def test_without_a_journal_the_summaries_teach_the_policy() -> None:
    table = {"a": [1.0] * 8, "b": [2.0] * 8, "c": [0.0] * 8}
    ledger = make_ledger(table, StoppingASHA(8, reduction_factor=2))
    trial = ledger.trials["a"]
    trial.status = "finished"
    ledger.restore({"a": summary(trial, table["a"], tuple(float(i) for i in range(8)))})
    assert ledger.trials["a"].state is TrialState.ENDED
    assert ledger.next_trial() == "b"
    assert ledger.report("b", 1, 2.0) is Decision.STOP


def test_a_shorter_training_is_extended(curves, simulate) -> None:
    table = curves(3, 8, seed=0)
    journal = []
    simulate(make_ledger(table, FullTraining(), journal, epochs=5), table, workers=2, seed=0)
    longer = make_ledger(table, FullTraining(), journal, epochs=8)
    longer.restore({})
    assert len(simulate(longer, table, workers=2, seed=0)) == 9
    assert [trial.values for trial in longer.trials.values()] == list(table.values())


def test_states_and_ends(curves, simulate) -> None:
    table = curves(4, 8, seed=0)
    table["t001"][3] = math.nan
    ledger = make_ledger(table, FullTraining())
    simulate(ledger, table, workers=2, seed=0, broken=["t002"])
    status = {trial_id: (trial.status, trial.epochs) for trial_id, trial in ledger.trials.items()}
    assert status == {
        "t000": ("finished", 8), "t001": ("diverged", 4), "t002": ("failed", 1), "t003": ("finished", 8)
    }  # fmt: skip
    assert ledger.trials["t002"].reason == "broken"
    assert ledger.best() == min(value for values in table.values() for value in values[:8] if value == value)
    assert math.isnan(make_ledger(table, FullTraining()).best("t000"))


def test_a_training_that_breaks_off_has_failed() -> None:
    ledger = make_ledger({"a": []}, FullTraining())
    ledger.next_trial()
    ledger.report("a", 1, 1.0)
    ledger.report_end("a")
    assert ledger.trials["a"].status == "failed"
    assert "epoch 1 of 8" in ledger.trials["a"].reason


def test_a_trial_whose_worker_died_runs_next_and_goes_on(curves, simulate) -> None:
    table = curves(4, 8, seed=0)
    ledger = make_ledger(table, FullTraining())
    ledger.worker_restarts = 1
    assert [ledger.next_trial(), ledger.next_trial()] == ["t000", "t001"]
    ledger.report("t000", 1, table["t000"][0])
    assert ledger.report_worker_death("t000", "killed")
    assert ledger.next_trial() == "t000"
    assert ledger.report("t000", 1, table["t000"][0]) is Decision.CONTINUE
    assert ledger.trials["t000"].epochs == 1, "reported again, counted once"
    assert not ledger.report_worker_death("t000", "killed")
    assert (ledger.trials["t000"].status, ledger.trials["t000"].reason) == (
        "failed", "its worker died 2 times: killed"
    )  # fmt: skip
    assert ledger.report_worker_death("t001", "killed")
    simulate(ledger, table, workers=2, seed=0)
    assert [trial.status for trial in ledger.trials.values()] == ["failed", *["finished"] * 3]


def test_a_machine_that_goes_away_counts_only_if_nothing_was_trained_between() -> None:
    ledger = make_ledger({"a": []}, FullTraining())
    ledger.worker_restarts = 1
    for epoch in (1, 2, 3):
        assert ledger.next_trial() == "a"
        ledger.report("a", epoch, 1.0)
        assert ledger.report_worker_death("a", "its node left", by_chance=True)
    assert (ledger.trials["a"].deaths, ledger.trials["a"].counted_deaths) == (3, 0)
    for goes_on in (True, False):
        assert ledger.has_interrupted
        assert ledger.next_trial() == "a"
        assert ledger.report_worker_death("a", "its node left", by_chance=True) is goes_on
    assert "died 2 times" in ledger.trials["a"].reason


def test_a_gap_in_the_reports_is_a_defect() -> None:
    ledger = make_ledger({"a": []}, FullTraining())
    ledger.next_trial()
    with pytest.raises(RuntimeError, match="epoch 2 after epoch 0"):
        ledger.report("a", 2, 1.0)


class StartsTwo(PromotionASHA):
    """Starts the first two trials only, and promotes one of them."""

    def __init__(self) -> None:
        super().__init__(8, reduction_factor=2)
        self.ended: list[str] = []

    def choose(self, pending, paused):
        return super().choose([trial for trial in pending if trial in ("t000", "t001")], paused)

    def on_trial_complete(self, trial_id):
        self.ended.append(trial_id)


@pytest.mark.parametrize("results", range(1, 12))
def test_a_scheduler_ends_the_search_before_it_has_started_all(curves, simulate, results) -> None:
    """Interrupted after any result, it ends the same; restored once more, from whatever is on record."""
    table = curves(5, 8, seed=2)
    whole = make_ledger(table, StartsTwo())
    expected = simulate(whole, table, workers=1, seed=0)
    waited = [("stopped", "not started", 0)] * 3
    ends = [(trial.status, trial.reason, trial.epochs) for trial in whole.trials.values()]
    assert ends[2:] == waited
    assert {end[:2] for end in ends[:2]} <= {("stopped", "not promoted"), ("finished", "")}
    assert sorted(whole.scheduler.ended) == sorted(table)
    for trial in list(whole.trials.values())[2:]:
        assert (trial.stop.reason, trial.stop.epoch, str(trial.stop)) == ("not started", 0, "not started")
        assert math.isnan(trial.stop.value)
    journal = []
    before, after = make_ledger(table, StartsTwo(), journal), make_ledger(table, StartsTwo(), journal)
    first = simulate(before, table, workers=1, seed=0, results=results)
    after.restore({t.trial_id: summary(t, t.values) for t in before.trials.values() if t.status})
    assert first + simulate(after, table, workers=1, seed=0) == expected
    assert [(trial.status, trial.reason, trial.epochs) for trial in after.trials.values()] == ends
    last = make_ledger(table, StartsTwo(), journal)
    last.restore({t.trial_id: summary(t, t.values) for t in after.trials.values()})
    assert last.all_ended
    assert sorted(last.scheduler.ended) == sorted(table)
    assert [(trial.status, trial.reason, trial.epochs) for trial in last.trials.values()] == ends


def test_nothing_ends_while_a_trial_runs() -> None:
    ledger = make_ledger({"t000": [], "t001": [], "t002": []}, StartsTwo())
    assert [ledger.next_trial() for _ in range(3)] == ["t000", "t001", None]
    assert ledger.end_waiting() == []
    for trial_id in ("t000", "t001"):
        assert ledger.report(trial_id, 1, math.nan) is Decision.STOP
        ledger.report_end(trial_id)
    assert ledger.next_trial() is None
    assert ledger.end_waiting() == ["t002"]
    assert ledger.all_ended


def test_results_of_another_target_are_passed_over(curves, simulate) -> None:
    table = curves(3, 8, seed=0)
    journal: list[Result] = []
    simulate(make_ledger(table, FullTraining(), journal), table, workers=2, seed=0)
    assert {result.metric for result in journal} == {"val/loss"}
    journal[:] = [replace(result, metric="accuracy") for result in journal]
    later = make_ledger(table, FullTraining(), journal)
    later.restore({})
    assert [trial.epochs for trial in later.trials.values()] == [0, 0, 0]


def test_decisions_on_record_stand(curves, simulate, caplog) -> None:
    table = curves(9, 8, seed=2)
    journal = []
    before = make_ledger(table, StoppingASHA(8), journal)
    simulate(before, table, workers=1, seed=0)
    stopped = [trial.trial_id for trial in before.trials.values() if trial.status == "stopped"]
    after = make_ledger(table, FullTraining(), journal)
    with caplog.at_level(logging.WARNING):
        after.restore({})
    simulate(after, table, workers=1, seed=0)
    assert [trial.trial_id for trial in after.trials.values() if trial.status == "stopped"] == stopped
    assert f"{len(stopped)} recorded decisions" in caplog.text


@pytest.mark.parametrize("status", ["stopped", "diverged"])
def test_what_is_on_record_says_why_a_trial_ended(status: str) -> None:
    """As in a second checkout, which has no journal: the scheduler might decide otherwise now."""
    ledger = make_ledger({"a": []}, FullTraining())
    record = TrialSummary(
        "a", "key-a", "r", {}, 0, status, {"val/loss": (1.0,)}, "", (), "recorded at its end"
    )
    ledger.restore({"a": record})
    assert (ledger.trials["a"].status, ledger.trials["a"].reason) == (status, "recorded at its end")
