"""What a Ray session is begun with; runs under it are in test_run.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from mlpf_hpo.space import SearchSpace, Uniform
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tuning import ray_session, search
from mlpf_hpo.tuning.cluster_nodes import ClusterNode
from mlpf_hpo.tuning.settings import ResourceParams, SearchParams
from mlpf_hpo.tuning.shared_session import shared_session
from mlpf_hpo.tuning.shares import Node
from tests.quick_task import QuickTask

ROOT = Path(__file__).parents[2]

HEAVY = {"torch", "pytorch_lightning", "torch_geometric", "sklearn", "dimod"}
"""What only workers and predictors need: each takes a second or more to load."""


def test_who_starts_a_campaign_loads_nothing_that_only_workers_need() -> None:
    code = "import sys, mlpf_hpo.tuning.campaign, mlpf_hpo.tuning.ray_session; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "ray" in modules.split()
    assert not HEAVY & set(modules.split())


@pytest.mark.parametrize(("devices", "expected"), [(("null",), 3), (("no-such-device",), 0)])
def test_gpus_are_counted_where_there_is_a_device(devices, expected, monkeypatch) -> None:
    monkeypatch.setattr(ray_session, "GPU_DEVICES", devices)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert ray_session.n_gpus() == expected


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what happens to a Ray that is none: it is brought up, trains, is taken down."""
    found: list[str] = []

    def begin(stack: ExitStack, *_: Any) -> None:
        found.append("up")
        stack.callback(found.append, "down")

    monkeypatch.setattr(ray_session, "_begin", begin)
    monkeypatch.setattr(ray_session.ray, "is_initialized", lambda: found.count("up") > found.count("down"))
    monkeypatch.setattr(ray_session, "live_nodes", lambda: [ClusterNode("id", "here", Node(2, 0.0))])
    return found


def test_sessions_within_a_block_that_shares_them_are_one(events, tmp_path) -> None:
    before = dict(os.environ)

    def train_twice(error: type[Exception] | None = None) -> None:
        for _ in range(2):
            with ray_session.ray_session(tmp_path, ResourceParams()):
                events.append("trains")
        if error is not None:
            raise error

    with shared_session():
        pass
    assert events == [], "nothing to train, no Ray"
    with shared_session():
        train_twice()
        assert events == ["up", "trains", "trains"]
    assert events[-1] == "down"
    with pytest.raises(ZeroDivisionError), shared_session():
        train_twice(ZeroDivisionError)
    assert events[4:] == ["up", "trains", "trains", "down"]
    train_twice()
    assert events[8:] == ["up", "trains", "down"] * 2
    assert dict(os.environ) == before


def test_the_schedulers_of_a_search_share_one(events, tmp_path, empty_database, monkeypatch) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")

    def trains(named: Any, recorder: Any, *_: Any) -> dict[str, Any]:
        with ray_session.ray_session(tmp_path, ResourceParams()):
            events.append(named.key)
        return {"parent_run_id": recorder.parent_run_id}

    monkeypatch.setattr(search, "run_scheduler", trains)
    settings = SearchParams(
        configurations=2, max_epochs=4, schedulers=[{"name": "asha"}, {"name": "hyperband"}]
    )
    what = QuickTask(), SearchSpace({"x": Uniform(0, 1)}), TargetMetric("val/loss", "min"), settings
    search.run_search(*what, seed=0, resources=ResourceParams(), state=tmp_path / "state")
    assert events == ["up", "asha", "hyperband", "down"]


BLOCKED_START = """
from pathlib import Path

import psutil

from mlpf_hpo import console
from mlpf_hpo.tuning.ray_session import ray_session
from mlpf_hpo.tuning.settings import ResourceParams
from ray._private import services


def main():
    {fault}
    try:
        with ray_session(Path({state!r}), ResourceParams(concurrency=1, gpus_per_trial=0)):
            pass
    finally:
        left = psutil.Process().children(recursive=True)
        print([process.name() for process in left if process.status() != psutil.STATUS_ZOMBIE])


if __name__ == "__main__":
    console.run(main)
"""

NO_SERVER = 'services.GCS_SERVER_EXECUTABLE = "/bin/true"'
"""It ends at once, and writes no port."""

LATE_AGENT = (
    "import sys, time\nif any('dashboard/agent.py' in word for word in sys.orig_argv): time.sleep(60)\n"
)
"""For sitecustomize: the raylet's agent is as late as on an overloaded machine."""


def start_blocked(folder: Path, fault: str = "pass", **variables: str) -> str:
    """Return the only line that a stage prints if Ray cannot start."""
    script = folder / "stage.py"
    script.write_text(BLOCKED_START.format(fault=fault, state=str(folder / "state")))
    ended = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", **variables},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == "[]\n", "its daemons have ended"
    (line,) = ended.stderr.splitlines()
    assert not list((folder / "state" / "ray").iterdir()), "its folder is gone"
    return line


@pytest.mark.ray
def test_a_ray_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    line = start_blocked(tmp_path, NO_SERVER, RAY_gcs_server_port_wait_time_s="1")
    assert line.startswith(
        "error: Ray did not start on this machine: RuntimeError: Timed out waiting for file"
    )
    assert "gcs_server_port" in line
    assert line.endswith(
        "run it again when less runs beside it, or have Ray wait longer than 30 s "
        "(RAY_gcs_server_port_wait_time_s)"
    )


@pytest.mark.ray
@pytest.mark.faults
def test_a_raylet_that_ends_while_it_starts_says_why(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LATE_AGENT)
    line = start_blocked(tmp_path)
    assert line.startswith("error: Ray did not start on this machine: the raylet ended: ")
    assert "Timed out waiting for file" in line
    assert line.endswith("run it again when less runs beside it")
