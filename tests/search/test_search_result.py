"""One answer to which trial is the best, wherever it is given: a network that is there at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from mlpf_hpo.errors import DataError
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.search_result import TrialOutcome, best_trial, improvements, search_result
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric

NAN = math.nan

ENDS = {
    "t000": ("finished", [5.0, 4.0, 3.0]),
    "t001": ("diverged", [0.5, NAN]),  # better than all, and its last weights are no numbers
    "t002": ("stopped", [4.5, 2.0]),
    "t003": ("failed", [1.0, 1.5]),
}
"""Trial -> how it ended, and its validation loss."""


def summaries(ends: dict[str, tuple[str, Sequence[float]]]) -> dict[str, TrialSummary]:
    """Return the trials as MLflow holds them, one epoch of each after the other, by run id."""
    return {
        f"run-{trial_id}": TrialSummary(
            trial_id=trial_id,
            trial_key=f"key-{trial_id}",
            run_id=f"run-{trial_id}",
            configuration={"lr": 1e-3},
            seed=1,
            status=status,
            metrics={"val/loss": tuple(losses), "train/loss": tuple(losses)},
            hardware_label="here",
            timestamps=tuple(10.0 * epoch + place for epoch in range(len(losses))),
        )
        for place, (trial_id, (status, losses)) in enumerate(ends.items())
    }


def found(ends: dict[str, tuple[str, Sequence[float]]], target: TargetMetric = VALIDATION_LOSS) -> dict:
    trials = summaries(ends)
    outcomes = [
        TrialOutcome(trial.trial_id, trial.trial_key, run_id, trial.status, trial.epochs, NAN, "")
        for run_id, trial in trials.items()
    ]
    return search_result(outcomes, trials, target, "search under ASHA")


def test_neither_what_diverged_nor_what_failed_is_the_best() -> None:
    one = found(ENDS)
    assert (one["best_loss"], one["best_trial"], one["best_run_id"]) == (2.0, "t002", "run-t002")
    assert (one["finished"], one["diverged"], one["failed"], one["epochs"]) == (1, 1, 1, 9)
    kept = best_trial({"schedulers": {"asha": {**one, "label": "ASHA", "campaign_id": "c"}}})
    assert kept["run_id"] == one["best_run_id"], "the network that is kept is that of the best trial"


def test_the_best_loss_against_epochs_ends_at_that_of_the_best_trial() -> None:
    """By time: 5, (.5), 4.5, (1); 4, (NaN), 2, (1.5); 3. What diverged or failed is spent, nobody's best."""
    assert found(ENDS)["incumbent"] == [[1, 5.0], [3, 4.5], [5, 4.0], [7, 2.0], [9, 2.0]]
    assert found(ENDS)["incumbent"][-1] == [9, found(ENDS)["best_loss"]]
    assert improvements(summaries({"t001": ENDS["t001"]}).values(), VALIDATION_LOSS) == []


def test_the_progress_shows_the_same_best() -> None:
    trials = [Trial(f"t{i:03d}", f"k{i}", {}) for i in range(2)]
    ledger = Ledger(trials, FullTraining(), 3, VALIDATION_LOSS)
    for epoch, value in ((1, 0.5), (2, NAN)):
        ledger.report("t000", epoch, value)
    ledger.report("t001", 1, 4.0)
    assert ledger.best() == 0.5, "it may still end well"
    ledger.report_end("t000")
    assert (ledger.best(), ledger.best("t000")) == (4.0, 0.5)


def test_no_network_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="search under ASHA: no trial has a network to show: all diverged, f"):
        found({name: ENDS[name] for name in ("t001", "t003")})


def test_of_a_rising_metric_the_largest_is_the_best() -> None:
    rising = TargetMetric("val/loss", "max")
    one = found(ENDS, rising)
    assert (one["best_loss"], one["best_trial"]) == (5.0, "t000")
    assert one["incumbent"] == [[1, 5.0], [9, 5.0]]
    schedulers = {"asha": {**one, "label": "ASHA", "campaign_id": "c"}}
    assert best_trial({"schedulers": schedulers, "target": rising.to_dict()})["trial_id"] == "t000"
    assert best_trial({"schedulers": schedulers})["trial_id"] == "t002", (
        "a record from before it said what for"
    )
