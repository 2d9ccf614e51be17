"""Results side by side, from reports with invented numbers."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.reporting.benchmark_page import benchmark_page
from mlpf_hpo.workload import scan
from mlpf_hpo.workload.comparison import differences, read_results
from mlpf_hpo.workload.cores import number_of_copies

KEY = "mlpf-train-cpu"


def write(folder: Path, score: float, copies: int = 2, threads: int = 1, **changes: Any) -> Path:
    """Write a report whose copies' epochs spread by 10 % below and 20 % above."""
    rate = score / copies
    copy = {"events_per_second": {"median": rate, "min": 0.9 * rate, "max": 1.2 * rate}, "cpu_fraction": 1.0}
    copy |= {"gemm_gflop_per_second": 50.0, "triad_gigabytes_per_second": 5.0, "final_loss": 1.0}
    measured = {
        "overlap": 1.0,
        "padding_ratio": 1.1,
        "joules_per_event": None,
        "energy_missing": "no counter",
        "energy_parts": {},
        "elements_per_second": 100.0 * score,
        "spread_over_epochs": 0.3,
        "cpu_fraction": 0.97,
        "contended": False,
        "events_per_cpu_second": rate,
        "gemm_peak_gflop_per_second": 100.0,
        "memory_triad_gigabytes_per_second": 10.0,
        "flop_per_event": 1e8,
        "fraction_of_gemm_peak": 0.25,
        "final_loss": 1.0,
        "losses_agree": True,
        "per_copy": [copy] * copies,
    }
    report = {
        "run_info": {"copies": copies, "threads_per_copy": threads, "events_per_thread": 8},
        "report": {"wl-scores": {KEY: score}, "wl-stats": {}, "log": "ok"},
        "app": {
            "version": "v1",
            "bmkdata_checksum": "data",
            "bmk_checksum": "code",
            **changes.pop("app", {}),
        },
        "measurements": {**measured, **changes.pop("measurements", {})},
        "hardware": {"hardware_id": "1", "hardware_label": changes.pop("machine", "box-4c")},
    }
    folder.mkdir(parents=True)
    path = folder / "mlpf-bmk_summary.json"
    path.write_text(json.dumps(report))
    return path


def test_values_by_hand(tmp_path: Path) -> None:
    write(tmp_path / "a", 40.0, copies=2, threads=2)
    energy = {"joules_per_event": 0.5, "energy_missing": None}
    write(tmp_path / "b", 100.0, copies=4, machine="big", measurements=energy)
    slow, fast = read_results([tmp_path])
    assert (slow.machine, slow.cores, slow.per_core, slow.low, slow.high) == ("box-4c", 4, 10.0, 36.0, 48.0)
    assert (slow.events_per_joule, fast.events_per_joule) == (None, 2.0)
    assert (fast.setting, fast.per_core) == ("4 x 1", 25.0)
    assert differences([slow, fast]) == []


def test_what_makes_scores_incomparable_is_said(tmp_path: Path) -> None:
    write(tmp_path / "a", 40.0)
    write(tmp_path / "b", 50.0, app={"bmkdata_checksum": "other"}, measurements={"contended": True})
    write(tmp_path / "c", 50.0, app={"bmk_checksum": "newer"})
    notes = differences(read_results([tmp_path / name for name in "abc"]))
    assert ["different events" in notes[0], "different versions" in notes[1], "1 of 3" in notes[2]] == [
        True
    ] * 3


def test_a_report_of_another_workload_has_what_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "a", 40.0)
    other = json.loads(path.read_text())
    del other["measurements"], other["hardware"]
    path.write_text(json.dumps(other))
    (result,) = read_results([path])
    assert (result.low, result.high, result.fraction_of_peak) == (40.0, 40.0, None)
    page = benchmark_page([result], "One")
    assert "unknown machine" in page
    assert "Not known here: share of the GEMM peak, events/s per watt." in page
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match=r"no mlpf-bmk_summary\.json"):
        read_results([tmp_path / "a", *tmp_path.glob("empty")])


def test_the_page_labels_every_run_as_what_it_is(tmp_path: Path) -> None:
    for copies, threads, score in ((1, 1, 30.0), (2, 1, 55.0), (1, 2, 45.0)):
        write(tmp_path / f"{copies}x{threads}", score, copies=copies, threads=threads)
    page = benchmark_page(read_results([tmp_path]), "Settings <of> one machine")
    assert "Settings &lt;of&gt; one machine" in page
    for text in ("1 x 1", "2 x 1", "1 x 2", "2 copies of 1 thread(s): 55.0 events/s", "One machine, loaded"):
        assert text in page
    assert page.count("<svg") == 2
    assert page == benchmark_page(read_results([tmp_path]), "Settings <of> one machine")


@pytest.mark.parametrize(("cores", "settings"), [(1, 1), (2, 3), (4, 6), (6, 9)])
def test_a_scan_loads_no_more_cores_than_there_are(cores: int, settings: int) -> None:
    pairs = list(scan.settings_of(cores))
    assert len(set(pairs)) == len(pairs) == settings
    assert max(copies * threads for copies, threads in pairs) == cores
    assert {(cores, 1), (1, cores), (1, 1)} <= set(pairs)


def test_a_scan_stops_where_a_run_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[int, int]] = []

    def run(events: Path, place: Path, *, copies: int, threads: int, epochs: int) -> SimpleNamespace:
        assert (place, epochs) == (tmp_path / f"{copies}x{threads}", 3)
        log = "ERROR copy 0: gone" if threads == 2 else "ok"
        return SimpleNamespace(exit_status=int(threads == 2), report={"report": {"log": log}})

    monkeypatch.setattr(scan, "run_benchmark", run)
    with pytest.raises(DataError, match="1x2: ERROR copy 0: gone"):
        scan.scan(Path("events"), tmp_path, 2, lambda *pair: started.append(pair), epochs=3)
    assert started == [(1, 1), (2, 1), (1, 2)]
    assert len(scan.scan(Path("events"), tmp_path, 1, epochs=3)) == 1
    with pytest.raises(ConfigurationError, match="at least one"):
        scan.scan(Path("events"), tmp_path, 0)


def test_copies_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpf_hpo.workload.cores.usable_cpus", lambda: 8)
    assert [number_of_copies(*given) for given in ((0, 3), ("auto", 9), (5, 4), (0, 2, 5))] == [2, 1, 5, 2]
    for given in ((0, 1, 9), (3, 2, 5), (0, 4, 2)):
        with pytest.raises(ConfigurationError, match="ncores"):
            number_of_copies(*given)
