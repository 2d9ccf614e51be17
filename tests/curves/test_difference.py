"""Two versions of a table of curves, compared; and halves of a table, drawn once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpf_hpo import LearningCurves, TargetMetric
from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.curves.difference import difference, format_difference
from mlpf_hpo.curves.split_file import split_rows
from mlpf_hpo.errors import DataError, MlpfHpoError
from tests.curves.tables import some_curves

NAN = float("nan")


def first() -> LearningCurves:
    """Return two configurations, one of them with two seeds, and a curve that ended early."""
    configurations = [
        {"lr": 0.1, "width": 1},
        {"lr": 0.1, "width": 1},
        {"lr": 0.2, "width": 2},
        {"lr": 0.3, "width": 2},
    ]
    values = [[3.0, 2.0], [3.5, 2.5], [4.0, 3.0], [5.0, NAN]]
    return LearningCurves.from_arrays(configurations, values, TargetMetric("loss", "min"), "v0", [1, 2, 1, 1])


def second() -> LearningCurves:
    """Return the next version: a row gone, one new, one that goes on, one changed, other order, longer."""
    one = first()
    names = ["lr", "width"]
    rows = one.configs.iloc[[3, 1, 0]][names].to_dict("records")
    values = [[5.0, 4.5, 4.0], [3.5, 2.0, NAN], [3.0, 2.0, NAN], [9.0, 8.0, 7.0]]
    new = [*rows, {"lr": 0.1, "width": 1}]
    made = LearningCurves.from_arrays(new, values, one.target, "v1", [1, 2, 1, 3])
    made = replace(made, status=np.array(["finished", "unknown", "finished", "finished"]))
    return replace(made, metrics={"loss": made.values, "accuracy": made.values})


def test_rows_are_found_by_configuration_and_seed() -> None:
    one, two = replace(first(), status=np.array(["finished", "unknown", "finished", "unknown"])), second()
    found = json.loads(json.dumps(difference(one, two)))
    groups = one.groups
    assert found == {
        "rows": {"before": 4, "after": 4, "added": 1, "removed": 1, "changed": 2, "same": 1},
        "added": [[groups[0], 3]],
        "removed": [[groups[2], 1]],
        "changed": [[groups[1], 2], [groups[3], 1]],
        "metrics": {"added": ["accuracy"], "removed": []},
        "largest_change": {"config_id": groups[1], "seed": 2, "epoch": 2, "before": 2.5, "after": 2.0},
        "epochs": {"before": 2, "after": 3},
    }
    text = format_difference(found, "loss")
    assert "rows: 4 before, 4 after: 1 same, 1 added, 1 removed, 2 changed" in text
    assert f"largest change of loss: 2.5 before, 2 after, in {groups[1]} seed 2, epoch 2" in text
    assert "metrics added: accuracy" in text
    back = difference(two, one)
    assert (back["added"], back["removed"]) == (found["removed"], found["added"])


def test_a_table_does_not_differ_from_itself_in_any_order() -> None:
    curves = some_curves(12, 5)
    twice = curves.select([*range(12), 3])
    assert difference(twice, twice.select(list(range(13))[::-1]))["rows"] == {
        "before": 13,
        "after": 13,
        "added": 0,
        "removed": 0,
        "changed": 0,
        "same": 13,
    }
    found = difference(curves, twice)
    assert (found["rows"]["added"], found["rows"]["same"], found["largest_change"]) == (1, 12, None)
    assert difference(curves, some_curves(5, 5, seed=9))["rows"]["same"] == 0


OTHERS: dict[str, tuple[Callable[[LearningCurves], LearningCurves], str]] = {
    "metric": (
        lambda c: replace(c, target=TargetMetric("error", "min"), metrics={"error": c.values}),
        r"loss \(min\) and error \(min\)",
    ),
    "mode": (lambda c: replace(c, target=TargetMetric("loss", "max")), r"loss \(min\) and loss \(max\)"),
    "hyperparameters": (
        lambda c: replace(c, configs=c.configs.rename(columns={"width": "depth"})),
        "hyperparameters of one of them alone: depth, width",
    ),
    "data": (lambda c: replace(c, data_digest="bb"), "trained on data aa and bb"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_tables_of_different_tasks_are_refused(what, tmp_path, monkeypatch) -> None:
    change, message = OTHERS[what]
    one = replace(first(), data_digest="aa")
    other = replace(change(one), source="other")
    with pytest.raises(DataError, match=f"^v0 and other are tables of different tasks: {message}$"):
        difference(one, other)
    monkeypatch.chdir(tmp_path)
    write_curves(one, Path("one.parquet"))
    write_curves(other, Path("other.parquet"))
    done = CliRunner().invoke(app, ["curves", "diff", "one.parquet", "other.parquet", "--json", "d.json"])
    assert isinstance(done.exception, DataError)
    assert not Path("d.json").exists()


def test_the_command_writes_every_row(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_curves(first(), Path("one.parquet"))
    write_curves(second(), Path("two.parquet"))
    done = CliRunner().invoke(app, ["curves", "diff", "one.parquet", "two.parquet", "--json", "d.json"])
    assert done.exit_code == 0, done.output
    assert "4 before, 4 after" in done.output
    assert json.loads(Path("d.json").read_text())["rows"]["added"] == 1


def test_halves_keep_configurations_together_and_are_drawn_once(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    curves = some_curves(9, 3)
    curves = curves.select([*range(9), *range(9)])
    write_curves(curves, Path("mine.parquet"))
    command = ["curves", "splits", "mine.parquet", "--out", "s.json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "s.json: rows: 8 design, 10 final" in done.output
    design, final = (set(split_rows(Path("s.json"), part, curves.groups)) for part in ("design", "final"))
    assert design | final == set(range(18))
    assert not design & final
    assert {(row + 9) % 18 for row in design} == design
    written = Path("s.json").read_bytes()
    again = CliRunner().invoke(app, [*command, "--seed", "1"])
    assert str(again.exception) == "s.json: is there, and splits are drawn once; name another file"
    assert Path("s.json").read_bytes() == written
    CliRunner().invoke(app, [*command[:-1], "other.json", "--seed", "1"])
    assert Path("other.json").read_bytes() != written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"design": [0], "final": [1], "rows": "0123"}',
            "was drawn for other rows than the 6 of this",
        ),
        ('{"design": [0, 6], "final": [1]}', "'design' must be a list of rows from 0 to 5"),
        ("[]", "'design' must be a list of rows"),
    ],
)
def test_splits_of_other_rows_are_refused(tmp_path, content, message) -> None:
    file = tmp_path / "s.json"
    file.write_text(content)
    with pytest.raises(MlpfHpoError, match=message):
        split_rows(file, "design", some_curves(6, 3).groups)


def test_one_configuration_has_no_halves(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_curves(some_curves(3, 3).select([1, 1]), Path("one.parquet"))
    done = CliRunner().invoke(app, ["curves", "splits", "one.parquet", "--out", "s.json"])
    assert "one configuration cannot be split into halves" in str(done.exception)
    assert not Path("s.json").exists()
