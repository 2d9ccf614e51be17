import json
import math
import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.workload.hepscore import (
    Repetition,
    compute_hepscore,
    geometric_mean,
    repetition_score,
    replay_hepscore,
    results_file,
    run_hepscore,
)
from mlpf_hpo.workload.hepscore_command import container_command
from mlpf_hpo.workload.hepscore_config import Hepscore, load_hepscore, parse_hepscore
from tests.workload.hepscore_containers import document, run

HERE = Path(__file__).parent
CASES = yaml.safe_load((HERE / "hepscore_cases.yaml").read_text())
VALUES = json.loads((HERE / "hepscore_values.json").read_text())
"""What HEPscore 1.5 (commit b275034) makes of the cases, and 2.0rc6 (9ab8354) of those marked 2.0."""

SETTINGS = {
    "name": "MLPFscore",
    "reference_machine": "two cores",
    "registry": "docker://registry.example/hep",
    "method": "geometric_mean",
    "repetitions": 3,
    "scaling": 10,
    "container_exec": "docker",
}


def config(changes: dict | None = None, **benchmarks: dict) -> Hepscore:
    named = {name.replace("_", "-"): content for name, content in benchmarks.items()}
    content = {"settings": SETTINGS | (changes or {}), "benchmarks": named}
    return parse_hepscore({"hepscore_benchmark": content}, "a test")


def report(log: str = "ok", **scores: float) -> Repetition:
    parts = {"wl-scores": scores, "log": log}
    return Repetition({"report": parts, "app": {}, "run_info": {}})


ONE = {"version": "v1", "ref_scores": {"train": 3.0}}


