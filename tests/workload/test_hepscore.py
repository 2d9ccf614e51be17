import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.workload.hepscore import (
    Hepscore,
    compute_hepscore,
    container_command,
    geometric_mean,
    load_hepscore,
    results_file,
    run_hepscore,
    workload_score,
)

SETTINGS = {
    "name": "MLPFscore",
    "reference_machine": "two cores",
    "registry": "registry.example/hep",
    "method": "geometric_mean",
    "repetitions": 3,
    "scaling": 10,
}


def config(settings: dict | None = None, **benchmarks: dict) -> Hepscore:
    named = {name.replace("_", "-"): content for name, content in benchmarks.items()}
    return Hepscore.model_validate({"settings": SETTINGS | (settings or {}), "benchmarks": named})


def report(log: str = "ok", **scores: float) -> dict:
    return {"report": {"wl-scores": scores, "log": log}}


ONE = {"version": "v1", "ref_scores": {"train": 3.0}}


def test_two_workloads_by_hand() -> None:
    both = config(
        mlpf_bmk={"version": "v1", "ref_scores": {"train": 3.0, "infer": 8.0}, "weight": 3},
        other_bmk={"version": "v2", "ref_scores": {"sim": 2.0}},
    )
    summary = compute_hepscore(
        both,
        {
            "mlpf-bmk": [
                report(train=10.0, infer=8.0),  # round(10/3, 4) = 3.3333 and 1: sqrt = 1.82573
                report(train=12.0, infer=8.0),  # 4 and 1: 2
                report(train=3.0, infer=8.0),  # 1
            ],
            "other-bmk": [report(sim=32.0), report(sim=2.0), report(sim=64.0)],  # 16, 1, 32: median 16
        },
    )
    # (sqrt(3.3333)^3 x 16)^(1/4) x 10 = exp(3/8 x 1.203963) x 2 x 10 = 1.570645 x 20
    by_hand = (3.3333**0.5) ** 0.75 * 16**0.25 * 10
    assert summary["score"] == round(by_hand, 4) == 31.4129
    assert summary["status"] == "success"
    assert summary["benchmarks"]["mlpf-bmk"]["score"] == 1.8257
    assert summary["wl-scores"]["mlpf-bmk"] == {
        "train": 10.0,
        "train_ref": 3.0,
        "infer": 8.0,
        "infer_ref": 8.0,
    }
    assert len(summary["app_info"]["config_hash"]) == 64
    json.dumps(summary, allow_nan=False)


def test_each_score_is_rounded_before_the_mean() -> None:
    assert workload_score({"train": 3.0}, {"train": 1.0}) == 0.3333
    assert workload_score({"train": 1.0}, {"train": 0.00004}) == 0.0


@pytest.mark.parametrize(
    ("repetitions", "reason"),
    [
        ([report(train=1.0)] * 2, "2 of 3 repetitions"),
        ([report(train=1.0)] * 4, "4 of 3 repetitions"),
        ([report(train=1.0), None, report(train=1.0)], "repetition 1: no report"),
        ([report("ERROR 1 copy", train=1.0), *[report(train=1.0)] * 2], "repetition 0: ERROR 1 copy"),
        ([report(train=1.0), report(train=1.0), report(other=1.0)], "repetition 2: no score train"),
        ([report(train=0.0), *[report(train=1.0)] * 2], "repetition 0: no score train"),
        ([report(train=float("nan")), *[report(train=1.0)] * 2], "repetition 0: no score train"),
    ],
)
def test_one_invalid_repetition_leaves_no_score(repetitions: list, reason: str) -> None:
    summary = compute_hepscore(config(mlpf_bmk=ONE), {"mlpf-bmk": repetitions})
    assert (summary["score"], summary["status"]) == (None, "failed")
    assert reason in summary["error"]


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6), st.floats(0.1, 10), st.data())
def test_geometric_mean_scales_and_stays_within(
    values: list[float], factor: float, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(st.floats(0.1, 5), min_size=len(values), max_size=len(values)))
    mean = geometric_mean(values, weights)
    assert min(values) * 0.999999 <= mean <= max(values) * 1.000001
    assert geometric_mean([factor * v for v in values], weights) == pytest.approx(factor * mean, rel=1e-6)


