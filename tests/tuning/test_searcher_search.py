"""A search whose configurations TPE proposes, under real Ray: a kill changes no proposal. Its settings."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
from pathlib import Path

import pytest

from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.proposing import ProposingScheduler, with_searcher
from mlpf_hpo.search.searchers.tpe import TPESearcher
from mlpf_hpo.space import SearchSpace, Uniform, from_text
from mlpf_hpo.target_metric import VALIDATION_LOSS
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.journal_entries import LogMetrics, OpenRun
from mlpf_hpo.tracking.writer import durable_writer
from mlpf_hpo.tuning.named_scheduler import name_scheduler
from mlpf_hpo.tuning.named_searcher import add_searcher
from mlpf_hpo.tuning.prior_campaign import read_prior
from mlpf_hpo.tuning.proposals import take_up_proposals
from mlpf_hpo.tuning.settings import SearchParams
from mlpf_hpo.tuning.task import TrialSpec
from tests.faults.processes import wait_until
from tests.quick_task import QuickTask, loss
from tests.tuning.toys import run_search, start_driver, trained

EPOCHS, TRIALS, SEED = 4, 8, 5
SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})


def prior() -> LearningCurves:
    rows = SPACE.stream(15, seed=100)
    curves = [[loss(one, epoch) for epoch in range(1, EPOCHS + 1)] for one in rows]
    return LearningCurves.from_arrays(rows, curves, VALIDATION_LOSS)


def scheduler() -> ProposingScheduler:
    def make():
        return make_scheduler("promotion_asha", max_epochs=EPOCHS, reduction_factor=2.0)

    return with_searcher(make, "promotion_asha", "tpe", SPACE, EPOCHS, seed=SEED, prior=prior())


@pytest.fixture
def specs() -> list[TrialSpec]:
    stream = SPACE.stream(TRIALS, seed=1)
    return [TrialSpec(f"t{i:03d}", one, i, QuickTask(pace=0.1)) for i, one in enumerate(stream)]


def journal(folder: Path) -> Journal:
    return Journal(folder / "state" / "journals" / "s.jsonl")


def check_journal(folder: Path) -> dict[str, dict]:
    """Check that a searcher and a scheduler that were never interrupted decide the same; return proposals."""
    searcher = TPESearcher(SPACE, EPOCHS, seed=SEED, prior=prior())
    policy = make_scheduler("promotion_asha", max_epochs=EPOCHS, reduction_factor=2.0)
    proposed: dict[str, dict] = {}
    trial_ids: dict[str, str] = {}
    for entry in journal(folder).entries():
        if isinstance(entry, OpenRun) and "trial_id" in entry.tags and entry.run not in trial_ids:
            trial_id = trial_ids[entry.run] = entry.tags["trial_id"]
            proposed[trial_id] = {"x": from_text(entry.params["x"])}
            assert proposed[trial_id] == searcher.suggest()
            searcher.on_trial_add(trial_id, proposed[trial_id])
        elif isinstance(entry, LogMetrics) and entry.result is not None:
            trial_id, result = trial_ids[entry.run], entry.result
            searcher.on_trial_result(trial_id, result.epoch, result.value)
            decision = policy.on_trial_result(trial_id, result.epoch, result.value)
            assert decision is result.decision or result.epoch == EPOCHS
    return proposed


@pytest.mark.ray
@pytest.mark.faults
def test_proposals_go_on_after_a_kill(specs, tmp_path, empty_database, measured) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    driver = start_driver(tmp_path, store, specs, scheduler(), EPOCHS, None)
    try:
        wait_until(lambda: len(list(journal(tmp_path).results())) >= 4, "four epochs")
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.communicate()
    before = check_journal(tmp_path)
    with durable_writer(tmp_path / "state" / "journals", 60.0, store) as writer:
        writer.close_orphans("s")
        outcomes, records = run_search(writer, specs, scheduler(), EPOCHS, tmp_path / "state")
    proposed = check_journal(tmp_path)
    assert 0 < len(before) < len(proposed) == TRIALS
    assert list(proposed.items())[: len(before)] == list(before.items())
    assert {record.trial_id: record.configuration for record in records} == proposed
    assert sum(abs(one["x"] - 0.3) < 0.2 for one in proposed.values()) > TRIALS / 2, "near the prior's best"
    for outcome, record in zip(outcomes, records, strict=True):
        assert (record.trial_key, record.status) == (outcome.key, outcome.status)
        whole = tuple(loss(record.configuration, epoch) for epoch in range(1, outcome.epochs + 1))
        assert record.metrics["val/loss"] == whole
    assert sorted(trained(tmp_path)) == sorted([*range(1, outcome.epochs + 1)] for outcome in outcomes)
    paused = {entry.key for entry in journal(tmp_path).results() if entry.decision is Decision.PAUSE}
    assert any(outcome.key in paused and outcome.status == "finished" for outcome in outcomes), "resumed"
    # Again: everything is on record, under the same keys.
    with durable_writer(tmp_path / "state" / "journals", 60.0, store) as writer:
        again, _ = run_search(writer, specs, scheduler(), EPOCHS, tmp_path / "state")
    assert [outcome.key for outcome in again] == [outcome.key for outcome in outcomes]
    assert all(outcome.on_record for outcome in again)
    measured(
        "kills",
        "a search whose configurations TPE proposes is killed (-9) in the middle",
        f"the next run proposes as if nothing had happened: {len(before)} of {TRIALS} trials had started",
    )


def test_a_record_that_was_changed_is_refused(specs) -> None:
    """Parameters in MLflow that are not those that were trained would be another trial's curve."""

    class Recorder:
        def configure(self, trial_id, configuration):
            return dataclasses.replace(specs[0], configuration=configuration)

    record = dataclasses.make_dataclass("Record", ["trial_id", "trial_key", "configuration", "run_id"])
    take_up_proposals(Recorder(), [record("t000", specs[0].key, specs[0].configuration, "r")])
    with pytest.raises(DataError, match="run r of trial t000: its parameters are not those"):
        take_up_proposals(Recorder(), [record("t000", specs[0].key, {"x": 0.5}, "r")])