@pytest.mark.parametrize("name", CASES["cases"])
def test_a_worked_case(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours and the real program, on the same configuration and the same containers, digit by digit."""
    case, right = CASES["cases"][name], VALUES[name]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(case.get("cpus", 2)))
    commands: list[Any] = []

    def execute(command: Sequence[str], log: Path) -> int:
        commands.append([word.replace(str(log.parent), "RUN") for word in command])
        return run(case, log.parent)

    parsed = parse_hepscore(document(case, CASES["common"]), name)
    summary = run_hepscore(parsed, tmp_path, execute)
    assert (summary["score"], summary["status"]) == (right["score"], right["status"])
    assert summary.get("error") == right.get("error", summary.get("error"))  # 1.5 names none for a NaN
    assert (summary["score"] == -1) == (right["status"] == "failed")
    if right["status"] == "success":
        assert summary["wl-scores"] == right["wl-scores"]
        assert replay_hepscore(parsed, tmp_path)["score"] == right["score"]
    assert summary["app_info"]["config_hash"] == right["config_hash"]
    written = json.loads((tmp_path / "Score.json").read_text())
    assert written == json.loads(json.dumps(summary))
    assert comparable(commands) == comparable(right["commands"])


def comparable(commands: list[list[str]]) -> list[list[str]]:
    """Return commands without what depends on the machine, and with the options of containers alone.

    2.0 gives containers a folder of the run as /tmp and /var/tmp; ours binds /tmp, as 1.5 does.
    """
    machine = f"_{platform.machine()}"
    texts = [" ".join(command).replace(machine, "_ARCH") for command in commands]
    for mount in ("-v TMP:/tmp -v TMP:/var/tmp ", "-B TMP:/tmp -B TMP:/var/tmp ", "-B /tmp "):
        texts = [text.replace(mount, "") for text in texts]
    return [text.split(" ") for text in texts]


def test_the_cases_are_many_and_of_every_kind() -> None:
    assert set(VALUES) == set(CASES["cases"])
    assert len(VALUES) >= 30
    failed = [name for name, value in VALUES.items() if value["status"] == "failed"]
    assert 10 <= len(failed) < len(VALUES) - 20
    assert {str(case.get("version")) for case in CASES["cases"].values()} == {"None", "2.0"}


@pytest.mark.parametrize(
    ("left", "reason"),
    [({"scores": {"sim": 9.0}, "log": "ERROR one copy"}, "ERROR one copy"), ({"sim": 0.0}, "no score sim")],
)
def test_stricter_than_the_real_program(tmp_path: Path, left: dict, reason: str) -> None:
    """HEPscore 1.5 gives these a score: 3.0 and 0.0."""
    case = {"benchmarks": {"alpha": {"ref_scores": {"sim": 3.0}}}, "runs": {"alpha": [left]}}
    parsed = parse_hepscore(document(case, CASES["common"]), "a test")
    summary = run_hepscore(parsed, tmp_path, lambda _, log: run(case, log.parent))
    assert (summary["score"], summary["error"]) == (-1, "alpha")
    assert reason in summary["problems"]["alpha"][0]


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
    # (1.8257^3 x 16)^(1/4) x 10 = exp(3/4 x 0.601964) x 2 x 10 = 1.570623 x 20
    by_hand = 1.8257**0.75 * 16**0.25 * 10
    assert summary["score"] == round(by_hand, 4) == 31.4125
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
    assert repetition_score({"train": 3.0}, {"train": 1.0}) == 0.3333
    assert repetition_score({"train": 1.0}, {"train": 0.00004}) == 0.0
    sixth = repetition_score({"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 3.0})
    assert sixth == 2.4495 != math.sqrt(6)


@pytest.mark.parametrize(
    ("repetitions", "reason"),
    [
        ([report(train=1.0)] * 2, "2 scores of 3 repetitions"),
        ([report(train=1.0)] * 4, "4 scores of 3 repetitions"),
        ([report(train=1.0), Repetition(None), report(train=1.0)], "run 1: no report"),
        ([report("ERROR 1 copy", train=1.0), *[report(train=1.0)] * 2], "run 0: ERROR 1 copy"),
        ([report(train=1.0), report(train=1.0), report(other=1.0)], "run 2: no score train"),
        ([report(train=0.0), *[report(train=1.0)] * 2], "run 0: no score train"),
        ([report(train=float("nan")), *[report(train=1.0)] * 2], "run 0: no score train"),
    ],
)
def test_one_invalid_repetition_leaves_no_score(repetitions: list, reason: str) -> None:
    summary = compute_hepscore(config(mlpf_bmk=ONE), {"mlpf-bmk": repetitions})
    assert (summary["score"], summary["status"], summary["error"]) == (-1, "failed", "mlpf-bmk")
    assert reason in summary["problems"]["mlpf-bmk"]


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6), st.floats(0.1, 10), st.data())
def test_geometric_mean_scales_and_stays_within(
    values: list[float], factor: float, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(st.floats(0.1, 5), min_size=len(values), max_size=len(values)))
    mean = geometric_mean(values, weights)
    assert min(values) * 0.999999 <= mean <= max(values) * 1.000001
    assert geometric_mean([factor * v for v in values], weights) == pytest.approx(factor * mean, rel=1e-6)


def test_podman_and_apptainer_are_called_like_their_models(tmp_path: Path) -> None:
    workload = ONE | {"args": {"threads": 1}, "gpu": True}
    for model, other in (("docker", "podman"), ("singularity", "apptainer")):
        of_model, of_other = (
            container_command(config({"container_exec": engine}, mlpf_bmk=workload), "mlpf-bmk", tmp_path)
            for engine in (model, other)
        )
        assert (of_model[0], of_other[0]) == (model, other)
        assert of_model[1:] == of_other[1:]


def test_an_engine_without_a_registry_is_refused() -> None:
    only = {"registry": ["dir:///images", "oras://registry.example/sif"]}
    with pytest.raises(ConfigurationError, match="docker takes images from docker://, and not from dir://"):
        config(only, mlpf_bmk=ONE)
    assert config(only | {"container_exec": "singularity"}, mlpf_bmk=ONE).benchmarks


def test_results_file_follows_the_name() -> None:
    named = config(mlpf_bmk=ONE | {"results_file": "x.json"}, plain=ONE)
    assert results_file("mlpf-bmk", config(mlpf_bmk=ONE).benchmarks["mlpf-bmk"]) == "mlpf-bmk_summary.json"
    assert results_file("mlpf-bmk", named.benchmarks["mlpf-bmk"]) == "x.json"
    assert results_file("plain", named.benchmarks["plain"]) == "plain_summary.json"


def test_a_folder_with_an_earlier_run_is_refused(tmp_path: Path) -> None:
    case = {
        "benchmarks": {"mlpf-bmk": ONE},
        "runs": {"mlpf-bmk": [{"train": 3.0}, {"train": 6.0}, {"train": 9.0}]},
    }
    start = config(mlpf_bmk=ONE), tmp_path, lambda _, log: run(case, log.parent)
    assert run_hepscore(*start)["score"] == 20.0  # 1, 2, 3: median 2, scaling 10
    with pytest.raises(DataError, match="earlier run"):
        run_hepscore(*start)
    shutil.rmtree(tmp_path / "mlpf-bmk")
    with pytest.raises(MissingInputError, match="no runs of mlpf-bmk"):
        replay_hepscore(config(mlpf_bmk=ONE), tmp_path)


def test_an_engine_that_is_not_there_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="docker: not installed"):
        run_hepscore(config(mlpf_bmk=ONE), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": SETTINGS | {"method": "mean"}}, "hepscore_benchmark.settings.method"),
        ({"settings": SETTINGS | {"repetitions": 0}}, "hepscore_benchmark.settings.repetitions"),
        ({"settings": SETTINGS | {"colour": 1}}, "hepscore_benchmark.settings.colour"),
        ({"settings": SETTINGS | {"registry": "registry.example/hep"}}, "settings.registry"),
        ({"settings": SETTINGS | {"registry": []}}, "settings.registry"),
        ({"benchmarks": {"mlpf-bmk": ONE | {"weight": 0}}}, "all weights are 0"),
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
