"""The comparison of two finished projects sees what moved, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.same_numbers import curves, files, records
from mlpf_hpo.curves.dataset import write_curves
from tests.faults.artefacts import curves as made_up


def record(path: Path, **content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_the_last_digit_counts_and_ids_do_not(tmp_path: Path) -> None:
    value = 0.1 + 0.2
    before = record(tmp_path / "a.json", policies={"asha": {"best": value, "run_id": "1"}}, bad=float("nan"))
    after = record(tmp_path / "b.json", schedulers={"asha": {"best": value, "run_id": "2"}}, bad=float("nan"))
    assert records(before, after) == []
    other = record(tmp_path / "c.json", schedulers={"asha": {"best": float(np.nextafter(value, 1))}}, bad=0.0)
    assert [line.partition(":")[0] for line in records(before, other)] == ["/bad", "/schedulers/asha/best"]
    less = record(tmp_path / "d.json", bad=float("nan"))
    assert records(before, less) == [f"only before: /schedulers/asha/best = {value!r}"]


def test_curves_and_files(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        write_curves(made_up(6, 4, seed), tmp_path / name / "curves.parquet")
    one, same, other = (tmp_path / name / "curves.parquet" for name in "abc")
    assert curves(one, same) == []
    assert any("val/loss" in line for line in curves(one, other))
    assert files(tmp_path / "a", tmp_path / "b") == []
    (tmp_path / "b" / "more").write_text("")
    assert files(tmp_path / "a", tmp_path / "b") == ["more"]
    with pytest.raises(FileNotFoundError):
        records(tmp_path / "none.json", one)
