"""Reports of the reference machine: whole, of one machine and program, worth the score that they define."""

import json
import re
import statistics
from pathlib import Path

import pytest
import yaml

from benchmarks.reference_scores import CONFIGURATION, IMAGE, OUT, REFERENCE, RUNS, SCORES, configuration
from mlpf_hpo.workload.hepscore import replay_hepscore
from mlpf_hpo.workload.hepscore_config import load_hepscore
from mlpf_hpo.workload.report import REPORT_FILE, read_report

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / OUT


def reports(workload: str, tier: str) -> list[dict]:
    name = IMAGE if (workload, tier) == RUNS[0] else f"{workload}-{tier}"
    return [read_report(path) for path in sorted((FOLDER / name).glob(f"*/{REPORT_FILE}"))]


@pytest.mark.parametrize(("workload", "tier"), RUNS)
def test_each_report_counts(workload, tier):
    of_runs = reports(workload, tier)
    assert len(of_runs) >= 3
    for report in of_runs:
        assert report["report"]["log"] == "ok"
        assert report["measurements"]["contended"] is False
        assert report["hardware"]["hostname"] == REFERENCE
    scores = [report["report"]["wl-scores"][workload] for report in of_runs]
    medians = json.loads((FOLDER / SCORES).read_text("utf-8"))["events_per_second"]
    assert medians[tier][workload] == statistics.median(scores)


def test_all_reports_are_of_one_machine_and_one_program():
    every = [report for run in RUNS for report in reports(*run)]
    assert len({report["hardware"]["hardware_id"] for report in every}) == 1
    assert len({report["app"]["bmk_checksum"] for report in every}) == 1


def test_the_reference_machine_scores_what_the_scaling_says():
    config = load_hepscore(FOLDER / CONFIGURATION)
    assert replay_hepscore(config, FOLDER)["score"] == config.settings.scaling


def test_the_page_shows_the_configuration_and_the_scores():
    page = (ROOT / "docs" / "benchmark.md").read_text("utf-8")
    shown = re.search(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    assert shown is not None
    assert yaml.safe_load(shown[1]) == yaml.safe_load((FOLDER / CONFIGURATION).read_text("utf-8"))
    scores = json.loads((FOLDER / SCORES).read_text("utf-8"))
    assert scores["machine"] in page
    for tier, of_workloads in scores["events_per_second"].items():
        for workload, score in of_workloads.items():
            assert f"| `{workload}` | {tier} | {score:.0f} |" in page


def test_a_configuration_is_one_that_is_read(tmp_path):
    path = tmp_path / "hepscore.yaml"
    path.write_text(configuration(250.0, "mlpf-train-cpu", "a machine"), encoding="utf-8")
    assert load_hepscore(path).settings.reference_machine == "a machine"
