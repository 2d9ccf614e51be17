"""The tables of the predictors' benchmark: what its options name, and what is left out of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import predictors

FILE = "lr,loss_0,loss_1\n" + "".join(f"{row + 1},{row + 3},{row}\n" for row in range(6))
ENDED = FILE.replace("1,3,0\n", "1,3,\n")
"""The first curve has no final value."""


def tables(monkeypatch, *arguments: object):
    monkeypatch.setattr(sys, "argv", ["predictors", *map(str, arguments)])
    return predictors.tables(predictors.arguments())


def written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_a_split_counts_the_rows_of_the_file_and_what_is_left_out_is_told(
    tmp_path, monkeypatch, capsys
) -> None:
    split = written(tmp_path / "split.json", json.dumps({"design": [0, 1, 5], "final": [2, 3]}))
    table = written(tmp_path / "table.csv", ENDED)
    for part, finals in (("design", [1.0, 5.0]), ("final", [2.0, 3.0])):
        found = tables(monkeypatch, "--table", f"one={table}", "--split", split, "--part", part)
        assert found["one"].final.tolist() == finals
    assert capsys.readouterr().out == "one: left out: 1 of 3 rows: 1 (ended before epoch 2)\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--splits", "0"], "--splits 0: at least 1"),
        (["--table", "one={}", "--table", "one={}"], "--table: two tables have the same name"),
        (["--table", "one"], "--table one: must be NAME=FILE"),
    ],
)
def test_bad_arguments_are_told_in_one_line(tmp_path, monkeypatch, arguments, told) -> None:
    table = written(tmp_path / "table.csv", FILE)
    monkeypatch.setattr(sys, "argv", ["predictors", *(text.format(table) for text in arguments)])
    with pytest.raises(SystemExit, match=f"^error: {told}"):
        predictors.main()
