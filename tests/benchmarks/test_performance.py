"""The page of training's speed, from results with round numbers whose answers can be told by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.performance import main
from tests.benchmarks.pages import made_by

MACHINE = {
    "hardware_label": "Abacus-2c",
    "cpu_model": "Abacus",
    "system": "Linux 6",
    "usable_cpus": 2,
    "load_average": 2.26,
    "memory_bytes": 8 * 2**30,
    "gpus": [],
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
}

SECONDS = {
    "head_products": 5.0,
    "layer_products": 2.0,
    "bin_products": 0.5,
    "pointwise": 1.5,
    "layer_norm": 0.1,
    "masks": 0.3,
    "moves": 0.3,
    "optimiser": 0.2,
    "rest": 0.1,
}
"""Of a step of 10 s."""

FLOP = {
    "head_products": 400e9,
    "layer_products": 150e9,
    "bin_products": 10e9,
    "pointwise": 1e9,
    "layer_norm": 0.1e9,
}
BYTES = {
    "head_products": 4e9,
    "layer_products": 3e9,
    "bin_products": 3e9,
    "pointwise": 10e9,
    "layer_norm": 1e9,
}
"""At 100 GFLOP/s and 10 GB/s: 4.0, 1.5, 0.3, 1.0 and 0.1 s."""


def results() -> dict[str, Any]:
    """Return what the benchmark would have written."""
    found: dict[str, Any] = {
        "machine": MACHINE,
        "quick": False,
        "mixed.speedup_vs_padded_6400": 3.21,
        "mixed.speedup_vs_padded_batchmax": 1.24,
        "mixed.inference_speedup_vs_padded_6400": 3.04,
        "uniform.speedup_vs_padded": 1.42,
        "fraction_of_gemm_peak": 0.62,
        "fraction_of_gemm_peak_default": 0.2,
        "calls_share_default": 0.3,
        "fraction_of_gemm_peak_inference": 0.80,
        "memory_ratio": 0.55,
        "memory.kilobytes_per_element": 110.0,
        "memory.kilobytes_per_element_padded_6400": 200.0,
        "memory.growth_with_elements": 1.01,
        "framework_overhead": 0.04,
        "framework.low": 0.03,
        "framework.high": 0.05,
        "framework.milliseconds_per_batch": 1.5,
        "framework.throughput_share": 0.004,
        "framework.checkpoint_share": 0.05,
        "ddp_efficiency": 0.9,
        "roofline.gemm_flops": 100e9,
        "roofline.triad_bytes_per_second": 10e9,
    }
    for lever in (
        "ragged",
        "layer_product",
        "head_products",
        "aligned_widths",
        "mask_words",
        "elu_by_exp",
        "gate_gradient",
    ):
        ms = {
            "without_ms": 1250.0,
            "with_ms": 1000.0,
            "saved_ms": 250.0,
            "saved_ms_least": 200.0,
            "saved_ms_most": 310.0,
        }
        found |= {f"levers.{lever}.{name}": value for name, value in ms.items()}
    for case, with_ms in (("paper", 1200.0), ("default", 1300.0)):
        ms = {"seconds": 90.0, "without_ms": 1250.0, "with_ms": with_ms}
        ratios = {"speedup": 1250 / with_ms, "speedup_least": 0.9, "speedup_most": 1.2}
        found |= {f"compilation.{case}.{name}": value for name, value in {**ms, **ratios}.items()}
    for case in ("paper", "default"):
        found[f"operations.{case}.step_seconds"] = 10.0
        for unit, numbers in (("seconds", SECONDS), ("flop", FLOP), ("bytes", BYTES)):
            found |= {f"operations.{case}.{kind}.{unit}": value for kind, value in numbers.items()}
    return found


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> Path:
    """Make the page of a file of this content, and return where it would be."""
    return made_by(main, "performance.md", folder, monkeypatch, content)


def row(page: str, begin: str) -> list[str]:
    """Return the cells of the row that begins so."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {begin}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_tells_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path, monkeypatch, json.dumps(results()))
    page = path.read_text(encoding="utf-8")

    assert row(page, "processor")[1] == "Abacus, 2 usable"
    assert row(page, "at work or waiting")[1] == "2.3 processes, these among them"
    assert row(page, "versions")[1] == "python 3.11.7, torch 2.13.0"
    assert "--quick" not in page

    assert row(page, "train step, mixed")[1:] == ["`mixed.speedup_vs_padded_6400`", "≥ 3", "3.21", "yes", ""]
    *met, why = row(page, "Lightning")[2:]
    assert met == ["≤ 0.03", "0.04", "no"]
    assert why.startswith(
        "1.5 ms a batch, whatever is in it; the share's 95% interval goes from 3.0% to 5.0%."
    )
    assert row(page, "2 processes")[2:] == ["report", "0.9", "", ""]
    *_, found, met, why = row(page, "share of the GEMM peak")
    assert (found, met) == ("0.62", "no")
    # Products at the peak: 5.6 of 10 s. Beyond it: element-wise work 1.5 s, the heads' products 1.0 s.
    # At the limits: 4.0 + 1.5 + 0.3 + 1.0 + 0.1 s, and 0.9 s of what has none.
    assert why == (
        "Its matrix products at the peak would take 56% of the step; the most beyond that is element-wise "
        "work (15%), then GEMMs of the heads (10%); at the roofline's limits 78% would be left."
    )
    assert row(page, "the same at the defaults")[-1].endswith(
        "still takes 30% of its time, to call its operations: beside that nothing but matrix products at the "
        "peak would be a share of 0.40."
    )
    assert row(page, "the same against padding")[-1] == (
        "62% of the GEMM peak is reached: with nothing but its matrix products at the peak it would be 2.00."
    )
    assert "110 kB per element, the baseline 200 kB" in row(page, "peak memory")[-1]

    assert row(page, "GEMMs of the heads") == [
        "GEMMs of the heads",
        "50.0%",
        "40.0%",
        "80.0",
        "1e+02",
        "50.0%",
    ]
    assert row(page, "dropout |")[1:] == ["3.0%", "3.0%", "", "", "3.0%"]

    assert row(page, "ragged batches")[1:] == ["1250", "1000", "250 (200 to 310)", "20.0%"]
    assert row(page, "freed memory")[1] == "not possible on this machine"

    assert row(page, "the paper's widths") == [
        *("the paper's widths", "90", "1250", "1200"),
        *("1.04 (0.90 to 1.20)", "1,800 steps"),
    ]
    assert row(page, "the defaults")[-1] == "never"

    picture = path.parent / "images" / "roofline.png"
    assert "(images/roofline.png)" in page
    drawn = picture.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    made(tmp_path, monkeypatch, json.dumps(results()))
    assert picture.read_bytes() == drawn


