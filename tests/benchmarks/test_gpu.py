"""The script for a GPU runs on a CPU's shapes, part by part; its page is of GPUs alone."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import gpu, gpu_page, gpu_trials
from benchmarks.clock import DEVICE
from mlpf_hpo.errors import DataError


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return the numbers of what is soon done without a GPU."""
    file = tmp_path_factory.mktemp("gpu") / "gpu.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["gpu", "precision", "padded", "graphs", "--quick", "--json", str(file)])
        patch.setattr(gpu, "SMALL", [40, 30])
        patch.setattr(gpu, "LEAST_ROUNDS", 1)
        patch.setattr(gpu, "LIMIT_SECONDS", 1e6)  # however busy the machine is
        gpu.main()
    return json.loads(file.read_text())


def test_every_precision_and_way_of_padding_is_measured(measured) -> None:
    for case in ("paper", "default"):
        for name in gpu.PRECISIONS:
            key = f"precision.{case}.{name}"
            step = measured[f"{key}.step_ms"] / 1e3
            assert measured[f"{key}.elements_per_second"] == pytest.approx(70 / step)
            assert measured[f"{key}.share_of_peak"] > 0
    assert measured["padded.speedup_vs_batchmax"] > 0
    assert (measured["graphs.reason"] == "no CUDA device") is (DEVICE == "cpu")


def test_products_are_rounded_as_the_precision_says() -> None:
    import torch

    before = torch.get_float32_matmul_precision()
    with gpu.tf32():
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before
    with gpu.bf16():
        assert (torch.ones(2, 2, device=DEVICE) @ torch.ones(2, 2, device=DEVICE)).dtype is torch.bfloat16


def test_a_process_trains_until_it_is_told_to_end() -> None:
    rate, joules = gpu_trials.measured(1, window=0.2)
    assert rate > 0
    assert joules is None or joules > 0


def test_parts_for_which_there_is_no_time_are_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "graphs", "compile", "--json", str(tmp_path / "gpu.json")])
    monkeypatch.setattr(gpu, "LIMIT_SECONDS", gpu.NEEDED["compile"])
    monkeypatch.setattr(gpu, "PARTS", {**gpu.PARTS, "graphs": lambda quick: {"graphs.speedup": 1.0}})
    monkeypatch.setitem(gpu.NEEDED, "compile", gpu.LIMIT_SECONDS + 1)
    gpu.main()
    assert json.loads((tmp_path / "gpu.json").read_text())["left_out"] == ["compile"]


def test_the_page_is_made_of_what_a_gpu_gave(measured) -> None:
    if DEVICE == "cpu":
        with pytest.raises(DataError, match="of no GPU"):
            gpu_page.page(measured)
    trials = {
        f"trials.{n}.{key}": n / 1.0
        for n in (1, 2)
        for key in ("steps_per_second", "gain", "joules_per_step")
    }
    text = gpu_page.page({**measured, **trials, "device": "Made-up 3000", "left_out": ["compile"]})
    assert "one Made-up 3000" in text
    assert "Not for quoting" in text
    assert "time ran out: compile" in text
    assert "| 2 | 2.0 | 2.00 | 2.00 |" in text
    assert "## CUDA graphs" in text
    assert "## torch.compile" not in text