def named(curves: LearningCurves | None = None, seed: int = 0, **params):
    settings = SearchParams(schedulers=[params], max_epochs=EPOCHS)
    one = settings.schedulers[0]

    def make():
        return name_scheduler(one, 0, settings, VALIDATION_LOSS, prior=curves)

    return add_searcher(make, one, SPACE, EPOCHS, "min", seed)


def first(one):
    return one.scheduler.searcher.suggest()


def test_the_searcher_is_part_of_identity_key_and_label() -> None:
    plain, cold = named(name="hyperband"), named(name="hyperband", searcher="tpe", prior="none")
    assert (plain.key, plain.label) == ("hyperband", "Hyperband")
    assert "searcher" not in plain.identity
    assert not isinstance(plain.scheduler, ProposingScheduler)
    assert (cold.key, cold.label) == ("hyperband+tpe", "Hyperband + TPE")
    assert cold.identity == {**plain.identity, "searcher": "tpe"}
    assert first(cold) is None
    warm = named(prior(), name="hyperband", searcher="tpe")
    assert warm.identity["prior"]
    assert warm.described_prior is not None
    assert first(warm) == first(named(prior(), name="asha", searcher="tpe")) is not None
    assert first(warm) != first(named(prior(), seed=1, name="asha", searcher="tpe"))
    assert named(name="asha", searcher="tpe", label="mine").label == "mine"


def params(**more):
    return SearchParams(schedulers=[{"name": "asha", **more}]).schedulers[0]


def test_what_cannot_be_is_refused_before_anything_starts(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=r"freeze_thaw\+tpe: scheduler freeze_thaw takes no"):
        named(name="freeze_thaw", searcher="tpe")
    other = LearningCurves.from_arrays([{"lr": i} for i in range(3)], [[1.0]] * 3, VALIDATION_LOSS)
    with pytest.raises(DataError, match=r"schedulers: asha\+tpe: prior .*lacks x"):
        named(other, name="asha", searcher="tpe")
    with pytest.raises(ValueError, match=r"schedulers\.0\.searcher: no searcher 'tbe' \(did you mean tpe"):
        params(searcher="tbe")
    with pytest.raises(ValueError, match=r"schedulers\.0\.prior: scheduler asha with searcher bohb takes no"):
        params(searcher="bohb", prior="campaign")
    write_curves(prior(), tmp_path / "curves.parquet")
    for prior_of, found in ((None, 15), ("none", None)):
        curves = read_prior(
            params(searcher="tpe", prior=prior_of), 0, VALIDATION_LOSS, tmp_path / "curves.parquet"
        )
        assert (curves if curves is None else len(curves)) == found
