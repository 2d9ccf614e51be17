from pathlib import Path

import pynvml
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.hardware import energy
from mlpf_hpo.hardware.energy import (
    FOLLOW_SECONDS,
    NvmlMeter,
    RaplMeter,
    TrainingEnergy,
    counter_difference,
    energy_sources,
)


def domain(root: Path, name: str, kind: str, microjoules: int, span: int = 1_000_000) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(kind + "\n")
    (folder / "max_energy_range_uj").write_text(f"{span}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder


def move(folder: Path, microjoules: int) -> None:
    (folder / "energy_uj").write_text(f"{microjoules}\n")


def test_packages_are_summed_and_contained_domains_left_out(tmp_path: Path) -> None:
    packages = [domain(tmp_path, f"intel-rapl:{i}", f"package-{i}", 100) for i in range(2)]
    inside = domain(tmp_path, "intel-rapl:0:0", "core", 0)
    whole = domain(tmp_path, "intel-rapl:2", "psys", 0)
    same_again = domain(tmp_path, "intel-rapl-mmio:0", "package-0", 0)
    meter = RaplMeter(tmp_path)
    for folder in packages:
        move(folder, 250_100)
    for folder in (inside, whole, same_again):
        move(folder, 900_000)
    assert meter.read().joules == pytest.approx(0.5)
    assert meter.read().joules == pytest.approx(0.5), "a second reading adds nothing"


def test_counters_that_wrap_twice_between_samples_taken_in_time(tmp_path: Path) -> None:
    folder = domain(tmp_path, "intel-rapl:0", "package-0", 900_000, span=999_999)
    meter = RaplMeter(tmp_path)
    for microjoules in (300_000, 800_000, 200_000):  # 900k -> wraps -> wraps
        move(folder, microjoules)
        meter.sample()
    assert meter.read().joules == pytest.approx((400_000 + 500_000 + 400_000) / 1e6)


@given(st.integers(1, 10**12), st.data())
def test_difference_undoes_a_move_of_the_counter(span: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(0, span))
    moved = data.draw(st.integers(0, span))
    assert counter_difference(before, (before + moved) % (span + 1), span) == moved


class Clock:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(energy.time, "monotonic", lambda: self.now)


def test_a_training_follows_counters_that_wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = domain(tmp_path, "intel-rapl:0", "package-0", 900_000, span=999_999)
    monkeypatch.setattr(energy, "RaplMeter", lambda: RaplMeter(tmp_path))
    clock = Clock(monkeypatch)
    training = TrainingEnergy([torch.device("cpu")])
    for microjoules in (300_000, 800_000, 200_000):
        move(folder, microjoules)
        clock.now += FOLLOW_SECONDS + 1
        training.follow()
    assert training.joules() == pytest.approx((400_000 + 500_000 + 400_000) / 1e6)


def test_a_training_that_misses_a_part_has_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    domain(tmp_path, "intel-rapl:0", "package-0", 100)
    monkeypatch.setattr(energy, "RaplMeter", lambda: RaplMeter(tmp_path))
    assert TrainingEnergy([torch.device("cpu")]).joules() == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-4f2a")
    assert TrainingEnergy([torch.device("cpu"), torch.device("cuda")]).joules() is None
    assert energy_sources(0) == "RAPL package domains"


def test_no_counters_give_no_number_but_a_reason(tmp_path: Path) -> None:
    energy = RaplMeter(tmp_path).read()
    assert energy.joules is None
    assert energy.reason is not None
    assert "no RAPL package domain" in energy.reason


def test_counters_that_vanish_give_no_number(tmp_path: Path) -> None:
    folder = domain(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = RaplMeter(tmp_path)
    (folder / "energy_uj").unlink()
    energy = meter.read()
    assert energy.joules is None
    assert energy.reason is not None


def test_no_gpu_gives_no_number_but_a_reason() -> None:
    assert NvmlMeter(()).read().reason == "no GPU in use"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        energy = NvmlMeter((0,)).read()
        assert energy.joules is None
        assert energy.reason is not None
        assert energy.reason.startswith("NVML")
