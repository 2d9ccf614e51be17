"""Curves as CSV, wide and long: what is read again is what was written."""

from __future__ import annotations

import io
import os
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from typer.testing import CliRunner

from mlpf_hpo import LearningCurves, TargetMetric, import_csv, read_curves
from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.curves.export import long_table, wide_table
from mlpf_hpo.errors import DataError

REFERENCE = os.environ.get("MLPF_HPO_REFERENCE_DIR")
LOSS = TargetMetric("loss", "min")
INF, NAN = float("inf"), float("nan")
KINDS = {
    "lr": [1e-300, 0.1, 1 / 3, 5e-324],
    "layers": [1, 2, 3, 3],
    "optimizer": ["adam", "none", 'a "b", c', "sgd"],
    "bias": [True, False, True, True],
}


def table() -> LearningCurves:
    """Return curves that end in every way, with hyperparameters of every kind."""
    configurations = [dict(zip(KINDS, values, strict=True)) for values in zip(*KINDS.values(), strict=True)]
    values = [[3.0, 2.0, 1 / 3], [4.0, NAN, NAN], [5.0, INF, NAN], [6.0, NAN, NAN]]
    made = LearningCurves.from_arrays(configurations, values, LOSS, "every kind", [7, -1, 0, 2**31 - 1])
    return replace(
        made,
        configs=made.configs.assign(stopped=[False, True, False, False], target_epoch=[3, 0, 2, 3]),
        status=np.array(["finished", "stopped", "diverged", "diverged"]),
    )


def read_again(curves: LearningCurves, folder: Path) -> LearningCurves:
    path = folder / "again.csv"
    wide_table(curves).to_csv(path, index=False)
    return import_csv(path, list(curves.hyperparameters), "loss_", "again")


def test_the_wide_table_is_read_again(tmp_path) -> None:
    curves = table()
    again = read_again(curves, tmp_path)
    finite = np.where(np.isfinite(curves.values), curves.values, NAN)
    assert np.array_equal(again.values, finite, equal_nan=True)
    assert again.status.tolist() == curves.status.tolist()
    assert again.groups.tolist() == curves.groups.tolist(), "the same configurations, so the same splits"
    for name in ("seed", "stopped", "target_epoch", *curves.hyperparameters):
        assert again.configs[name].tolist() == curves.configs[name].tolist(), name


@settings(max_examples=15)
@given(arrays(np.float64, (3, 4), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_every_number_is_read_as_it_was(tmp_path_factory, values) -> None:
    configurations = [{"lr": float(value)} for value in values[:, 0]]
    curves = LearningCurves.from_arrays(configurations, values, LOSS)
    again = read_again(curves, tmp_path_factory.mktemp("numbers"))
    assert np.array_equal(again.values, values)
    assert np.array_equal(again.configs["lr"], values[:, 0])


def test_the_long_table_holds_every_value_of_every_metric() -> None:
    curves = table()
    both = replace(curves, metrics={"loss": curves.values, "time": curves.values + 1})
    read = pd.read_csv(io.StringIO(long_table(both).to_csv(index=False)), float_precision="round_trip")
    assert read.columns.tolist() == ["trial", "epoch", "metric", "value"]
    for name, values in both.metrics.items():
        mine = read[read["metric"] == name]
        assert len(mine) == (~np.isnan(values)).sum()
        assert mine["value"].tolist() == [
            values[t, e - 1] for t, e in zip(mine["trial"], mine["epoch"], strict=True)
        ]


def with_text(text: str) -> LearningCurves:
    return LearningCurves.from_arrays([{"kind": text}, {"kind": "b"}], [[1.0], [2.0]], LOSS, "texts")


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        (with_text("8"), "texts: a CSV table cannot hold hyperparameter 'kind' as it is: .*'b' is not a"),
        (with_text(" a"), "hyperparameter 'kind' as it is: ' a' would be read as 'a'; rename that value"),
        (
            LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], [[1.0, 2.0], [NAN, 3.0]], LOSS, "gap"),
            "gap: row 2 has a value after a missing one",
        ),
    ],
)
def test_what_the_layout_cannot_hold_is_refused(curves, message, tmp_path, monkeypatch) -> None:
    with pytest.raises(DataError, match=message):
        wide_table(curves)
    monkeypatch.chdir(tmp_path)
    write_curves(curves, Path("c.parquet"))
    done = CliRunner().invoke(app, ["curves", "export", "c.parquet", "--csv", "c.csv", "--long", "l.csv"])
    assert isinstance(done.exception, DataError)
    assert not list(tmp_path.glob("*.csv")), "nothing is written"


def test_the_command_names_the_one_that_reads_it_again(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    curves = replace(
        table(), target=TargetMetric("val/accuracy", "max"), metrics={"val/accuracy": table().values}
    )
    write_curves(curves, Path("mine.parquet"))
    done = CliRunner().invoke(app, ["curves", "export", "mine.parquet", "--csv", "w.csv", "--long", "l.csv"])
    assert done.exit_code == 0, done.output
    assert "w.csv: 4 curves" in done.output
    words = shlex.split(done.output.partition("read it again with: mlpf-hpo ")[2])
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output + repr(done.exception)
    again = read_curves(Path("FILE.parquet"))
    assert (again.mode, again.source, again.hyperparameters) == ("max", "every kind", curves.hyperparameters)
    nothing = CliRunner().invoke(app, ["curves", "export", "mine.parquet"])
    assert str(nothing.exception) == "nothing to write: give --csv FILE, --long FILE or both"


@pytest.mark.skipif(not REFERENCE, reason="needs the published curves (MLPF_HPO_REFERENCE_DIR)")
def test_the_published_table_is_written_as_it_is(tmp_path) -> None:
    published = Path(REFERENCE or "", "mlpf_learning_curves.csv")
    curves = import_csv(published, None, "loss_", "published")
    assert wide_table(curves).to_csv(index=False) == published.read_text()
