"""Reading reports of other workloads; their shapes are those of HEP-Workloads, their numbers invented."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.workload.report import read_report

APP = {
    "version": "v3.0",
    "description": "a simulation",
    "cvmfs_checksum": "00ff",
    "bmkdata_checksum": "11ee",
    "bmk_checksum": "22dd",
    "containment": "singularity",
}
STATS = {"avg": 2.5, "median": 2.4, "min": 1.0, "max": 4.0, "count": 16}
REPORT: dict[str, Any] = {
    "run_info": {"copies": 16, "threads_per_copy": 4, "events_per_thread": 50},
    "report": {"wl-scores": {"sim": 40.0}, "wl-stats": {"sim": STATS}, "log": "ok"},
    "app": APP,
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"report": {**REPORT["report"], "wl-stats": STATS}},  # without the name of the score
        {"report": {**REPORT["report"], "wl-stats": {"throughput_score": STATS, "CPU_score": STATS}}},
        {"report": {**REPORT["report"], "wl-stats": {"sim": {"min": 1, "max": 2.5}}}},
        {"report": {"wl-scores": {"gen-sim": 12.5, "gen": 631, "sim": 34.8}}},
        {"report": {"wl-scores": {"sim": 0.0}, "log": "ok"}},
        {"run_info": {**REPORT["run_info"], "extra_arguments": "--nthreads 4"}},
        {"app": {**APP, "devices": {"gpu-0": {"name": "a GPU", "memory": 80}}}},
        {"app": {"version": "v1"}},
    ],
)
def test_reports_of_other_workloads_are_read(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "sim_summary.json"
    path.write_text(json.dumps(REPORT | change))
    assert read_report(path) == REPORT | change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run_info": None}, "run_info"),
        ({"report": {"log": "ok"}}, "wl-scores"),
        ({"report": {"wl-scores": {"sim": "fast"}}}, "sim"),
        ({"report": {"wl-scores": {"sim": 1.0}, "log": "fine"}}, "log"),
        ({"measurements": {"overlap": 2.0}}, "measurements"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "sim_summary.json"
    path.write_text(json.dumps(REPORT | change))
    with pytest.raises(DataError, match=message):
        read_report(path)
    with pytest.raises(MissingInputError):
        read_report(tmp_path / "none.json")
