"""A campaign is no data set, and a search no comparison, while trials are missing."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from mlpf_hpo.config import Params
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.search_result import TrialOutcome, describe_result
from mlpf_hpo.target_metric import VALIDATION_LOSS
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning import search
from mlpf_hpo.tuning.named_scheduler import name_scheduler
from mlpf_hpo.tuning.run import check_failures
from tests.tuning.replaced import ReplacedTask
from tests.tuning.toys import toy

PARENT = "tags.kind = 'search'"


def outcomes(*statuses: str) -> list[TrialOutcome]:
    """Return outcomes with these statuses; what failed did so for memory."""
    return [
        TrialOutcome(f"t{i:03d}", f"k{i}", f"r{i}", status, 3, 1.0, "no memory" if status == "failed" else "")
        for i, status in enumerate(statuses)
    ]


def test_diverged_trials_are_part_of_the_data() -> None:
    check_failures(outcomes("finished", "diverged", "diverged"), 0, "campaign")


def test_failed_trials_are_not() -> None:
    several = outcomes("finished", "failed", "diverged", "failed")
    with pytest.raises(
        DataError, match=r"2 of 4 trials failed, 1 may \(search\.failures_allowed\); 2 of them: no memory"
    ):
        check_failures(several, 1, "search")
    check_failures(several, 2, "search")


def test_nothing_that_finished() -> None:
    with pytest.raises(DataError, match="no trial of 2 finished; 1 of them: no memory"):
        check_failures(outcomes("failed", "diverged"), 2, "campaign")


@pytest.fixture
def under_asha(make_spec, tmp_path, empty_database):
    """Return a function that runs a search under ASHA, its trainings looked up, in real Ray."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    writer = RunWriter(connect(f"sqlite:///{tmp_path / 'mlflow.db'}"))

    def run(allowed: int, faults=()):
        settings = {"configurations": 6, "max_epochs": 3, "failures_allowed": allowed}
        resources = {"concurrency": 2, "gpus_per_trial": 0}
        params = Params.model_validate({"search": settings, "resources": resources})
        specs = [make_spec(f"t{i:03d}", seed=i) for i in range(6)]
        task = ReplacedTask(toy(lambda n, e: n + 1 / e, dict(faults).items()), specs[0].task)
        specs = [dataclasses.replace(spec, task=task) for spec in specs]
        asha = name_scheduler(params.search.schedulers[0], 0, params.search, VALIDATION_LOSS)
        recorder = search.open_search(asha, specs, "trials", 3, 1, writer)
        return search.run_scheduler(
            asha, recorder, VALIDATION_LOSS, params.search, params.resources, tmp_path / "state"
        )

    run.client = writer.client
    return run


@pytest.mark.ray
def test_a_search_whose_trials_failed_is_no_result(under_asha, measured) -> None:
    four = {(number, 1): "error" for number in (0, 2, 3, 5)}
    message = r"4 of 6 trials failed, 3 may \(search\.failures_allowed\); 4 of them: ValueError: no luck with"
    with pytest.raises(DataError, match=message):
        under_asha(3, four)
    client = under_asha.client
    failed = {trial.trial_id for trial in reader.trials(client, "search") if trial.status == "failed"}
    assert failed == {"t000", "t002", "t003", "t005"}
    (parent,) = client.search_runs([client.get_experiment_by_name("mlpf/search").experiment_id], PARENT)
    assert parent.info.status == "FAILED"
    assert "4 of 6 trials failed" in parent.data.tags["reason"]
    found = under_asha(4, four)
    assert (found["failed"], found["diverged"], found["best_trial"]) == (4, 0, "t001")
    assert "0 diverged, 4 failed;" in describe_result(found, "val/loss")
    again = under_asha(0)
    assert (again["failed"], again["best_trial"], again["reused"]) == (0, "t000", 2)
    runs = {row["trial_id"]: row["run_id"] for row in found["trials"]}
    assert {row["trial_id"]: row["run_id"] for row in again["trials"]} == runs
    measured(
        "trials",
        "four of six trials of a search break",
        "the search ends with their number and reason, or goes on if `search.failures_allowed` says so; the "
        "next run trains them again",
    )
