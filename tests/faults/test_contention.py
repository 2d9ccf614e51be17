"""Others take the processors from the benchmark: it says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.workload import benchmark
from mlpf_hpo.workload.benchmark import run_benchmark, summary
from mlpf_hpo.workload.tiers import TIERS

pytestmark = pytest.mark.faults

BUSY = "while True: pass"


def test_a_loaded_machine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "ROOFLINE_SECONDS", 0.0)
    # Two on every processor: whichever the copy stays on, a third of it is the copy's.
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2 * len(os.sched_getaffinity(0)))]
    try:
        result = run_benchmark(
            TIERS["pu0"].verified(),
            tmp_path,
            copies=1,
            threads=1,
            events_per_thread=96,
            epochs=4,
            batch_size=8,
            network=NetworkParams(),
            repeat_events=True,
        )
    finally:
        for other in others:
            other.kill()
            other.wait()
    measured = result.report["measurements"]
    assert result.exit_status == 0
    assert measured["contended"]
    assert measured["cpu_fraction"] < 0.75
    assert "(contended: the copies did not get their processors)" in summary(result)
    (score,) = result.report["report"]["wl-scores"].values()
    assert measured["events_per_cpu_second"] > score / 0.75, "what it would have had to itself"
