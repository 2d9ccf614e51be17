"""The reference machine's reports are whole, and give its own score under its own configuration."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import pytest
import yaml

from benchmarks.reference_scores import CONFIGURATION, IMAGE, REFERENCE, RUNS, SCORES
from mlpf_hpo.workload.hepscore import replay_hepscore
from mlpf_hpo.workload.hepscore_config import load_hepscore
from mlpf_hpo.workload.report import REPORT_FILE, read_report

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "benchmarks" / "reference"


def reports(workload: str, tier: str) -> list[dict]:
    folder = KEPT / (IMAGE if (workload, tier) == RUNS[0] else f"{workload}-{tier}")
    return [read_report(path) for path in sorted(folder.glob(f"run*/{REPORT_FILE}"))]


@pytest.mark.parametrize(("workload", "tier"), RUNS)
def test_reports_are_good_and_the_scores_are_their_medians(workload: str, tier: str) -> None:
    found = reports(workload, tier)
    assert len(found) >= 3
    assert len({one["hardware"]["hardware_id"] for one in found}) == 1
    assert len({one["app"]["bmk_checksum"] for one in found}) == 1
    for one in found:
        assert one["report"]["log"] == "ok"
        assert one["measurements"]["contended"] is False
        assert one["hardware"]["hostname"] == REFERENCE
    scores = json.loads((KEPT / SCORES).read_text())["events_per_second"]
    assert scores[tier][workload] == statistics.median(one["report"]["wl-scores"][workload] for one in found)


def test_the_reference_machine_has_the_score_that_it_scales_to() -> None:
    config = load_hepscore(KEPT / CONFIGURATION)
    found = replay_hepscore(config, KEPT)
    assert found["status"] == "success"
    assert found["score"] == config.settings.scaling


def test_the_page_for_administrators_shows_this_configuration() -> None:
    page = (ROOT / "docs" / "benchmark.md").read_text()
    (shown,) = re.findall(r"```yaml\n(hepscore_benchmark:.*?)```", page, re.DOTALL)
    assert yaml.safe_load(shown) == yaml.safe_load((KEPT / CONFIGURATION).read_text())
