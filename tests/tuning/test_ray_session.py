"""What a Ray session is begun with; runs under it are in test_run.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

import pytest
import torch

from mlpf_hpo.space import SearchSpace, Uniform
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tuning import ray_session, search
from mlpf_hpo.tuning.settings import ResourceParams, SearchParams
from mlpf_hpo.tuning.shared_session import shared_session
from tests.quick_task import QuickTask

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
    monkeypatch.setattr(ray_session.ray, "cluster_resources", lambda: {"CPU": 2.0})
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
