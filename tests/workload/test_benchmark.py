"""The benchmark with real copies: schema, statuses, overlap, determinism. Never a speed."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.errors import BusyError, ConfigurationError, DataError, MissingInputError, MlpfHpoError
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.workload import benchmark
from mlpf_hpo.workload.benchmark import BenchmarkResult, run_benchmark, summary
from mlpf_hpo.workload.copies import CopyMessage
from mlpf_hpo.workload.measurements import ELEMENTS, EVENTS, BenchmarkRecorder, CopyRecord
from mlpf_hpo.workload.report import scores, write_report
from mlpf_hpo.workload.results_folder import alone_in
from mlpf_hpo.workload.workloads import DEFAULT as SCORE

NETWORK = NetworkParams(
    embedding_dim=4, hash_columns=8, class_head=(4,), charge_head=(4,), regression_head=(4,)
)
OTHERS = ("system/cpu_fraction", "system/peak_rss_megabytes", "loss")
SIZES = (20, 33, 64, 5, 40, 31)
Run = Callable[..., BenchmarkResult]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(3)

    def event(number: int, n: int) -> Event:
        features = generator.normal(size=(n, 12)).astype(np.float32)
        features[:, 0] = generator.integers(1, 3, n)
        targets = generator.normal(size=(n, 7)).astype(np.float32)
        targets[:, 0] = generator.integers(0, 6, n)
        jets, met = np.zeros((0, 4), np.float32), np.zeros(2, np.float32)
        return Event(features, targets, None, number, "ttbar", 0.0, jets, met)

    path = tmp_path_factory.mktemp("events") / "train"
    write_store(path, (event(i, n) for i, n in enumerate(SIZES)), {"seed": 3})
    return path


def start(events: Path, folder: Path, /, **changes) -> BenchmarkResult:
    size = {"copies": 1, "threads": 1, "events_per_thread": 4, "epochs": 3, "batch_size": 2}
    more = {"network": NETWORK, "minimum_overlap": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "ROOFLINE_SECONDS", 0.0)
        return run_benchmark(**{"events": events, "results_dir": folder, **size, **more, **changes})


@pytest.fixture
def run(events: Path, tmp_path: Path) -> Run:
    return lambda **changes: start(events, tmp_path / "results", **changes)


@pytest.fixture(scope="module")
def good(events: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkResult:
    return start(events, tmp_path_factory.mktemp("good"), copies=2)


def test_a_good_run_and_its_repetition(good: BenchmarkResult, run: Run, tmp_path: Path) -> None:
    first, folder = good, good.path.parent
    assert first.exit_status == 0, first.report["report"]["log"]
    report, measured = first.report["report"], first.report["measurements"]
    assert report["log"] == "ok"
    each = [copy["events_per_second"] for copy in measured["per_copy"]]
    assert report["wl-scores"][SCORE] == sum(rate["median"] for rate in each)
    assert report["wl-stats"][SCORE]["count"] == 2
    assert all(rate["min"] <= rate["median"] <= rate["max"] for rate in each)
    # 20, 33, 64 and 5 elements in bins of 32: 32 + 64 + 64 + 32 slots
    assert measured["padding_ratio"] == 192 / 122
    assert 0.0 <= measured["overlap"] <= 1.0, "of so short a run it may be nothing where the machine is busy"
    assert measured["flop_per_event"] > 0
    assert measured["fraction_of_gemm_peak"] > 0
    assert (measured["joules_per_event"] is None) == (measured["energy_missing"] is not None)
    assert measured["epochs_measured"] == 2
    assert measured["losses_agree"], "two copies of one training"
    on_disk = json.loads((folder / "mlpf-bmk_summary.json").read_text())
    assert on_disk == json.loads(json.dumps(first.report))
    assert json.loads((folder / "version.json").read_text()) == on_disk["app"]
    assert json.loads((folder / "inputs.log").read_text())["copies"] == 2
    assert sorted(p.name for p in folder.glob("proc_*")) == ["proc_0", "proc_1"]
    assert "events/s" in summary(first)

    stayed_on: list[set[int]] = []
    again = run(mop="all", on_message=lambda message: stayed_on.append(os.sched_getaffinity(message.pid)))
    assert [len(processors) for processors in stayed_on] == [1] * len(stayed_on), "it is pinned"
    assert again.report["measurements"]["final_loss"] == measured["final_loss"]
    assert again.report["app"] == first.report["app"]
    assert not list((tmp_path / "results").glob("proc_*"))


def test_a_gpu_that_is_not_there_is_no_cpu(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for asked in ({"workload": "mlpf-train-gpu"}, {"device": "gpu"}):
        with pytest.raises(ConfigurationError, match="device gpu: no such GPU here") as caught:
            run(**asked)
        assert caught.value.exit_status == 64
    assert not (tmp_path / "results").exists()


def test_inference(good: BenchmarkResult, run: Run) -> None:
    found = run(workload="mlpf-infer-cpu", copies=2)
    assert found.exit_status == 0, found.report["report"]["log"]
    assert list(found.report["report"]["wl-scores"]) == ["mlpf-infer-cpu"]
    measured, trained = found.report["measurements"], good.report["measurements"]
    # a map without the two products of its gradients; those of the raw inputs have only one
    assert 2.0 < trained["flop_per_event"] / measured["flop_per_event"] < 3.0
    assert measured["losses_agree"]
    assert measured["final_loss"] != trained["final_loss"]
    assert measured["padding_ratio"] == trained["padding_ratio"]


def test_a_copy_killed_in_the_middle_fails_alone(run: Run, tmp_path: Path) -> None:
    messages: list[CopyMessage] = []

    def kill_the_second(message: CopyMessage) -> None:
        messages.append(message)
        if message.copy == 1 and message.content.get("epoch") == 1:
            os.kill(message.pid, signal.SIGKILL)

    result = run(copies=2, epochs=4, mop="all", on_message=kill_the_second)
    assert result.exit_status == 1
    assert result.report["report"]["log"] == "ERROR copy 1: killed by signal 9 (SIGKILL)"
    assert result.report["report"]["wl-stats"][SCORE]["count"] == 1
    assert max(m.content.get("epoch", 0) for m in messages if m.copy == 0) == 4
    assert [p.name for p in (tmp_path / "results").glob("proc_*")] == ["proc_1"], "its log is kept"


def test_copies_that_all_die_leave_a_report_without_a_score(run: Run) -> None:
    def kill(message: CopyMessage) -> None:
        os.kill(message.pid, signal.SIGKILL)

    result = run(copies=2, on_message=kill)
    assert result.exit_status == 2
    assert result.report["report"]["wl-scores"] == {SCORE: 0.0}
    assert "per_copy" not in result.report["measurements"]
    assert result.report["measurements"]["energy_missing"] == "no epoch was trained"


@pytest.mark.parametrize(("minimum", "status"), [(0.25, 0), (0.26, 2)])
def test_too_little_overlap_fails_every_copy(
    run: Run, good: BenchmarkResult, monkeypatch: pytest.MonkeyPatch, minimum: float, status: int
) -> None:
    def train(
        results: Path, scratch: Path, job: dict, recorder: BenchmarkRecorder, gpus: list
    ) -> dict[int, str]:
        """Two copies that measured from 0 to 5 s and from 3 to 8 s."""
        epoch = dict.fromkeys((EVENTS, ELEMENTS, *OTHERS), 1.0)
        for copy, begin in zip(recorder.copies, (0.0, 3.0), strict=True):
            copy.roofline = {"gemm_flops": 1e9, "triad_bytes_per_second": 1e9, "gemm_dtype": "float32"}
            copy.measuring_since = begin
            copy.epochs = [{**epoch, "now": begin + second} for second in (0.0, 2.0, 5.0)]
        recorder.flop_per_event = 1e6
        return {}

    monkeypatch.setattr(benchmark, "_train", train)
    result = run(copies=2, minimum_overlap=minimum)
    assert result.report["measurements"]["overlap"] == 0.25
    assert result.exit_status == status
    assert ("ok" if status == 0 else "ERROR all measured together 25% of the time") in result.report[
        "report"
    ]["log"]


@pytest.mark.parametrize(
    ("change", "error", "status", "message"),
    [
        (
            {"events_per_thread": 7},
            ConfigurationError,
            64,
            "has 6 events, and benchmark.threads x benchmark.events_per_thread are 7",
        ),
        ({"threads": 2, "events_per_thread": 4}, ConfigurationError, 64, "are 8"),
        ({"threads": 0}, ConfigurationError, 64, "threads"),
        ({"copies": 0}, ConfigurationError, 64, "0 copies"),
        ({"epochs": 1}, ConfigurationError, 64, "warm-up"),
        ({"precision": "8"}, ConfigurationError, 64, "precision"),
        ({"device": "gpu:0"}, ConfigurationError, 64, "device is cpu, gpu"),
        ({"device": "gpu-99"}, ConfigurationError, 64, "no such GPU"),
        ({"workload": "mlpf-train-gpu", "device": "cpu"}, ConfigurationError, 64, "measures a GPU"),
        ({"workload": "mlpf-infer-cpu", "device": "gpu-0"}, ConfigurationError, 64, "measures a CPU"),
        ({"workload": "mlpf-train"}, ConfigurationError, 64, "did you mean mlpf-train-"),
        ({"mop": "some"}, ConfigurationError, 64, "mop"),
        ({"events": Path("nowhere")}, MissingInputError, 66, "nowhere"),
        ({"results_dir": Path("/proc/none")}, DataError, 65, "/proc/none"),
    ],
)
def test_usage_errors_are_no_number_of_copies(
    run: Run, change: dict, error: type[MlpfHpoError], status: int, message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        run(**change)
    assert caught.value.exit_status == status
    assert error("another").exit_status == 1, "other commands keep theirs"


def test_two_runs_at_once_do_not_share_a_folder(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    with alone_in(folder):
        (folder / "proc_0").mkdir()
        with pytest.raises(BusyError, match="another benchmark writes there") as caught:
            run()
        assert caught.value.exit_status == 65
        assert (folder / "proc_0").is_dir(), "what the other one has made stays"
    assert not (folder / ".lock").exists()
    with alone_in(tmp_path / "a/b"):
        pass
    assert not (tmp_path / "a").exists(), "nothing was written"


def test_a_later_run_replaces_an_earlier_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "_train", lambda *rest: {0: "gone", 1: "gone", 2: "gone"})
    folder = tmp_path / "results"
    (folder / "proc_7").mkdir(parents=True)
    (folder / "kept").touch()
    assert run(copies=3).exit_status == 3
    assert {path.name for path in folder.iterdir()} == {
        "kept",
        "inputs.log",
        "version.json",
        "mlpf-bmk_summary.json",
    }


def test_many_failures_stay_below_usage_errors(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_train", lambda *rest: dict.fromkeys(range(200), "gone"))
    assert run(copies=200).exit_status == 63


def test_statistics_by_hand() -> None:
    expected = {"avg": 14.0, "median": 12.0, "min": 10.0, "max": 20.0, "count": 3}
    found = scores([10.0, 20.0, 12.0], SCORE)
    assert found == {"wl-scores": {SCORE: 42.0}, "wl-stats": {SCORE: expected}}


def test_the_schema_refuses_what_would_mislead(good: BenchmarkResult, tmp_path: Path) -> None:
    report = good.report
    schema = json.loads((Path(benchmark.__file__).parent / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    wrong: list[tuple[str, str, object]] = [
        ("report", "log", "fine"),
        ("report", "wl-scores", {SCORE: 0}),  # no score of zero with "ok"
        ("report", "wl-scores", {}),
        ("run_info", "copies", 0),
        ("app", "containment", None),
        ("measurements", "padding_ratio", 0.5),
        ("measurements", "overlap", 1.5),
        ("measurements", "flop_per_event", 0),
        ("measurements", "unknown", 1),
        ("measurements", "joules_per_event", 1.0 if report["measurements"]["energy_missing"] else None),
    ]
    for section, key, value in wrong:
        with pytest.raises(DataError, match="benchmark report"):
            write_report(tmp_path, {**report, section: {**report[section], key: value}}, {})


def test_events_of_a_tier_come_round_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_on: list[list[int]] = []

    def look(results: Path, scratch: Path, job: dict, *rest: object) -> dict[int, str]:
        trained_on.append(EventStore.open(job["events"]).element_counts.tolist())
        return {0: "not run"}

    monkeypatch.setattr(benchmark, "_train", look)
    result = run(events_per_thread=8, repeat_events=True)
    assert trained_on == [[*SIZES, 20, 33]]
    # 20, 33, 64, 5, 40, 31, 20 and 33 elements in bins of 32
    assert result.report["measurements"]["padding_ratio"] == (32 + 64 + 64 + 32 + 64 + 32 + 32 + 64) / 246


def test_processor_time_is_compared_epoch_by_epoch() -> None:
    """Half of the processor in one epoch, all of it in others: the same rate by processor time."""
    epochs = [{EVENTS: 99.0, "system/cpu_fraction": 0.1}]
    epochs += [{EVENTS: 10.0 * share, "system/cpu_fraction": share} for share in (0.5, 1.0, 0.75, 0.25)]
    assert CopyRecord(1, epochs).events_per_cpu_second(2) == 5.0
