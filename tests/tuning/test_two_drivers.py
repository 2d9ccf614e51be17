"""Two checkouts, or containers, run the same search on one store: the second one waits for its turn."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.overview import work_on_record
from tests.faults.processes import wait_until
from tests.tracking.servers import MlflowServer
from tests.tuning.toys import start_driver, toy, wait_for_progress

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts")
"""A namespace of processes of its own, as a container has."""

TRIALS, EPOCHS = 4, 5


def with_containers() -> bool:
    found = shutil.which(CONTAINER[0])
    return found is not None and subprocess.run([*CONTAINER, "true"], capture_output=True).returncode == 0


@pytest.fixture
def store(tmp_path: Path, empty_database: Path, request) -> Iterator[str]:
    """Yield the address of a database, or of a server over it."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    if request.param == "database":
        yield address
        return
    server = MlflowServer(address, tmp_path)
    server.start()
    yield server.uri
    server.kill()


@pytest.mark.ray
@pytest.mark.faults
@pytest.mark.parametrize(("store", "within"), [("database", ()), ("server", CONTAINER)], indirect=["store"])
def test_the_second_waits_for_the_first_and_takes_over_when_it_is_dead(
    store, within, make_spec, tmp_path, measured
) -> None:
    if within and not with_containers():
        pytest.skip("needs unshare and the right to use it")
    specs = [make_spec(f"t{i:03d}", seed=i) for i in range(TRIALS)]
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()

    def start(folder: Path, pace: float, within=()) -> subprocess.Popen[str]:
        train = toy(lambda n, e: n + 1 / e, pace=pace)
        return start_driver(folder, store, specs, FullTraining(), EPOCHS, train, within)

    first = start(folders[0], 5.0, within)
    try:
        wait_for_progress(folders[0], 0.5)
        (work,) = work_on_record(connect(store), "search")
        assert work.alive is True
        second = start(folders[1], 0.0)
        out, err = second.communicate(timeout=300)
        assert (second.returncode, out) == (1, ""), err
        refusal = re.search(
            r"search s: process (\d+) on (\S+), begun .* UTC, trains it: (.*)\. Nothing was", err
        )
        assert refusal is not None, err
        assert refusal[1] == ("1" if within else str(first.pid))
        assert refusal[3].startswith("last heartbeat" if within else "its process is there")
        assert "kill " + refusal[1] in err
        assert "Traceback" not in err
        assert not list(folders[1].glob("state/checkpoints/**/trained"))
        assert "running" in {trial.status for trial in reader.trials(connect(store), "search", "s")}
        if not within:  # the number of a process in a container is another one out here
            subprocess.run(re.search(r"with: (kill \d+)", err)[1].split(), check=True)
            first.communicate(timeout=120)
            assert first.returncode == 130
            first = start(folders[0], 1.0)
            wait_for_progress(folders[0], 1.5)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    wait_until(lambda: work_on_record(connect(store), "search")[0].alive is False, "the first one is dead")
    third = start(folders[1], 0.0)
    out, err = third.communicate(timeout=300)
    assert (third.returncode, out) == (0, "all done\n"), err
    client = connect(store)
    trials = reader.trials(client, "search", "s")
    assert [(trial.status, trial.epochs) for trial in trials] == [("finished", EPOCHS)] * TRIALS
    experiment = client.get_experiment_by_name("mlpf/search").experiment_id
    runs = client.search_runs([experiment], "tags.kind = 'trial'")
    assert len(runs) == TRIALS, "each trial in one run"
    for run in runs:
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "val/loss")]
        assert steps == list(range(1, EPOCHS + 1)), "each epoch once"
        assert run.data.tags["reason"] == ""
    where = " in a container" if within else ""
    measured(
        "kills",
        "the same search is started from another checkout on the same store, while the first one trains"
        f"{where}, and after that was killed (-9)",
        "refused with the process and machine that train; taken over once that is dead; every epoch once",
    )
