"""The benchmark of criteria, on a table where the last values mislead: measured, and made a page of."""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import criterion, criterion_page
from mlpf_hpo.predictors.settings import PredictorsParams
from tests.benchmarks.pages import made_by


def measured(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> dict:
    """Return what is measured on 40 curves that end at 7 lr, in the opposite order of their beginning."""
    ends = np.random.default_rng(0).permutation(40) + 1
    table, split = folder / "one.csv", folder / "split.json"
    rows = "".join(f"{end / 7},{41 - end},{41 - end},{41 - end},{end}\n" for end in ends)
    table.write_text(f"lr,loss_0,loss_1,loss_2,loss_3\n{rows}")
    split.write_text(json.dumps({"design": list(range(30)), "final": list(range(30, 40))}))
    few = partial(PredictorsParams, candidates=("persistence", "ridge"))
    monkeypatch.setattr(criterion, "PredictorsParams", few)
    given = ["--table", f"one={table}", "--split", str(split), "--json", str(folder / "out.json"), *options]
    monkeypatch.setattr(sys, "argv", ["criterion", *given])
    criterion.main()
    return json.loads((folder / "out.json").read_text())


def test_choices_and_epochs_on_other_curves(tmp_path, monkeypatch) -> None:
    found = measured(tmp_path, monkeypatch, "--splits", "2")
    one = found["tables"]["one"]
    assert (one["train"], one["searched"], found["splits"]) == (18, 12, 2), "of the design part"
    assert one["candidates"]["persistence"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    logs = [split["logarithms"] for split in one["per_split"]]
    assert one["candidates"]["ridge"]["mean"] == pytest.approx(math.exp(np.mean([x["ridge"] for x in logs])))
    assert one["criteria"]["search"]["chosen"] == {"ridge": 2}
    assert one["criteria"]["search"]["ratio"] == one["candidates"]["ridge"]
    assert one["candidates"]["ridge"]["high"] < 1
    for name in ("spearman", "r2", "log_mae"):
        chosen = [split["chosen"][name] for split in one["per_split"]]
        ours_over_theirs = [x["ridge"] - x[which] for x, which in zip(logs, chosen, strict=True)]
        mean = one["criteria"][name]["search_over_this"]["mean"]
        assert mean == pytest.approx(math.exp(np.mean(ours_over_theirs)))
    page = made_by(criterion_page.main, "criterion.md", tmp_path, monkeypatch, json.dumps(found))
    ratio = one["candidates"]["ridge"]
    cell = f"**{ratio['mean']:.2f}** [{ratio['low']:.2f}, {ratio['high']:.2f}]"
    assert f"| one | 18, 12 | search | {cell} |  | ridge 2 |" in page.read_text()
    assert f"| one | 1.00 [1.00, 1.00] | {cell} | {cell} |" in page.read_text()


def test_bad_arguments_are_told_in_one_line(tmp_path, monkeypatch) -> None:
    with pytest.raises(SystemExit, match=r"^error: --splits 0: at least 1"):
        measured(tmp_path, monkeypatch, "--splits", "0")
