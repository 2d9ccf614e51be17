"""Ragged tables: which value of a curve is final, which curves have none, and what is said about them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.curves.card import dataset_card, format_card
from mlpf_hpo.curves.dataset import read_curves, write_curves
from mlpf_hpo.curves.left_out_rows import describe_left_out_rows
from mlpf_hpo.curves.readers.csv_table import import_csv, read_table
from mlpf_hpo.curves.target_epochs import (
    left_out_of_complete,
    modelled_epochs,
    typical_target,
    with_finals,
    with_target_epoch,
)
from mlpf_hpo.errors import ConfigurationError, DataError

TABLE = """lr,width,stopped,loss_0,loss_1,loss_2,loss_3
0.1,1,false,9,8,7,6
0.2,2,0,9,8,7,
0.3,3,true,9,8,7,
,,,,,,
0.4,4,,9,5,,
0.5,5,1,,,,
0.6,6,False,9,inf,,
0.7,7,True,9,8,7,5
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "ragged.csv"
    file.write_text(TABLE)
    return file


def write(path, text):
    path.write_text(text)
    return path


def finals(curves) -> dict[float, float]:
    """Return the learning rate and the final value of each curve that has one."""
    return dict(zip(curves.configs["lr"].tolist(), curves.final.tolist(), strict=True))


def test_a_common_target_epoch(path) -> None:
    curves = read_table(path)
    assert finals(with_finals(with_target_epoch(curves, 4))) == {0.1: 6, 0.7: 5}
    at_three = with_finals(with_target_epoch(curves, 3))
    assert finals(at_three) == {0.1: 7, 0.2: 7, 0.3: 7, 0.7: 7}, "one that was stopped later had that value"
    assert at_three.n_epochs == 3
    assert at_three.left_out_rows == {
        "empty: row 4": 1,
        "ended before epoch 3": 1,
        "no value": 1,
        "diverged": 1,
    }
    told = "left out: 4 of 8 rows: 1 (empty: row 4), 1 (ended before epoch 3), 1 (no value), 1 (diverged)"
    assert describe_left_out_rows(at_three.left_out_rows, len(at_three)) == told


def test_own_target_epochs(path) -> None:
    found = with_target_epoch(read_table(path), "own")
    kept = with_finals(found)
    assert finals(kept) == {0.1: 6, 0.2: 7, 0.4: 5}
    assert kept.target_epochs.tolist() == [4, 3, 2]
    assert kept.left_out_rows == {"empty: row 4": 1, "stopped": 2, "no value": 1, "diverged": 1}
    assert kept.frame().columns[0] == "target_epoch"
    assert kept.hyperparameters == ("lr", "width")
    assert finals(with_finals(found, known_epochs=2)) == {0.1: 6, 0.2: 7}
    assert with_finals(found, 2).left_out_rows["nothing left to predict after 2 observed epochs"] == 1


def test_target_epochs_of_the_table(tmp_path) -> None:
    """What it says holds, also for a curve that is still running; where it says nothing, the curve's end."""
    text = "lr,target_epoch,loss_0,loss_1,loss_2\n1,2,9,8,7\n2,3,9,8,\n3,,9,8,\n4,3,9,8,7\n"
    curves = with_target_epoch(read_table(write(tmp_path / "t.csv", text)))
    assert curves.hyperparameters == ("lr",)
    assert curves.target_epochs.tolist() == [2, 3, 2, 3]
    np.testing.assert_array_equal(curves.final, [8, np.nan, 8, 7])
    assert with_finals(curves).left_out_rows == {"ended before its target epoch": 1}
    common = with_target_epoch(curves, 2)
    assert not common.own_targets
    assert common.final.tolist() == [8, 8, 8, 8]


def test_almost_no_curve_reaches_the_last_column(tmp_path) -> None:
    rows = [f"{i},9,{8 if i < 10 else ''},{7 if i < 6 else ''},{6 if i < 1 else ''}" for i in range(12)]
    text = "\n".join(["lr,loss_0,loss_1,loss_2,loss_3", *rows])
    curves = read_table(write(tmp_path / "long.csv", text), hyperparameters=["lr"])
    with pytest.raises(DataError) as raised:
        with_target_epoch(curves)
    assert "long: 1 of 12 curves have a value after epoch 4, the last" in str(raised.value)
    assert "--target-epoch 1 (12 curves), --target-epoch 3 (6 curves), or --target-epoch own" in str(
        raised.value
    )
    assert len(with_finals(with_target_epoch(curves, 3))) == 6
    assert typical_target(with_target_epoch(curves, "own")) == 2
    assert modelled_epochs(with_target_epoch(curves, 3)) == range(3)
    with pytest.raises(ConfigurationError, match="--target-epoch 5: long has curves of up to 4 epochs"):
        with_target_epoch(curves, 5)


