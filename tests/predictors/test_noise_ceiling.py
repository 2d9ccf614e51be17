"""The noise ceiling against what a perfect prediction of the configurations' means does reach."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.noise_ceiling import noise_ceiling
from mlpf_hpo.predictors.scoring import quantile_space, score
from mlpf_hpo.target_metric import TargetMetric

CONFIGURATIONS, SIGMA = 100, 0.15


def repeated(sizes, spread: float, seed: int, exponent: bool = True):
    """Return trainings of configurations, and the true mean of each, on the scale of the noise."""
    generator = np.random.default_rng(seed)
    numbers = np.resize(sizes, CONFIGURATIONS)
    means = np.repeat(spread * generator.normal(size=CONFIGURATIONS), numbers)
    members = np.repeat(np.arange(CONFIGURATIONS), numbers)
    values = means + SIGMA * generator.normal(size=len(means))
    final = np.exp(values) if exponent else values
    configurations = [{"lr": float(member)} for member in members]
    table = np.column_stack([final + 1, final])
    seeds = list(range(len(final)))
    return LearningCurves.from_arrays(configurations, table, TargetMetric("loss", "min"), seeds=seeds), means


def reached(means, exponent: bool, seed: int = 9, draws: int = 60) -> dict[str, float]:
    """Return the mean scores of the true means on new trainings of half of the rows."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        true = means[generator.permutation(len(means))[: len(means) // 2]]
        values = true + SIGMA * generator.normal(size=len(true))
        if exponent:
            values, true = np.exp(values), np.exp(true + SIGMA**2 / 2)
        to_quantile = quantile_space(values)
        found.append(score(values, true, to_quantile(values), to_quantile(true), "min"))
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


@pytest.mark.parametrize(
    ("sizes", "spread", "exponent", "tolerance"),
    [
        ([3], 0.3, True, 0.04),
        ([3], 0.3, False, 0.04),
        ([1, 1, 1, 3], 0.3, True, 0.06),
        ([2, 3], 0.1, True, 0.12),
    ],
)
def test_it_is_what_the_true_means_reach(sizes, spread, exponent, tolerance) -> None:
    found, expected = [], []
    for seed in range(4):
        curves, means = repeated(sizes, spread, seed, exponent)
        _, ceiling = noise_ceiling(curves, 20, 5, seed)
        found.append({name: float(np.mean(values)) for name, values in ceiling.items()})
        expected.append(reached(means, exponent))
    for name in ("r2_loss", "spearman", "top_recall"):
        mean = np.mean([one[name] for one in found])
        assert mean == pytest.approx(np.mean([one[name] for one in expected]), abs=tolerance), name


def test_means_that_contain_noise_are_not_taken_for_true_ones() -> None:
    """All configurations are equal: nothing can be predicted, however far the estimates lie apart."""
    curves, _ = repeated([2], 0.0, 0)
    _, ceiling = noise_ceiling(curves, 20, 5, 0)
    assert np.mean(ceiling["spearman"]) < 0.35
    assert np.mean(ceiling["r2_loss"]) < 0.2


def test_without_noise_all_can_be_reached_and_without_repeats_nothing_is_said() -> None:
    curves, means = repeated([2], 0.3, 0)
    exact = LearningCurves.from_arrays(
        [{"lr": value} for value in curves.configs["lr"]],
        np.exp(np.column_stack([means + 1, means])),
        curves.target,
        seeds=curves.configs["seed"].tolist(),
    )
    noise, ceiling = noise_ceiling(exact, 20, 2, 0)
    assert noise is not None
    assert noise.std == pytest.approx(0, abs=1e-12)
    for name in ("r2_loss", "r2_quantile", "spearman", "kendall", "top_recall"):
        assert ceiling[name] == pytest.approx([1, 1], abs=1e-9)
    assert noise_ceiling(repeated([1], 0.3, 0)[0], 20, 2, 0) == (None, {})


@pytest.mark.parametrize("unit", [1e300, -1e300])
def test_values_whose_squares_are_infinite_have_no_ceiling(unit) -> None:
    curves, _ = repeated([2], 0.3, 0)
    extreme = replace(curves, metrics={"loss": unit * curves.values})
    noise, ceiling = noise_ceiling(extreme, 20, 2, 0)
    assert noise is not None
    assert ceiling == {}


def evaluated(path, table: pd.DataFrame) -> dict:
    table.to_csv(path, index=False)
    out = path.with_suffix(".json")
    asked = ["--curves", path, "--predictors", "ridge", "--splits", 2, "--train", 16, "--json", out]
    end = CliRunner().invoke(app, ["predictors", "evaluate", *map(str, asked)])
    assert end.exit_code == 0, f"{end.exception} {end.output}"
    return json.loads(out.read_text()) | {"output": end.output}


def test_it_stands_below_the_scores_and_seeds_change_none(tmp_path) -> None:
    curves, _ = repeated([2], 0.3, 0)
    frame = curves.frame()[:80].assign(lr=lambda table: np.sqrt(table["lr"]))
    with_seeds = evaluated(tmp_path / "a.csv", frame.assign(seed=np.arange(80)))
    without = evaluated(tmp_path / "b.csv", frame)
    assert with_seeds["predictors"] == without["predictors"]
    assert with_seeds["hyperparameters"] == ["lr"]
    assert with_seeds["repeat_noise"]["configurations"] == 40
    assert with_seeds["repeat_noise"]["degrees_of_freedom"] == 40
    assert 0.5 < with_seeds["noise_ceiling"]["spearman"] < 1
    assert "noise ceiling " in with_seeds["output"]
    assert "40 configurations trained more than once; noise: standard deviation" in with_seeds["output"]
    alone = evaluated(tmp_path / "c.csv", frame.iloc[::2])
    assert alone["repeat_noise"] is None
    assert alone["noise_ceiling"] == {}
    assert "noise" not in alone["output"]
