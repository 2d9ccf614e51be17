"""The scores of a reference machine: this one, by the benchmark as a site runs it.

Runs the command again and again, keeps every report with its record of the hardware, and writes the
HEPscore configuration whose references are the medians. Whoever runs that configuration elsewhere is told how
much faster a machine is than this one; here it gives `scaling`.

    python -m benchmarks.reference_scores [--repetitions 3] [--out benchmarks/reference]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from mlpf_hpo import console
from mlpf_hpo.errors import DataError
from mlpf_hpo.files import write_json, write_text
from mlpf_hpo.workload.hepscore_config import KEY_1_5
from mlpf_hpo.workload.report import REPORT_FILE

OUT = Path("benchmarks", "reference")
IMAGE = "mlpf-bmk"
RUNS = (("mlpf-train-cpu", "pu0"), ("mlpf-train-cpu", "pu200"), ("mlpf-infer-cpu", "pu0"))
"""Workloads and the events that they are measured on; the image runs the first one by default."""

CONFIGURATION, SCORES = "hepscore.yaml", "scores.json"
REFERENCE = "reference"


def run_once(workload: str, tier: str) -> dict[str, Any]:
    """Run the benchmark in an empty folder; return its report.

    Raises
    ------
    DataError
        If it failed, or the machine had something else to do: such a score is no reference.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = ["benchmark", "--tier", tier, "--workload", workload, "-w", folder]
        ended = subprocess.run([sys.executable, "-m", "mlpf_hpo.cli", *words], check=False)
        if ended.returncode:
            raise DataError(f"{workload} on {tier}: left with status {ended.returncode}")
        report: dict[str, Any] = json.loads(Path(folder, REPORT_FILE).read_text(encoding="utf-8"))
    if report["measurements"]["contended"]:
        raise DataError(f"{workload} on {tier}: others had the processors; measure on a quiet machine")
    report["hardware"]["hostname"] = REFERENCE  # who it belongs to is nobody's business
    return report


def configuration(score: float, workload: str, machine: str) -> str:
    """Return the text of a HEPscore configuration for the image."""
    settings = {
        "name": "MLPFscore",
        "reference_machine": machine,
        "registry": "docker://localhost",
        "method": "geometric_mean",
        "repetitions": 3,
        "scaling": 1000,
        "container_exec": "docker",
    }
    benchmarks = {IMAGE: {"version": "v1", "ref_scores": {workload: score}, "args": {"threads": 1}}}
    return yaml.safe_dump({KEY_1_5: {"settings": settings, "benchmarks": benchmarks}}, sort_keys=False)


def main() -> None:
    """Run, and write reports, medians and configuration."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    reports = {
        (workload, tier): [run_once(workload, tier) for _ in range(given.repetitions)]
        for workload, tier in RUNS
    }
    shutil.rmtree(given.out, ignore_errors=True)
    medians: dict[str, dict[str, float]] = {}
    for (workload, tier), of_runs in reports.items():
        for number, report in enumerate(of_runs):
            folder = IMAGE if (workload, tier) == RUNS[0] else f"{workload}-{tier}"
            write_json(given.out / folder / f"run{number}" / REPORT_FILE, report)
        scores = [report["report"]["wl-scores"][workload] for report in of_runs]
        medians.setdefault(tier, {})[workload] = statistics.median(scores)
    workload, tier = RUNS[0]
    hardware = reports[workload, tier][0]["hardware"]
    machine = f"{hardware['cpu_model']}, {hardware['usable_cpus']} processors"
    write_json(given.out / SCORES, {"machine": machine, "events_per_second": medians})
    write_text(given.out / CONFIGURATION, configuration(medians[tier][workload], workload, machine))
    print(f"{machine}: {medians}")


if __name__ == "__main__":
    console.run(main)
