"""What is written is what is read: every epoch once, in order, with true ends."""

from __future__ import annotations

import math
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.records import curves_digest, trial_name
from mlpf_hpo.tracking.writer import RunWriter


def test_a_trial_comes_back_whole(writer, open_trial) -> None:
    run_id = open_trial()
    for epoch, value in enumerate((3.0, 2.0, math.nan, math.inf), start=1):
        writer.log_epoch(run_id, epoch, {"val/loss": value, "train/loss": 1.0 / epoch}, epoch * 1000)
    writer.close(run_id, "diverged")
    (trial,) = reader.trials(writer.client, "campaign", open_trial.campaign_id)
    assert trial.metrics["val/loss"][:2] == (3.0, 2.0)
    assert math.isnan(trial.metrics["val/loss"][2])
    assert trial.metrics["val/loss"][3] == math.inf
    assert trial.metrics["train/loss"] == (1.0, 0.5, 1 / 3, 0.25)
    assert trial.timestamps == (1.0, 2.0, 3.0, 4.0)
    assert (trial.status, trial.seed, trial.trial_key, trial.hardware_label) == ("diverged", 7, "k0", "here")
    assert trial.configuration["output_dim"] == 32
    assert trial.configuration["lr"] == 3.5e-4
    run = writer.client.get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["mlflow.parentRunId"] == open_trial.parent
    assert run.inputs.dataset_inputs[0].dataset.digest == "d1"


def test_a_resumed_trial_goes_on_in_its_own_run(uri, writer, open_trial) -> None:
    first = open_trial()
    for epoch in (1, 2):
        writer.log_epoch(first, epoch, {"val/loss": float(epoch)})
    assert writer.close_orphans(open_trial.campaign_id) == 2, "the parent and the trial"
    assert writer.client.get_run(first).info.status == "KILLED"
    later = RunWriter(connect(uri))  # another driver, without the state of the first
    again = open_trial(writer=later)
    assert again == first
    for epoch in (1, 2, 3):
        later.log_epoch(again, epoch, {"val/loss": 10.0 + epoch})
    later.close(again, "finished")
    (trial,) = reader.trials(writer.client, "campaign", open_trial.campaign_id)
    assert trial.metrics["val/loss"] == (1.0, 2.0, 13.0)
    assert len(writer.client.get_metric_history(first, "val/loss")) == 3
    assert writer.client.get_run(first).info.status == "FINISHED"


def test_the_first_of_two_points_at_a_step_counts(writer, open_trial) -> None:
    run_id = open_trial()
    writer.client.log_metric(run_id, "val/loss", 1.0, timestamp=1000, step=1)
    writer.client.log_metric(run_id, "val/loss", 2.0, timestamp=2000, step=1)
    (trial,) = reader.trials(writer.client, "campaign", run_ids=[run_id])
    assert trial.metrics["val/loss"] == (1.0,)


@pytest.mark.parametrize(
    ("status", "mlflow_status"),
    [("finished", "FINISHED"), ("stopped", "FINISHED"), ("failed", "FAILED"), ("killed", "KILLED")],
)
def test_the_status_in_mlflow_is_true(writer, open_trial, status: str, mlflow_status: str) -> None:
    run_id = open_trial()
    writer.close(run_id, status)
    run = writer.client.get_run(run_id)
    assert (run.info.status, run.data.tags["trial_status"]) == (mlflow_status, status)


def test_trials_are_ordered_and_a_parent_is_opened_once(writer, open_trial) -> None:
    for i in (2, 0, 1):
        open_trial(f"k{i}", f"t00{i}")
    again = writer.open_parent("campaign", open_trial.campaign_id, "other", {}, {}, "")
    assert again == open_trial.parent
    found = reader.trials(writer.client, "campaign", open_trial.campaign_id)
    assert [trial.trial_id for trial in found] == ["t000", "t001", "t002"]


def test_sums_over_sittings(writer, open_trial) -> None:
    assert writer.add_to_summary(open_trial.parent, "wall_seconds", 2.0) == 2.0
    time.sleep(0.01)
    assert writer.add_to_summary(open_trial.parent, "wall_seconds", 3.0) == 5.0


def test_the_digest_notices_every_change_of_a_curve(writer, open_trial) -> None:
    run_id = open_trial()
    writer.log_epoch(run_id, 1, {"val/loss": 1.0, "train/loss": 2.0, "time/epoch_seconds": 1.0})

    def digest() -> str:
        return curves_digest(reader.trials(writer.client, "campaign", open_trial.campaign_id), "val/loss")

    before = digest()
    writer.log_epoch(run_id, 2, {"time/epoch_seconds": 3.0})
    assert digest() == before
    writer.log_epoch(run_id, 3, {"val/loss": 1.0})
    assert digest() != before


def test_a_name_holds_the_hyperparameters() -> None:
    name = trial_name("t003", {"lr": 3.5e-4, "output_dim": 32, "n_glayers_id": 2, "n_glayers_reg": 3})
    assert name == "t003 lr=3.5e-04 d=32 L=2+3"


def test_a_server_out_of_reach_is_reported_soon() -> None:
    started = time.monotonic()
    with pytest.raises(TrackingError, match=r"cannot be reached at http://127\.0\.0\.1:9"):
        connect("http://127.0.0.1:9")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("bad", ["sqlite:////proc/none/mlflow.db", "nonsense://x"])
def test_an_unusable_address(bad: str) -> None:
    with pytest.raises(TrackingError, match="cannot be reached"):
        connect(bad)


def _first_use(uri: str) -> int:
    return len(connect(uri).search_experiments())


def test_processes_may_open_a_fresh_database_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(_first_use, [f"sqlite:///{tmp_path / 'mlflow.db'}"] * 3)) == [1, 1, 1]


def test_a_deleted_experiment_is_reported(tmp_path: Path) -> None:
    first = RunWriter(connect(f"sqlite:///{tmp_path / 'mlflow.db'}"))
    first.client.delete_experiment(first.experiment_id("search"))
    with pytest.raises(TrackingError, match=r"mlpf/search was deleted .* restore --experiment-id"):
        RunWriter(first.client).experiment_id("search")


def test_a_metric_of_any_name_is_read_back_and_no_epoch_is_logged_twice(writer, open_trial, uri) -> None:
    first = open_trial("acc")
    for epoch, value in enumerate((0.1, 0.4), start=1):
        writer.log_epoch(first, epoch, {"accuracy": value, "val/fake_rate_muon": 0.5}, epoch * 1000)
    later = RunWriter(connect(uri))
    again = open_trial("acc", writer=later)
    for epoch, value in enumerate((7.0, 7.0, 0.6), start=1):
        later.log_epoch(again, epoch, {"accuracy": value}, epoch * 1000)
    later.log_epoch(again, 4, {"accuracy": 0.7, "val/fake_rate_muon": 0.2}, 4000)
    (trial,) = reader.trials(writer.client, "campaign", open_trial.campaign_id)
    assert trial.metrics["accuracy"] == (0.1, 0.4, 0.6, 0.7)
    assert trial.timestamps == (1.0, 2.0, 3.0, 4.0)
    assert len(writer.client.get_metric_history(first, "accuracy")) == 4
    # Nothing to count after the third epoch: the fourth value stays that of the fourth epoch.
    assert trial.metrics["val/fake_rate_muon"] == pytest.approx((0.5, 0.5, math.nan, 0.2), nan_ok=True)
