import pytest
import torch

from mlpf_hpo.hardware import roofline
from mlpf_hpo.hardware.roofline import (
    GEMM_DTYPES,
    gemm_peak,
    measure_roofline,
    memory_triad,
    process_gemm_peak,
)


def test_rates_are_operations_and_bytes_over_the_best_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "_best_time", lambda work, device, seconds: 0.25)
    monkeypatch.setattr(roofline, "_PATIENCE", 100.0)
    rate, order = gemm_peak("cpu", sizes=(10, 20))
    assert (rate, order) == (2 * 20**3 / 0.25, 20)
    assert memory_triad("cpu", 4000) == 3 * 4000 / 0.25


def test_the_best_of_the_repetitions_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 4.0, 4.0, 5.0, 5.0, 7.0, 7.0, 9.9, 9.9])
    monkeypatch.setattr(roofline.time, "perf_counter", lambda: next(clock))
    calls = []
    # Budget 5 s: calls of 3, 1 and 2 s after one that warms up.
    best = roofline._best_time(lambda: calls.append(1), torch.device("cpu"), 5.0)
    assert best == 1.0
    assert len(calls) == 4


def test_orders_that_would_take_minutes_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(roofline, "_best_time", lambda *rest: tried.append(1) or 0.1)
    assert gemm_peak("cpu", seconds=0.2, sizes=(10, 11, 100))[1] == 11
    assert len(tried) == 2


def test_a_real_measurement_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(roofline.GEMM_SIZES, "cpu", (64,))
    monkeypatch.setattr(roofline, "TRIAD_MIB", (1, 1))
    measured = measure_roofline("cpu", "32", seconds=0.0)
    assert measured.gemm_flops > 0
    assert measured.triad_bytes_per_second > 0
    assert measured.ridge == pytest.approx(measured.gemm_flops / measured.triad_bytes_per_second)
    assert (measured.gemm_order, measured.gemm_dtype, measured.triad_array_bytes) == (64, "float32", 2**20)
    assert measured.threads == torch.get_num_threads()


@pytest.mark.parametrize("precision", sorted(GEMM_DTYPES))
def test_every_precision_can_be_measured(precision: str) -> None:
    assert gemm_peak("cpu", GEMM_DTYPES[precision], seconds=0.0, sizes=(32,))[0] > 0


def test_measuring_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    gemm_peak("cpu", seconds=0.0, sizes=(16,))
    assert torch.equal(before, torch.get_rng_state())


def test_a_process_measures_its_peak_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(roofline.SHORT_GEMM_SIZES, "cpu", (64,))
    monkeypatch.setattr(roofline, "_measured_peaks", {})
    first = process_gemm_peak("cpu", "32")
    assert first == process_gemm_peak("cpu", "32") > 0
    assert process_gemm_peak("cpu", "16-mixed") != first