def test_models_end_where_too_few_curves_go_on(tmp_path) -> None:
    lengths = [5] * 19 + [4] * 4 + [2] * 9
    rows = [",".join([str(i), *["1"] * n, *[""] * (5 - n)]) for i, n in enumerate(lengths)]
    text = "\n".join(["lr,loss_0,loss_1,loss_2,loss_3,loss_4", *rows])
    curves = read_table(write(tmp_path / "t.csv", text), hyperparameters=["lr"])
    own = with_target_epoch(curves, "own")
    assert modelled_epochs(own) == range(4), "20 curves go on after 3 epochs, 19 after 4"


def test_marks_seeds_and_counts_survive_parquet_and_are_on_the_card(path, tmp_path) -> None:
    path.write_text(TABLE.replace("lr,", "seed,lr,").replace("\n0", "\n3,0").replace("\n,", "\n,,"))
    curves = with_target_epoch(read_table(path), "own")
    write_curves(curves, tmp_path / "c.parquet")
    again = read_curves(tmp_path / "c.parquet")
    pd.testing.assert_frame_equal(again.configs, curves.configs.reset_index(drop=True))
    assert again.configs["seed"].tolist() == [3] * 7
    assert again.stopped.tolist() == [False, False, True, False, True, False, True]
    assert again.left_out_rows == {"empty: row 4": 1}
    np.testing.assert_array_equal(again.final, curves.final)
    few = read_table(tmp_path / "c.parquet", hyperparameters=["width"])
    assert few.configs.columns.tolist() == ["config_id", "seed", "stopped", "target_epoch", "width"]
    card = dataset_card(again)
    assert (card["stopped"], card["own_targets"], card["left_out_rows"]) == (3, True, {"empty: row 4": 1})
    text = format_card(card)
    assert "left out: 1 of 8 rows: 1 (empty: row 4)" in text
    assert "| stopped before their end, as far as that is known | 3 |" in text


def test_rows_keep_their_numbers_in_messages(tmp_path) -> None:
    text = "lr,loss_0\n1,2\n,\n3,x\n4,5\n"
    with pytest.raises(DataError, match=r"row 3, column loss_0: 'x'"):
        import_csv(write(tmp_path / "t.csv", text), ["lr"], "loss_", "t")


@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("stopped", "17", "row 2, column stopped: '17' is not true or false"),
        ("stopped", "yes", "row 2, column stopped: 'yes' is not true or false"),
        ("seed", "1.5", "row 2, column seed: '1.5' is not a whole number from 0 on"),
        ("seed", "abc", "row 2, column seed: 'abc'"),
        ("target_epoch", "0", "row 2, column target_epoch: '0' is not a whole number from 1 on"),
    ],
)
def test_cells_that_mean_nothing(tmp_path, name, cell, message) -> None:
    text = f"lr,{name},loss_0\n1,1,2\n2,{cell},3\n3,,4\n"
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path / "t.csv", text))


def test_a_row_of_which_only_other_columns_are_filled_is_empty(tmp_path) -> None:
    text = "id,note,lr,loss_0,loss_1\n7,x,1,9,8\n8,y,,,\n9,z,2,9,\n"
    curves = read_table(write(tmp_path / "t.csv", text))
    assert curves.hyperparameters == ("lr",)
    assert curves.left_out_rows == {"empty: row 2": 1}
    assert curves.configs.index.tolist() == [0, 2]


def test_why_rows_are_not_complete(path) -> None:
    """Those that are left out of nested cross-validation, which takes curves without a restart."""
    curves = read_table(path)
    assert sum(left_out_of_complete(curves).values()) == 8 - int(curves.complete.sum())
    assert left_out_of_complete(curves)["stopped before epoch 4"] == 1
