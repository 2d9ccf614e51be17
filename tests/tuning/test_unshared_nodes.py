"""Trials on nodes that see neither the project's folders nor its code; one goes away, and another comes."""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.journal_entries import LogMetrics
from mlpf_hpo.tuning.task import TrialSpec
from tests.tuning.data_task import NUMBER, TRAINED, DataTask, MovableTask
from tests.tuning.nodes import Nodes, can_hide_folders, nodes

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(not can_hide_folders(), reason="file systems of their own for nodes take root"),
]

EPOCHS = 6

DRIVER = """
    import pickle, sys
    from pathlib import Path

    from mlpf_hpo import console
    from mlpf_hpo.search.schedulers.full_training import FullTraining
    from mlpf_hpo.tracking.writer import durable_writer
    from mlpf_hpo.tuning.settings import ResourceParams
    from tests.tuning.toys import run_search

    folder = Path(sys.argv[1])

    def progress(done, total, note):
        with (folder / "notes").open("a") as notes:
            notes.write(f"{done:.2f} {note}\\n")

    def main():
        specs = pickle.loads((folder / "specs.pkl").read_bytes())
        with durable_writer(folder / "state" / "journals", 60.0, f"sqlite:///{folder}/mlflow.db") as writer:
            run_search(
                writer, specs, FullTraining(), int(sys.argv[2]), folder / "state",
                resources=ResourceParams(**eval(sys.argv[3])), on_progress=progress,
            )

    console.run(main)
"""


class Project:
    """A folder that the nodes do not see, with data, a database and a state; and its driver."""

    def __init__(self, folder: Path, database: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        (folder / "data" / NUMBER).write_text("7")
        (folder / "data" / "large").mkdir()
        (folder / "data" / "large" / "zeros").write_bytes(bytes(3 * 2**20))
        shutil.copy(database, folder / "mlflow.db")
        (folder / "driver.py").write_text(textwrap.dedent(DRIVER))

    def start(self, cluster: Nodes, task: DataTask, n: int, **resources: Any) -> subprocess.Popen[str]:
        """Start a driver that trains `n` trials of a task."""
        specs = [TrialSpec(f"t{i:03d}", {"x": float(i)}, i, task) for i in range(n)]
        (self.folder / "specs.pkl").write_bytes(pickle.dumps(specs))
        return subprocess.Popen(
            [sys.executable, str(self.folder / "driver.py"), str(self.folder), str(EPOCHS), repr(resources)],
            env={**cluster.environment(), "PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def trained(self) -> list[str]:
        """Return what each trial has kept, in the order of the trials' keys."""
        return [path.read_text() for path in sorted((self.folder / "state").rglob(TRAINED))]

    def notes(self) -> list[str]:
        """Return what the progress display was told."""
        file = self.folder / "notes"
        return file.read_text().splitlines() if file.exists() else []

    def wait_for_note(self, pattern: str, after: int = 0) -> int:
        """Return how many notes there are up to one that fits, of those after the first ones."""
        deadline = time.monotonic() + 900
        while True:
            for number, note in enumerate(self.notes(), start=1):
                if number > after and re.search(pattern, note):
                    return number
            assert time.monotonic() < deadline, self.notes()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Project:
    return Project(tmp_path_factory.mktemp("project"), empty_database)


@pytest.fixture(scope="module")
def cluster(project: Project) -> Iterator[Nodes]:
    with nodes([project.folder]) as found:
        found.add("b")
        found.add("c")
        yield found


@pytest.mark.faults
def test_trials_of_a_lost_node_go_on_elsewhere(project: Project, cluster: Nodes) -> None:
    gate = cluster.folder / "gate"
    driver = project.start(cluster, MovableTask(project.folder / "data", gate), n=5)
    project.wait_for_note("^1.00 0 of 5 done, 2 running")  # two trials wait after epoch 3 of 6
    cluster.lose("b")
    lost = project.wait_for_note("^1.00 0 of 5 done, 1 running")
    cluster.add("d")
    project.wait_for_note("^1.00 0 of 5 done, 2 running", after=lost)  # also there it waits after epoch 3
    gate.touch()
    _, said = driver.communicate(timeout=900)
    assert driver.returncode == 0, said
    assert re.search(
        r"3 nodes of the Ray cluster can train: code by .*; checkpoints by .*; data by .*3\.0 MiB", said
    )
    client = connect(f"sqlite:///{project.folder}/mlflow.db")
    trials = reader.trials(client, "search", "s")
    assert [trial.status for trial in trials] == ["finished"] * 5
    for number, trial in enumerate(trials):
        assert trial.metrics["val/loss"] == tuple(7 + number / epoch for epoch in range(1, EPOCHS + 1))
    journal = Journal(project.folder / "state" / "journals" / "s.jsonl")
    epochs = [(entry.run, entry.epoch) for entry in journal.entries() if isinstance(entry, LogMetrics)]
    assert len(epochs) == len(set(epochs)) == 5 * EPOCHS
    for kept in project.trained():
        lines = [line.split() for line in kept.splitlines()]
        assert [int(epoch) for epoch, _ in lines] == [*range(1, EPOCHS + 1)]
        assert all("/runtime_resources/py_modules_files/" in place for _, place in lines)
    labels = [trial.hardware_label for trial in trials]
    (moved,) = [trial for trial in trials if "b" in trial.hardware_label]
    assert moved.hardware_label == "b+d"
    assert moved.trial_id in ("t000", "t001"), "the lost one came before those that had not begun"
    assert "c" in labels[:2]
    assert set(labels[2:]) <= {"c", "d"}
    tags = client.get_run(moved.run_id).data.tags
    assert re.fullmatch(r"\S+ \(b\) from epoch 1; \S+ \(d\) from epoch 4", tags["hosts"])
    assert tags["worker_deaths"] == "1"


@pytest.mark.faults
def test_a_node_that_lacks_something_is_named(project: Project, cluster: Nodes) -> None:
    broken = cluster.folder / "broken"
    broken.mkdir()
    (broken / "threadpoolctl.py").write_text("raise ModuleNotFoundError(\"No module named 'threadpoolctl'\")")
    cluster.add("e", PYTHONPATH=str(broken))
    _, said = project.start(cluster, MovableTask(project.folder / "data"), n=6).communicate(timeout=900)
    (line,) = said.splitlines()
    message = (
        r"error: node \S+ \(\w{6}\): its processes cannot load the package and the task: .*'threadpoolctl'"
    )
    assert re.match(message, line)