def test_commands_of_the_engines(tmp_path: Path) -> None:
    arguments = {"threads": 1, "-e": 64, "device": "gpu-0", "debug": True, "mop": False}
    workload = ONE | {"args": arguments, "gpu": True}
    tail = ["-W", "--threads", "1", "-e", "64", "--device", "gpu-0", "--debug"]
    docker = container_command(config(mlpf_bmk=workload), "mlpf-bmk", tmp_path)
    image = "registry.example/hep/mlpf-bmk:v1"
    mount = f"{tmp_path}:/results"
    start = ["docker", "run", "--rm", "--network=host", "-v", mount, "--gpus", "all", image]
    assert docker == start + tail
    singular = config({"container_exec": "singularity"}, mlpf_bmk=workload)
    start = ["singularity", "run", "-B", mount, "--nv", f"docker://{image}"]
    assert container_command(singular, "mlpf-bmk", tmp_path) == start + tail
    local = config({"container_exec": "apptainer", "registry": "dir:///images"}, mlpf_bmk=ONE)
    assert container_command(local, "mlpf-bmk", tmp_path)[4:] == ["/images/mlpf-bmk:v1", "-W"]


def test_results_file_follows_the_name() -> None:
    named = config(mlpf_bmk=ONE | {"results_file": "x.json"}, plain=ONE)
    assert results_file("mlpf-bmk", config(mlpf_bmk=ONE).benchmarks["mlpf-bmk"]) == "mlpf_summary.json"
    assert results_file("mlpf-bmk", named.benchmarks["mlpf-bmk"]) == "x.json"
    assert results_file("plain", named.benchmarks["plain"]) == "plain_summary.json"


def test_a_run_reads_the_reports_that_containers_leave(tmp_path: Path) -> None:
    def execute(command: Sequence[str], log: Path) -> int:
        log.write_text("ran")
        rate = 3.0 * (1 + int(log.parent.name.removeprefix("run")))
        (log.parent / "mlpf_summary.json").write_text(json.dumps(report(train=rate)))
        return 0

    summary = run_hepscore(config(mlpf_bmk=ONE), tmp_path, execute)
    assert summary["score"] == 20.0  # 1, 2, 3: median 2, scaling 10
    assert json.loads((tmp_path / "MLPFscore.json").read_text()) == summary
    with pytest.raises(DataError, match="earlier run"):
        run_hepscore(config(mlpf_bmk=ONE), tmp_path, execute)


def test_a_report_beside_a_failed_container_does_not_count(tmp_path: Path) -> None:
    def execute(command: Sequence[str], log: Path) -> int:
        (log.parent / "mlpf_summary.json").write_text(json.dumps(report(train=3.0)))
        return int(log.parent.name == "run1")

    summary = run_hepscore(config(mlpf_bmk=ONE), tmp_path, execute)
    assert summary["score"] is None
    assert "repetition 1: no report" in summary["error"]


def test_an_engine_that_is_not_there_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="docker: not installed"):
        run_hepscore(config(mlpf_bmk=ONE), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": SETTINGS | {"method": "mean"}}, "hepscore_benchmark.settings.method"),
        ({"settings": SETTINGS | {"repetitions": 0}}, "hepscore_benchmark.settings.repetitions"),
        ({"settings": SETTINGS | {"colour": 1}}, "hepscore_benchmark.settings.colour"),
        ({"benchmarks": {}}, "hepscore_benchmark.benchmarks"),
        ({"benchmarks": {"mlpf-bmk": ONE | {"ref_scores": {"train": 0}}}}, "ref_scores.train"),
        ({"benchmarks": {"mlpf-bmk": ONE | {"ref_scores": {}}}}, "ref_scores"),
        ({"benchmarks": {"mlpf-bmk": ONE | {"weight": -1}}}, "weight"),
        ({"benchmarks": {"mlpf-bmk": ONE | {"args": {"device": "gpu:0"}}}}, "args.device"),
        ({"benchmarks": {"mlpf-bmk": ONE | {"args": {"device": "; rm"}}}}, "args.device"),
        ({"benchmarks": {"mlpf-bmk": ONE | {"results_file": "../x.json"}}}, "results_file"),
        ({"benchmarks": {"../x": ONE}}, "benchmarks"),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_key(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "hepscore.yaml"
    content = {"settings": SETTINGS, "benchmarks": {"mlpf-bmk": ONE}}
    path.write_text(yaml.safe_dump({"hepscore_benchmark": content}))
    assert load_hepscore(path).settings.repetitions == 3
    path.write_text(yaml.safe_dump({"hepscore_benchmark": content | change}))
    with pytest.raises(ConfigurationError) as caught:
        load_hepscore(path)
    assert message in str(caught.value)


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        load_hepscore(tmp_path / "none.yaml")
    for text in ("[1, 2", "settings: {}", "just text", ""):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ConfigurationError):
            load_hepscore(tmp_path / "bad.yaml")
