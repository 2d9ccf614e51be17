"""The jobs of slurm/ on a real Slurm cluster of this machine: queued again by SIGUSR1, and in an image."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mlpf_hpo.tracking.journal import Journal
from tests.faults.processes import wait_until

ROOT = Path(__file__).parents[2]

NAMESPACES = ("--net", "--pid", "--mount", "--uts")
CLUSTER = ("unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc")

TRIALS, EPOCHS = 3, 8

PARAMS = f"""
task: tests.quick_task:QuickTask
task_settings: {{pace: 3.0}}
space: {{x: {{low: 0.0, high: 1.0}}}}
campaign: {{trials: {TRIALS}, epochs: {EPOCHS}}}
search: {{max_epochs: {EPOCHS}}}
"""

APPTAINER = """#!/usr/bin/env bash
echo "$@" >>apptainer.log
while [ "$1" != made-up.sif ]; do shift; done
shift
exec "$@"
"""
"""Stands in for Apptainer: it has its options on record, and runs the command without an image."""


def missing() -> str:
    """Return what this machine lacks for a Slurm cluster of its own, if anything."""
    programs = ("slurmctld", "slurmd", "sbatch", "munged", "ip", "unshare", "nsenter")
    lacking = [name for name in programs if shutil.which(name) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    bridge = ("ip", "link", "add", "name", "any", "type", "bridge")
    allowed = subprocess.run([*CLUSTER, *bridge], capture_output=True)
    return "" if allowed.returncode == 0 else "no right to make network namespaces"


class Cluster:
    """Two nodes with a core each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*CLUSTER, "bash", str(Path(__file__).parent / "cluster.sh"), str(folder), "2", "1"],
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: (folder / "ready").exists() or self.process.poll() is not None, "Slurm", every=0.5)
        assert self.process.poll() is None, (folder / "log").read_text()

    def run(self, project: Path, *command: str) -> str:
        """Run a command as on a node of the cluster."""
        (inner,) = psutil.Process(self.process.pid).children()
        ended = subprocess.run(
            ["nsenter", f"--target={inner.pid}", *NAMESPACES, f"--wdns={project}", *command],
            env={**environment(project), "SLURM_CONF": str(self.folder / "slurm.conf")},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def environment(project: Path) -> dict[str, str]:
    """Return that of somebody who submits a job."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SLURM_"))}
    path = os.pathsep.join([str(project / "bin"), str(Path(sys.executable).parent), found["PATH"]])
    return {**found, "PATH": path, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if lacking := missing():
        pytest.skip(f"needs a Slurm cluster of its own: {lacking}")
    found = Cluster(tmp_path_factory.mktemp("slurm"))
    yield found
    found.process.kill()
    found.process.wait()


@pytest.fixture
def project(tmp_path: Path, empty_database: Path) -> Path:
    """Return a folder with a campaign of a task that trains nothing, and a stand-in for Apptainer."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    shutil.copytree(ROOT / "slurm", tmp_path / "slurm")
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apptainer").write_text(APPTAINER)
    (tmp_path / "bin" / "apptainer").chmod(0o755)
    return tmp_path


def trained(project: Path) -> list[list[int]]:
    """Return which epochs each trial that has started trained, in its order."""
    return [
        [int(n) for n in path.read_text().split()] for path in project.glob(".state/checkpoints/*/*/trained")
    ]


def on_record(project: Path) -> list[tuple[str, int]]:
    (journal,) = project.glob(".state/journals/*.jsonl")
    return [(one.key, one.epoch) for one in Journal(journal).results()]


@pytest.mark.faults
@pytest.mark.ray
def test_a_job_that_is_queued_again_goes_on(cluster: Cluster, project: Path, measured) -> None:
    submit = ("sbatch", "--parsable", "--time=60", "slurm/campaign.sbatch")
    job = cluster.run(project, "env", "MLPF_HPO_IMAGE=made-up.sif", *submit).strip()

    def log() -> str:
        return (project / f"slurm-mlpf-campaign-{job}.log").read_text()

    def state() -> str:
        return cluster.run(project, "scontrol", "show", "job", "--oneliner", job)

    wait_until(lambda: len(trained(project)) >= 2, "trials to start, on both nodes", every=0.5)
    cluster.run(project, "scancel", "--batch", f"--signal={signal.SIGUSR1.name[3:]}", job)
    wait_until(lambda: "JobState=PENDING" in state(), f"the job to be queued again: {log()}", every=0.5)
    assert "queued again, to go on" in log()
    first = len(on_record(project))
    assert 0 < first < TRIALS * EPOCHS
    assert sum(map(len, trained(project))) == first, "an epoch was cut off, or is not on record"

    # Slurm itself would wait for two minutes.
    cluster.run(project, "scontrol", "update", f"jobid={job}", "starttime=now")
    wait_until(lambda: "JobState=COMPLETED" in state(), f"the job to end: {log()}", every=0.5)
    assert "Restarts=1" in state()
    assert f"{TRIALS} finished" in log()
    assert trained(project) == [[*range(1, EPOCHS + 1)]] * TRIALS
    assert len(on_record(project)) == len(set(on_record(project))) == TRIALS * EPOCHS
    options = f"exec --bind {project} --pwd {project}"
    assert all(line.startswith(options) for line in (project / "apptainer.log").read_text().splitlines())
    measured(
        "kills",
        "a campaign as a job of two nodes on a Slurm cluster gets SIGUSR1 in the middle",
        f"it ends after the epochs in progress ({first} of {TRIALS * EPOCHS}) and is queued again; its next "
        "start trains the others, each once",
    )
