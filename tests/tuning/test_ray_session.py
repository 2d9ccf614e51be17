"""What a Ray session is begun with; runs under it are in test_run.py."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from mlpf_hpo.tuning import ray_session

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
