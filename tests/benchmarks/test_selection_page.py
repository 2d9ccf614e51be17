"""The page of what selection adds, from results whose answers can be told by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import other_tasks_page
from benchmarks.other_tasks import RISING, TASKS
from benchmarks.selection_page import main
from tests.benchmarks.pages import made_by


def results() -> dict[str, Any]:
    """Return what the benchmark would have written."""
    differences = {
        "r2_loss": {"mean": 0.04, "low": 0.03, "high": 0.05},
        "spearman": {"mean": 0.001, "low": -0.002, "high": 0.004},
        "top_recall": {"mean": -0.02, "low": -0.03, "high": -0.01},
    }
    rankings = {name: differences[name] for name in ("spearman", "top_recall")}
    covered = {"mean": 0.912, "below_80": 0.25}
    common = {
        "coverage": {"all": covered, "best_third": {"mean": 0.87}, "best_twentieth": {"mean": 0.81}},
        "chosen": {"ridge": 1, "persistence": 3},
        "seconds": 9.0,
    }
    cell = {"selected_minus_persistence": differences, "selected_minus_share0": rankings, **common}
    first = {"selected_minus_best": rankings, **common}
    return {
        "splits": 4,
        "candidates": ["persistence", "ridge"],
        "all": {"n20": {"share0": first, "share2": cell, "share50": cell}},
        "distinct": {"n20": {"share2": cell}},
        "clean": {"n80": {"share2": cell}},
    }


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> Path:
    """Make the page of a file of this content, and return where it would be."""
    return made_by(main, "selection.md", folder, monkeypatch, content)


def test_the_page_tells_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = made(tmp_path, monkeypatch, json.dumps(results())).read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith(("| all", "| distinct", "| clean"))
    ]
    seen = [["all", "20", "2 %"], ["all", "20", "50 %"], ["distinct", "20", "2 %"], ["clean", "80", "2 %"]]
    first = ["all", "20", "0 %"]
    assert [row[:3] for row in rows] == [*seen, *seen, first, first, *seen]
    assert rows[0][3:] == [
        "**+0.0400** [+0.0300, +0.0500]",
        "+0.0010 [-0.0020, +0.0040]",
        "*-0.0200* [-0.0300, -0.0100]",
        "persistence 3, ridge 1",
    ]
    assert rows[4][3:] == rows[8][3:] == rows[0][4:]
    assert rows[9][3:] == ["0.91", "0.25", "0.87", "0.81"]
    assert "In each of 4 splits" in page
    assert (
        "- R2: better beyond the interval in 4 of 4, worse in 0; on average +0.0400, at worst +0.0400."
        in page
    )
    assert "- top-10 recall: better beyond the interval in 0 of 4, worse in 4;" in page
    assert "Of 12 such intervals 0.3 would lie below zero by chance" in page


def test_the_time_of_another_commit_is_there_if_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = {"rounds": 5.0, "ratio": 0.456, "ratio_low": 0.41, "ratio_high": 0.47}
    timed |= {"before_seconds": 80.2, "after_seconds": 36.4}
    content = {**results(), "against": {"commit": "abc123", "evaluate": timed}}
    page = made(tmp_path, monkeypatch, json.dumps(content)).read_text(encoding="utf-8")
    told = " ".join(page.partition("## Time")[2].split())
    assert "on the `clean` curves, 80 of them to train on, 10% of each seen, 4 splits" in told
    assert "takes 0.46 times the processor time of abc123: 0.41 to 0.47 in 5 rounds" in told
    assert "36 s against 80 s (medians)" in told
    without = made(tmp_path, monkeypatch, json.dumps(results())).read_text(encoding="utf-8")
    assert page.startswith(without)
    assert "## Time" not in without


def test_earlier_numbers_stand_beside_those_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"selected_minus_persistence": {"r2_loss": {"mean": -0.5}}, "coverage": 0.77}
    (tmp_path / "old.json").write_text(json.dumps({"all": {"n20": {"share2": old}}}), encoding="utf-8")
    (tmp_path / "new.json").write_text(json.dumps(results()), encoding="utf-8")
    out = tmp_path / "page.md"
    files = [str(tmp_path / "new.json"), "--before", str(tmp_path / "old.json"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["page", *files])
    main()
    page = out.read_text(encoding="utf-8")
    assert page.count("(-0.5000)") == 1
    assert page.count("0.91 (0.77)") == 1
    assert "In parentheses" in page


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not a file of JSON"),
        ("[]", "not what the benchmark writes"),
        (json.dumps({**results(), "all": None}), "not what the benchmark writes"),
        (json.dumps({name: value for name, value in results().items() if name != "clean"}), "not what"),
    ],
)
def test_wrong_results_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, told: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        made(tmp_path, monkeypatch, content)
    assert told in str(stopped.value)
    assert "python -m benchmarks.predictors --json" in str(stopped.value)
    assert not (tmp_path / "docs").exists()


def test_results_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["page", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit, match=r"none\.json: not there; measure with"):
        main()


def test_the_page_of_other_tasks_has_a_row_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = results()
    content = dict.fromkeys((*TASKS, RISING), published["all"])
    about = {"splits": 4, "candidates": ["persistence", "ridge"], "trials": 160}
    page = made_by(
        other_tasks_page.main, "other_tasks.md", tmp_path, monkeypatch, json.dumps({**content, **about})
    ).read_text(encoding="utf-8")
    for name in (*TASKS, RISING):
        assert page.count(f"\n| {name} | 20 |") == 2 + 2 + 1 + 3
    assert f"worse in {2 * len(content)};" in page
    with pytest.raises(SystemExit, match=r"python -m benchmarks\.other_tasks --json"):
        made_by(other_tasks_page.main, "no.md", tmp_path, monkeypatch, json.dumps(published))
