"""SIGUSR1, as a batch system sends it before it ends a job: a search ends between epochs, to go on later."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.writer import durable_writer
from tests.tuning.toys import run_search, start_driver, toy, trained, wait_for_progress

TRIALS, EPOCHS = 3, 6


def on_record(folder) -> list[tuple[str, int]]:
    return [(one.key, one.epoch) for one in Journal(folder / "state" / "journals" / "s.jsonl").results()]


@pytest.mark.ray
@pytest.mark.faults
def test_a_search_that_is_to_end_ends_between_epochs(make_spec, tmp_path, empty_database, measured) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    specs = [make_spec(f"t{i:03d}", seed=i) for i in range(TRIALS)]
    uri, train = f"sqlite:///{tmp_path / 'mlflow.db'}", toy(lambda n, e: n + 1 / e, pace=0.5)
    driver = start_driver(tmp_path, uri, specs, FullTraining(), EPOCHS, train)
    wait_for_progress(tmp_path, 0.3)
    driver.send_signal(signal.SIGUSR1)
    _, said = driver.communicate(timeout=300)
    assert driver.returncode == 130, said
    assert said.startswith("error: interrupted: ")
    first = on_record(tmp_path)
    assert 0 < len(first) < TRIALS * EPOCHS
    assert sum(map(len, trained(tmp_path))) == len(first), "an epoch was cut off, or is not on record"

    driver = start_driver(tmp_path, uri, specs, FullTraining(), EPOCHS, train)
    out, said = driver.communicate(timeout=300)
    assert out.endswith("all done\n"), said
    assert trained(tmp_path) == [[*range(1, EPOCHS + 1)]] * TRIALS
    assert len(on_record(tmp_path)) == len(set(on_record(tmp_path))) == TRIALS * EPOCHS
    measured(
        "kills",
        "SIGUSR1 in the middle of a search, as a batch system sends it before the time limit",
        f"status 130 after the epochs in progress ({len(first)} of {TRIALS * EPOCHS}), all on record; then "
        "the next start trains the others, each once",
    )


@pytest.mark.ray
@pytest.mark.faults
def test_a_job_that_is_over_before_an_epoch_says_so(make_spec, tmp_path, empty_database, monkeypatch) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    for user in ("bridge", "ray_session"):
        monkeypatch.setattr(f"mlpf_hpo.tuning.{user}.time_is_up", lambda: True)

    def end_it(done, total, note) -> None:
        if "1 running" in note:
            os.kill(os.getpid(), signal.SIGUSR1)

    specs, endless = [make_spec()], toy(lambda n, e: n + e, {(0, 1): "silence"}.items())
    with (
        durable_writer(tmp_path / "journals", 60.0, f"sqlite:///{tmp_path / 'mlflow.db'}") as writer,
        pytest.raises(ConfigurationError, match="no epoch of 1 trials ended within the job's time"),
    ):
        run_search(writer, specs, FullTraining(), 2, tmp_path / "s", train=endless, on_progress=end_it)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL, "handlers are given back"
