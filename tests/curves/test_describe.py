"""Descriptions of tables of curves, against counts by hand, SciPy, and the published table."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

from mlpf_hpo import LearningCurves, TargetMetric, repeat_noise
from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.defects import count_defects
from mlpf_hpo.curves.describe import describe_curves, format_description
from mlpf_hpo.curves.description_figure import description_figure
from mlpf_hpo.curves.rank_settling import rank_settling
from mlpf_hpo.curves.readers.csv_table import read_table

REFERENCE = os.environ.get("MLPF_HPO_REFERENCE_DIR")
LOSS = TargetMetric("loss", "min")
NAN = float("nan")


def of(
    rows: list[list[float]], lrs: list[float], seeds: list[int], target: TargetMetric = LOSS
) -> LearningCurves:
    return LearningCurves.from_arrays([{"lr": lr} for lr in lrs], rows, target, "made up", seeds)


def test_ranks_and_crossing_pairs_are_those_of_loops() -> None:
    generator = np.random.default_rng(5)
    values = np.round(generator.normal(size=(9, 6)), 1)  # with ties
    values[0, 2] = values[1, 2]
    found = rank_settling(of(values.tolist(), list(range(1, 10)), list(range(9))))
    assert found is not None
    for i, epoch in enumerate(found.epochs):
        assert epoch == i + 1
        assert found.spearman[i] == pytest.approx(spearmanr(values[:, i], values[:, -1]).statistic)
        reversed_pairs = crossing = 0
        for a, b in combinations(range(9), 2):
            orders = [np.sign(values[a, t] - values[b, t]) for t in range(6)]
            reversed_pairs += orders[i] * orders[-1] == -1
            crossing += any(orders[i] * later == -1 for later in orders[i + 1 :])
        assert found.reversed_pairs[i] == pytest.approx(reversed_pairs / 36)
        assert found.crossing_pairs[i] == pytest.approx(crossing / 36)


def test_ranks_are_those_of_complete_curves_each_once() -> None:
    rows = [[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]]
    three = of(rows, [0.1, 0.2, 0.3], [0, 0, 0])
    more = of([*rows, rows[0], [9.0, NAN]], [0.1, 0.2, 0.3, 0.1, 0.4], [0, 0, 0, 0, 0])
    first, second = rank_settling(three), rank_settling(more)
    assert first is not None
    assert second is not None
    assert (
        first.to_dict()
        == second.to_dict()
        == {
            "curves": 3,
            "epochs": [1],
            "spearman": [pytest.approx(-1)],
            "reversed_pairs": [1.0],
            "crossing_pairs": [1.0],
        }
    )
    assert rank_settling(three.select([0, 1])) is None
    equal = rank_settling(of([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]], [0.1, 0.2, 0.3], [0, 0, 0]))
    assert equal is not None
    assert equal.to_dict()["spearman"] == [None]


def falling(end: float = 1.0, n: int = 12) -> list[float]:
    return [end + 8 * 0.6**t for t in range(n)]


def test_each_defect_is_counted() -> None:
    restarted = falling(1.1)[:6] + falling(1.1)[:6]
    jumped = [*falling(1.2)[:8], 8.0, *falling(1.2)[9:]]
    rows = {
        "first": (falling(), 0.1, 1),
        "repeat": (falling(1.3), 0.1, 2),
        "copy": (falling(), 0.1, 1),
        "same seed, other values": (falling(1.4), 0.1, 2),
        "unknown seed": (falling(1.5), 0.2, -1),
        "unknown seed again": (falling(1.6), 0.2, -1),
        "restarted": (restarted, 0.3, 1),
        "jumped": (jumped, 0.4, 1),
        "gap": ([*falling(1.7)[:5], NAN, *falling(1.7)[6:]], 0.5, 1),
        "early": ([*falling(1.8)[:5], *[NAN] * 7], 0.6, 1),
        "tied": (falling(1.3), 0.7, 1),
    }
    curves = of(
        [row[0] for row in rows.values()], [row[1] for row in rows.values()], [r[2] for r in rows.values()]
    )
    status, accuracy = curves.status.copy(), curves.values.copy()
    status[list(rows).index("early")] = "finished"
    accuracy[0, 3] = NAN
    both = replace(curves, status=status, metrics={"loss": curves.values, "accuracy": accuracy})
    assert count_defects(both) == {
        "repeats": 1,
        "undeclared_duplicates": 3,
        "copies": 1,
        "restarts": 1,
        "jumps": 1,
        "gaps": 1,
        "finished_early": 1,
        "incomplete_metrics": 1,
        "tied_finals": 2,
    }
    rising = replace(curves, target=TargetMetric("loss", "max"), metrics={"loss": -curves.values})
    assert count_defects(rising)["jumps"] == 1


def test_a_description_in_numbers_and_words() -> None:
    generator = np.random.default_rng(2)
    configurations = [
        {
            "lr": float(10**x),
            "layers": int(k % 3),
            "optimizer": "adam" if k % 2 else "sgd",
            "bias": k % 4 == 0,
        }
        for k, x in enumerate(generator.uniform(-4, -1, 20))
    ] * 2
    values = np.exp(generator.normal(0, 0.3, 20))
    values = np.concatenate([values, values * np.exp(generator.normal(0, 0.02, 20))])
    curves = LearningCurves.from_arrays(
        configurations, np.stack([values + 1, values], axis=1), LOSS, "toys", [1] * 20 + [2] * 20
    )
    found = json.loads(json.dumps(describe_curves(curves), allow_nan=False))
    assert found["final_values"]["quantiles"]["0.25"] == np.quantile(values, 0.25)
    noise = repeat_noise(curves)
    assert noise is not None
    quartiles = np.quantile(np.log(values), [0.25, 0.75])
    assert found["noise_to_spread"] == pytest.approx(noise.std / (np.diff(quartiles)[0] / 1.34898), rel=1e-5)
    assert found["ranges"]["layers"] == {"kind": "whole number", "distinct": 3, "least": 0.0, "largest": 2.0}
    assert found["ranges"]["optimizer"] == {"kind": "category", "values": {"adam": 20, "sgd": 20}}
    assert found["ranges"]["bias"] == {"kind": "boolean", "values": {"False": 30, "True": 10}}
    text = format_description(found)
    assert "toys: 40 curves of up to 2 epochs, 20 distinct configurations" in text
    assert "rows: 20 repeats" in text
    assert "optimizer: category: adam (20), sgd (20)" in text
    assert description_figure(curves).startswith(b"\x89PNG")


def test_almost_nothing_is_described_too() -> None:
    curves = of([[NAN], [NAN]], [0.1, 0.2], [0, 0])
    text = format_description(json.loads(json.dumps(describe_curves(curves), allow_nan=False)))
    assert "final values: none" in text
    assert "too few complete curves" in text
    assert description_figure(of([[-1.0, -2.0], [0.0, 5.0]], [0.1, 0.2], [0, 0])).startswith(b"\x89PNG")


def test_many_metrics_are_counted_by_section() -> None:
    curves = of([[2.0, 1.0], [3.0, 1.0]], [0.1, 0.2], [0, 0])
    metrics = {"loss": curves.values, **{f"time/{i}": curves.values for i in range(7)}}
    text = format_description(describe_curves(replace(curves, metrics=metrics)))
    assert "metrics: 8: 1 of loss, 7 of time" in text


def test_the_command_prints_and_writes(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{0.1 * i},{i + 3},{i + 1}" for i in range(1, 6))
    Path("mine.csv").write_text(f"lr,loss_0,loss_1\n{rows}\n")
    done = CliRunner().invoke(
        app, ["curves", "describe", "mine.csv", "--json", "d.json", "--figure", "f.png"]
    )
    assert done.exit_code == 0, done.output
    assert "mine: 5 curves of up to 2 epochs" in done.output
    assert json.loads(Path("d.json").read_text())["curves"] == 5
    assert Path("f.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not REFERENCE, reason="needs the published curves (MLPF_HPO_REFERENCE_DIR)")
def test_what_is_known_of_the_published_table_is_found() -> None:
    found = describe_curves(read_table(Path(REFERENCE or "", "mlpf_learning_curves.csv")))
    assert (found["curves"], found["distinct_configurations"]) == (296, 183)
    assert found["defects"]["restarts"] == 97
    assert found["defects"]["undeclared_duplicates"] == 113
    assert found["defects"]["repeats"] == found["defects"]["gaps"] == 0
