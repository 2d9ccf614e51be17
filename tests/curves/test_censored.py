"""Censored curves: no final value for predictors, left out of replays, and kept through files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpf_hpo import LearningCurves, with_target_epoch
from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import read_curves, write_curves
from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.curves.target_epochs import with_finals
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.draws import known_to_the_end
from tests.curves.tables import some_curves

N, EPOCHS, CUT = 30, 8, 3


def pruned(status: str = "stopped", rows: int = 10) -> LearningCurves:
    """Return curves of which the first ones were pruned after three epochs, with a good last value."""
    curves = some_curves(N, EPOCHS)
    values = curves.values.copy()
    values[:rows, CUT:] = np.nan
    values[:rows, CUT - 1] = 0.0
    return replace(
        curves,
        metrics={"loss": values},
        status=np.array([status] * rows + ["finished"] * (N - rows)),
        configs=curves.configs.assign(stopped=np.arange(N) < rows if status == "stopped" else False),
    )


@pytest.mark.parametrize("status", ["stopped", "failed", "running"])
def test_the_end_of_a_censored_curve_is_not_its_final_value(status: str) -> None:
    curves = pruned(status)
    assert curves.censored.tolist() == [True] * 10 + [False] * 20
    for targeted in (curves, with_target_epoch(curves, "own")):
        kept = with_finals(targeted)
        assert len(kept) == 20
        assert not kept.censored.any()
    early = with_finals(with_target_epoch(curves, 2))
    assert len(early) == N, "what was observed is known"


def test_a_diverged_curve_is_not_censored() -> None:
    assert not pruned("diverged").censored.any()


def test_files_keep_it(tmp_path: Path) -> None:
    curves = pruned("failed")
    write_curves(curves, tmp_path / "curves.parquet")
    assert read_curves(tmp_path / "curves.parquet").censored.tolist() == curves.censored.tolist()
    words = ["curves", "export", str(tmp_path / "curves.parquet"), "--csv", str(tmp_path / "wide.csv")]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert read_table(tmp_path / "wide.csv").censored.tolist() == curves.censored.tolist()
    described = CliRunner().invoke(app, ["curves", "describe", str(tmp_path / "curves.parquet")]).output
    assert "lengths: 3 to 8 epochs, median 8, 20 of 30 with all 8; censored: 10" in described


def test_a_replay_leaves_censored_curves_out(tmp_path: Path) -> None:
    """And gives what it gives for a table without them, also by a split of the whole table's rows."""
    curves = pruned()
    write_curves(curves, tmp_path / "all.parquet")
    write_curves(curves.select(~curves.censored), tmp_path / "known.parquet")
    rows = {"design": [0, 1, 11, 12, 13, 14], "final": [2, 3, *range(15, 30)]}
    (tmp_path / "all.json").write_text(json.dumps(rows))
    known = {part: [row - 10 for row in found if row >= 10] for part, found in rows.items()}
    (tmp_path / "known.json").write_text(json.dumps(known))
    for options in ([], ["split"]):
        found = {}
        for name in ("all", "known"):
            out = tmp_path / f"{name}.found.json"
            split = ["--split", str(tmp_path / f"{name}.json")] if options else []
            words = ["--schedulers", "asha", "--seeds", "2", "--workers", "2", "--json", str(out), *split]
            done = CliRunner().invoke(app, ["replay", "--curves", str(tmp_path / f"{name}.parquet"), *words])
            assert done.exit_code == 0, f"{done.output}{done.exception!r}"
            found[name] = json.loads(out.read_text())
            said = "left out: 10 of 30 rows: 10 (censored before epoch 8)" in done.output
            assert said == (name == "all")
        assert found["all"]["left_out_rows"] == {"censored before epoch 8": 10}
        assert found["all"]["schedulers"] == found["known"]["schedulers"]


def test_nothing_but_censored_curves() -> None:
    said = r"^made up: none of 30 has a value for each of 8 epochs \(30 censored before epoch 8\): nothing is"
    with pytest.raises(DataError, match=said):
        known_to_the_end(pruned(rows=N))