def test_without_a_compiler_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = made(tmp_path, monkeypatch, without("compilation"))
    assert "It needs a C++ compiler, which was not there." in page.read_text(encoding="utf-8")


def test_what_was_measured_quickly_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = made(tmp_path, monkeypatch, json.dumps({**results(), "quick": True}))
    assert "Measured with `--quick`" in page.read_text(encoding="utf-8")


def without(*beginnings: str) -> str:
    return json.dumps({name: value for name, value in results().items() if not name.startswith(beginnings)})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not a file of JSON"),
        ("[]", "holds a list"),
        (without("machine"), "does not tell of the machine: hardware_label"),
        (json.dumps({**results(), "machine": {**MACHINE, "versions": None}}), "versions"),
        (json.dumps({**results(), "machine": {"gpus": []}}), "machine: hardware_label, cpu_model, system"),
        (without("quick"), "--quick"),
        (json.dumps({**results(), "memory_ratio": "half"}), "memory_ratio is 'half'"),
        (json.dumps({**results(), "memory_ratio": float("nan")}), "memory_ratio is nan"),
        (without("uniform", "memory_ratio"), "no memory_ratio, uniform.speedup_vs_padded"),
        (without("operations.default"), "no operations.default.step_seconds"),
        (without("roofline"), "no roofline.gemm_flops"),
        (without("memory.growth"), "no memory.growth_with_elements"),
    ],
)
def test_wrong_results_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, told: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        made(tmp_path, monkeypatch, content)
    message = str(stopped.value)
    assert "results.json" in message
    assert told in message
    assert "python -m benchmarks.training --json" in message
    assert not (tmp_path / "docs").exists()


def test_results_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["performance", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit, match=r"none\.json: not there; measure with"):
        main()
