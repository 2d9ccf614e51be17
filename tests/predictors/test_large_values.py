"""Values whose squares are infinite, or so near to 0 that one over a difference is: nothing overflows."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpf_hpo import LearningCurves, PredictorsParams, TargetMetric
from mlpf_hpo.cli.app import app
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.criteria import fit_chosen
from mlpf_hpo.predictors.regressors.ensemble import coefficient_of_determination
from mlpf_hpo.predictors.scoring import quantile_space

N = 20
LARGE = {"below": [-1e300], "both": [1e300, -1e300, 0.0], "above": [1e300, 0.0]}


def losses(large) -> np.ndarray:
    """Return curves [N, 6] that fall to twice their learning rate; single ones end at large values."""
    values = 2 * rates()[:, np.newaxis] + 0.5 ** np.arange(6)
    for row, value in enumerate(large):
        values[4 * row + 1, 3:] = value
    return values


def rates() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 1.0, N)


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("names", [("stacked",), ("persistence", "drift", "stacked")], ids=["one", "chosen"])
def test_single_large_values_do_no_harm_to_the_others(large, names) -> None:
    configurations = [{"lr": float(rate)} for rate in rates()]
    curves = LearningCurves.from_arrays(configurations, losses(large), TargetMetric("loss", "min"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        made, _ = fit_chosen(curves, 2, PredictorsParams(), 0, names)
        found = made.predict_interval(curves.frame(2))
    assert np.isfinite([found.mean, found.lower, found.upper]).all()
    usual = np.abs(curves.final) < 10
    error = np.abs(found.mean - curves.final)[usual]
    assert np.median(error) < 0.3 * np.ptp(curves.final[usual])


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE)
def test_scores_of_large_values_can_be_written(tmp_path, large) -> None:
    table, out = tmp_path / "table.csv", tmp_path / "scores.json"
    columns = np.column_stack([rates(), losses(large)])
    names = ",".join(["lr", *(f"loss_{epoch}" for epoch in range(6))])
    np.savetxt(table, columns, "%.17g", delimiter=",", header=names, comments="")
    asked = ["--train", "8", "--splits", "2", "--predictors", "selected,drift", "--json", str(out)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        end = CliRunner().invoke(app, ["predictors", "evaluate", "--curves", str(table), *asked])
    assert end.exit_code == 0, f"{end.exception} {end.output}"
    scores = json.loads(out.read_text())["per_split"]["selected"]
    assert np.isfinite(list(scores.values())).all()


@pytest.mark.parametrize("exponent", [1000, -1060], ids=["large", "small"])
def test_r2_does_not_depend_on_a_unit_of_any_size(exponent) -> None:
    truth, prediction = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    unit = 2.0**exponent
    expected = coefficient_of_determination(truth, prediction)
    assert coefficient_of_determination(unit * truth, unit * prediction) == expected


@pytest.mark.parametrize("tiny", [5e-324, 1e-310, 3e-308])
@pytest.mark.parametrize("name", ["svr", "stacked", "residual_trees"])
def test_columns_of_values_too_near_to_0_are_fitted_on(name, tiny) -> None:
    configurations = [{"lr": float(rate)} for rate in rates()]
    values = losses([])
    values[:, 0] = tiny * np.arange(1, N + 1)
    values[::5, 1] = tiny * np.arange(1, N // 5 + 1)
    curves = LearningCurves.from_arrays(configurations, values, TargetMetric("loss", "min"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        made, _ = fit_chosen(curves, 2, PredictorsParams(), 0, (name,))
        between = curves.frame(2).assign(loss_0=tiny * (np.arange(N) + 1.5), loss_1=tiny)
        found = made.predict_interval(between)
    assert np.isfinite([found.mean, found.lower, found.upper]).all()


def test_final_values_too_near_to_0_are_refused_and_the_quantiles_of_single_ones_are_known(tmp_path) -> None:
    table = tmp_path / "table.csv"
    values = 1e-310 * (1 + losses([]))
    columns = np.column_stack([rates(), values])
    names = ",".join(["lr", *(f"loss_{epoch}" for epoch in range(6))])
    np.savetxt(table, columns, "%.17g", delimiter=",", header=names, comments="")
    asked = ["predictors", "evaluate", "--curves", str(table), "--train", "8", "--splits", "1"]
    end = CliRunner().invoke(app, asked)
    assert isinstance(end.exception, DataError)
    assert "all final values are 1e-290 or nearer to 0" in str(end.exception)
    quantiles = quantile_space(np.array([0.0, 1e-320, 1.0]))(np.array([0.0, 5e-324, 1e-315, 0.5, 1.0]))
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles) >= 0).all()
    assert quantiles[0] == 0
    assert quantiles[-1] == 1
