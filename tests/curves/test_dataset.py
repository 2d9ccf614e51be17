"""The data set: from trials, to Parquet and back, and other people's tables with all that can be wrong."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf_hpo.curves.dataset import read_curves, write_curves
from mlpf_hpo.curves.readers.csv_table import import_csv
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import config_id
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.learning_curves import curves_from_trials


def trial(number: int, values: tuple[float, ...], status: str = "finished", lr: float = 1e-3) -> TrialSummary:
    return TrialSummary(
        trial_id=f"t{number:03d}",
        trial_key=f"key{number}",
        run_id=f"run{number}",
        configuration={"lr": lr, "output_dim": 8},
        seed=number,
        status=status,
        metrics={"val/loss": values, "time/epoch_seconds": tuple(1.0 for _ in values)},
        hardware_label="laptop",
    )


def collected(trials: list[TrialSummary], n_epochs: int = 4) -> LearningCurves:
    return curves_from_trials(
        trials, target=TargetMetric("val/loss", "min"), n_epochs=n_epochs, source="campaign x"
    )


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path) -> LearningCurves:
    return import_csv(path, hyperparameters=["lr", "dropout"], loss_prefix="loss_", name="theirs")


def assert_equal(left: LearningCurves, right: LearningCurves) -> None:
    assert left.configs.to_dict("list") == right.configs.to_dict("list")
    assert (left.target, left.source) == (right.target, right.source)
    assert list(left.metrics) == list(right.metrics)
    for name, values in left.metrics.items():
        np.testing.assert_array_equal(values, right.metrics[name])
    for name in ("status", "restart_epoch", "run_ids", "hardware"):
        assert getattr(left, name).tolist() == getattr(right, name).tolist()


def test_trials_are_padded_and_cut() -> None:
    curves = collected([trial(0, (5.0, 4.0, 3.0, 2.0, 1.0)), trial(1, (5.0, 4.0), "stopped", lr=1e-2)])
    np.testing.assert_array_equal(curves.values, [[5, 4, 3, 2], [5, 4, np.nan, np.nan]])
    assert curves.hyperparameters == ("lr", "output_dim")
    assert curves.groups.tolist() == [config_id({"lr": lr, "output_dim": 8}) for lr in (1e-3, 1e-2)]
    assert curves.complete.tolist() == [True, False]


def test_a_trial_without_epochs_keeps_its_row() -> None:
    curves = collected([trial(0, (2.0, 1.0, 1.0, 1.0)), trial(1, (), "failed")])
    assert np.isnan(curves.values[1]).all()
    assert curves.status.tolist() == ["finished", "failed"]


def test_a_diverged_trial_is_not_complete() -> None:
    curves = collected([trial(0, (2.0, 1.0, 1.0, 1.0)), trial(1, (2.0, math.inf), "diverged")])
    assert curves.complete.tolist() == [True, False]


def test_trials_that_make_no_data_set() -> None:
    with pytest.raises(DataError, match="no trials"):
        collected([])
    with pytest.raises(DataError, match=r"did you mean val/loss"):
        curves_from_trials([trial(0, (1.0,))], target=TargetMetric("val/los", "min"), n_epochs=4, source="x")


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(allow_nan=False), max_size=6),
            st.sampled_from(["finished", "stopped", "diverged", "failed"]),
            st.sampled_from([1e-3, 1e-2]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_parquet_and_back(tmp_path_factory, rows) -> None:
    path = tmp_path_factory.mktemp("curves") / "curves.parquet"
    curves = collected([trial(i, tuple(values), status, lr) for i, (values, status, lr) in enumerate(rows)])
    write_curves(curves, path)
    assert_equal(read_curves(path), curves)
    assert [f.name for f in path.parent.iterdir() if f.name.startswith(".")] == []


def test_the_card_says_what_is_odd(tmp_path) -> None:
    full = (9.0, 4.0, 2.0, 1.5, 1.3, 1.2, 1.1, 1.05, 1.0, 0.98, 0.97)
    restarted = (*full[:7], 9.0, 4.1, 2.0, 1.6)
    write_curves(
        collected(
            [trial(0, full), trial(1, full), trial(2, restarted, lr=1e-2), trial(3, full[:3], "stopped")], 11
        ),
        tmp_path / "curves.parquet",
    )
    card = json.loads((tmp_path / "curves.card.json").read_text())
    assert card["curves"] == 4
    assert card["distinct_configurations"] == 2
    assert card["duplicated_rows"] == 2
    assert card["complete"] == 2
    assert card["truncated"] == 1
    assert card["restarted"] == 1
    assert card["status"] == {"finished": 3, "stopped": 1}
    assert card["hardware"] == {"laptop": 4}
    table = pd.read_parquet(tmp_path / "curves.parquet")
    assert table["trial/duplicated"].tolist() == [False, True, False, True]
    assert table["trial/truncated"].tolist() == [False, False, False, True]
    assert table["trial/restart_epoch"].tolist() == [-1, -1, 7, -1]
    assert "campaign x" in (tmp_path / "curves.card.md").read_text()


def test_the_same_curves_make_the_same_file(tmp_path) -> None:
    curves = collected([trial(0, (2.0, 1.0)), trial(1, (3.0, 1.0))])
    write_curves(curves, tmp_path / "a.parquet")
    write_curves(curves, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_files_that_are_not_curves(tmp_path) -> None:
    with pytest.raises(MissingInputError, match="dvc repro curves"):
        read_curves(tmp_path / "none.parquet")
    path = tmp_path / "curves.parquet"
    write_curves(collected([trial(0, (2.0, 1.0))]), path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"curves\.parquet"):
        read_curves(path)


def test_import(tmp_path) -> None:
    curves = read(write(tmp_path, "dropout,lr,note,loss_1,loss_0\n0.1,1e-3,x,3,4\n0.2,1e-2,y,,5\n"))
    assert curves.hyperparameters == ("lr", "dropout")
    np.testing.assert_array_equal(curves.values, [[4, 3], [5, np.nan]])
    assert curves.source == "theirs"
    assert curves.groups[0] == config_id({"lr": 1e-3, "dropout": 0.1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr,droput,loss_0\n1,2,3\n1,2,3\n", r"no column 'dropout' \(did you mean droput\?\)"),
        ("lr,dropout,loss_0\n1,2,3\n1,2,abc\n", "row 2, column loss_0: 'abc'"),
        ("lr,dropout,loss_0\n1,2,3\n1,x,3\n", "row 2, column dropout: 'x'"),
        ("lr,dropout,loss_0,loss_1\n1,2,inf,2\n1,2,3,4\n", "row 1, column loss_0: inf, but the curve"),
        ("lr,dropout,loss_0,loss_1\n1,inf,2,2\n1,2,3,4\n", "row 1, column dropout: 'inf'"),
        ("lr,dropout,loss_0,loss_1\n1,nan,2,2\n1,2,3,4\n", "row 1, column dropout: 'nan'"),
        ("lr,dropout,loss_0,loss_1\n1,2,3,?\n1,2,3,4\n", r"row 1, column loss_1: '\?'"),
        ("lr,dropout,loss_0\n1,2,1e999\n1,2,3\n", "row 1, column loss_0"),
        ("lr,dropout,loss_0\n1,,3\n1,2,3\n", "row 1, column dropout"),
        ("lr,dropout,loss_0\n1,2,3\n", "at least two"),
        ("lr,dropout,loss_0\n", "at least two"),
        ("", "cannot be read as CSV"),
        ("lr,dropout,lr,loss_0\n1,2,1,3\n1,2,1,3\n", "the header names column 'lr' 2 times"),
        ("lr,dropout,loss_0,loss_0\n1,2,3,3\n1,2,3,3\n", "the header names column 'loss_0' 2 times"),
        ("lr,dropout,loss_0,loss_2\n1,2,3,3\n1,2,3,3\n", "loss_1 is missing"),
        ("lr,dropout,cost_0\n1,2,3\n1,2,3\n", "no columns loss_0"),
        ("lr,dropout,loss_0,loss_1\n1,2,,3\n1,2,3,3\n", "row 1, column loss_0: empty, but the curve goes on"),
        ("lr,dropout,loss_1,loss_01\n1,2,3,3\n1,2,3,3\n", "loss_1 and loss_01 are the same epoch"),
        ("lr;dropout;loss_0\n1;2;3\n1;2;3\n", "no columns loss_0"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, message) -> None:
    with pytest.raises(DataError, match=message) as raised:
        read(write(tmp_path, text))
    assert "table.csv" in str(raised.value)


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ([], "at least one hyperparameter"),
        (["lr", "lr"], "names column 'lr' 2 times"),
        (["lr", "loss_0"], "'loss_0' is part of the curve"),
        (["lr", "seed"], "cannot be called 'seed'"),
        (["lr", "loss_9"], "cannot be called 'loss_9'"),
    ],
)
def test_columns_that_are_no_hyperparameters(tmp_path, hyperparameters, message) -> None:
    path = write(tmp_path, "lr,seed,loss_0,loss_1,config_id\n1,2,3,4,5\n2,2,3,4,5\n")
    with pytest.raises(DataError, match=message):
        import_csv(path, hyperparameters, "loss_", "theirs")


def test_compressed_tables_are_read_as_well(tmp_path) -> None:
    plain = write(tmp_path, "lr,dropout,loss_0,loss_1\n1,2,3,4\n2,2,3,4\n")
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert_equal(read(packed), read(plain))


@pytest.mark.parametrize(
    ("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_a_compressed_table_that_is_damaged(ending, compress, tmp_path) -> None:
    rows = np.random.default_rng(0).random((200, 3))
    content = "lr,loss_0,loss_1\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    packed, half = compress(content.encode()), 1000
    path = tmp_path / f"table.csv.{ending}"
    for damaged in (packed[:half], packed[:half] + bytes(200) + packed[half + 200 :]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=rf"table\.csv\.{ending}: cannot be read as CSV: "):
            import_csv(path, ["lr"], "loss_", "theirs")


def test_an_archive_that_is_damaged_is_told_in_one_line(tmp_path) -> None:
    path = tmp_path / "table.csv.tar"
    path.write_bytes(b"no archive")  # tarfile has a line for every compression that it tried
    with pytest.raises(DataError, match=r"^.*table\.csv\.tar: cannot be read as CSV: [^\n]+$") as raised:
        import_csv(path, ["lr"], "loss_", "theirs")
    assert "\n" not in str(raised.value)


def test_rows_longer_than_the_header_are_refused(tmp_path) -> None:
    with pytest.raises(DataError):
        read(write(tmp_path, "lr,dropout,loss_0,loss_1\n1,2,3,4,5\n1,2,3,4,5\n"))


def test_a_table_that_is_not_text(tmp_path) -> None:
    (tmp_path / "table.csv").write_bytes(b"\xff\xfe\x00lr")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read(tmp_path / "table.csv")
    with pytest.raises(MissingInputError, match=r"none\.csv"):
        read(tmp_path / "none.csv")
