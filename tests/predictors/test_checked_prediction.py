"""Tables from outside: epochs left out, gaps refused, configurations unlike those of training warned of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.errors import DataError
from mlpf_hpo.files import write_bytes
from mlpf_hpo.predictors.checked_prediction import optional_columns, predict_checked
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import load_predictor
from mlpf_hpo.predictors.model_format import model_bytes
from mlpf_hpo.predictors.settings import PredictorsParams
from tests.curves.tables import some_curves

CURVES = some_curves(20, 6, seed=1)
FRAME = CURVES.frame()
LOSSES = [f"loss_{epoch}" for epoch in range(6)]
MADE = make_predictor("ridge", PredictorsParams(), 0, (0, 2), folds=5).fit(FRAME, CURVES.final)


def written(predictor: CurvePredictor, folder: Path) -> Path:
    write_bytes(folder / "model.skops", model_bytes(predictor))
    return folder / "model.skops"


def test_epochs_that_are_left_out_are_not_observed() -> None:
    assert optional_columns(MADE) == LOSSES
    found = predict_checked(MADE, FRAME.drop(columns=LOSSES[2:]))
    pd.testing.assert_frame_equal(found, predict_checked(MADE, CURVES.frame(2)))
    expected = MADE.predict_interval(CURVES.frame(2), 0.8)
    half = predict_checked(MADE, CURVES.frame(2), 0.8)
    for name, values in zip(found, (expected.mean, expected.lower, expected.upper), strict=False):
        np.testing.assert_array_equal(half[name], values)
    late = make_predictor("ridge", PredictorsParams(), 0, (2,)).fit(FRAME, CURVES.final)
    assert optional_columns(late) == LOSSES[2:]
    with pytest.raises(DataError, match="lacks the columns loss_1"):
        predict_checked(late, FRAME.drop(columns="loss_1"))


@given(arrays(bool, (5, 6)))
def test_a_table_is_refused_if_and_only_if_a_curve_has_a_gap(observed: np.ndarray) -> None:
    table = FRAME.head(5).copy()
    table[LOSSES] = table[LOSSES].where(observed)
    gaps = [
        (row, epoch)
        for row in range(5)
        for epoch in range(6)
        if not observed[row, epoch] and any(observed[row, epoch + 1 :])
    ]
    if gaps:
        row, epoch = gaps[0]
        with pytest.raises(
            DataError, match=f"row {row + 1}, column loss_{epoch}: no finite value, but the curve"
        ):
            predict_checked(MADE, table)
    else:
        assert len(predict_checked(MADE, table)) == 5


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_warning_if_and_only_if_a_number_is_out_of_range(lr: float, dropout: float) -> None:
    (warning,) = predict_checked(MADE, FRAME.head(1).assign(lr=lr, dropout=dropout))["warning"]
    for name, value in (("lr", lr), ("dropout", dropout)):
        outside = not FRAME[name].min() <= value <= FRAME[name].max()
        assert (warning is not None and f"{name} = " in warning) == outside


def test_a_file_keeps_the_ranges_and_one_of_an_older_version_says_nothing(tmp_path) -> None:
    far = FRAME.head(1).assign(lr=1.0)
    (warning,) = predict_checked(load_predictor(written(MADE, tmp_path)), far)["warning"]
    assert warning == (
        f"lr = 1 is outside the training range {FRAME['lr'].min():.10g} to {FRAME['lr'].max():.10g}"
    )
    old = make_predictor("ridge", PredictorsParams(), 0, (0, 2), folds=5).fit(FRAME, CURVES.final)
    del old.ranges_
    loaded = load_predictor(written(old, tmp_path))
    assert predict_checked(loaded, far)["warning"].tolist() == [None]
    np.testing.assert_array_equal(
        predict_checked(loaded, far)["prediction"], predict_checked(MADE, far)["prediction"]
    )


def test_curves_that_no_predictor_was_fitted_on_do_not_widen_the_range() -> None:
    final = CURVES.final.copy()
    widest = int(FRAME["lr"].argmax())
    final[widest] = np.nan
    made = make_predictor("ridge", PredictorsParams(), 0, (0,), folds=0).fit(FRAME, final)
    warnings = predict_checked(made, CURVES.frame(0))["warning"]
    assert warnings.notna().tolist() == [row == widest for row in range(20)]


def test_the_command_warns_and_refuses_gaps_of_every_file(tmp_path) -> None:
    model = written(MADE, tmp_path)

    def predict(file: Path):
        return CliRunner().invoke(
            app, ["predictors", "predict", "--curves", str(file), "--model", str(model)]
        )

    running = FRAME.head(3).drop(columns=LOSSES[3:])
    running.loc[2, "lr"] = 0.5
    running.to_csv(tmp_path / "running.csv", index=False)
    told = predict(tmp_path / "running.csv")
    assert told.exit_code == 0, told.output
    assert told.output.count("row 3: lr = 0.5 is outside the training range") == 1
    assert "row 2:" not in told.output
    values = CURVES.values.copy()
    values[4, 2] = np.nan
    write_curves(replace(CURVES, metrics={"loss": values}), tmp_path / "gap.parquet")
    end = predict(tmp_path / "gap.parquet")
    assert isinstance(end.exception, DataError)
    assert "row 5, column loss_2: no finite value" in str(end.exception)
    FRAME.assign(loss_2=np.nan).to_csv(tmp_path / "gap.csv", index=False)
    end = predict(tmp_path / "gap.csv")
    assert isinstance(end.exception, DataError)
    assert "row 1, column loss_2: empty, but the curve goes on after it" in str(end.exception)
