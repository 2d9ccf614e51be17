"""A complete curve is predicted by its own last value, which is also both bounds, by every caller."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.model_format import model_bytes
from mlpf_hpo.predictors.regressors import REGRESSORS
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.search.bounds import Bounds
from tests.curves.tables import some_curves

EPOCHS = 8
LAST = f"loss_{EPOCHS - 1}"
FAST = PredictorsParams.model_validate({"qsvr": {"sampler": "random", "reads": 20, "points": 8}})
TRAIN, NEW = some_curves(20, EPOCHS, seed=1), some_curves(6, EPOCHS, seed=2)


def fitted(name: str, known: tuple[int, ...] = (0, 2, 5), sign: float = 1.0, **settings):
    frame = TRAIN.frame()
    frame.loc[:, "loss_0":] *= sign
    return make_predictor(name, FAST, 0, known, **settings).fit(frame, frame[LAST])


@pytest.mark.parametrize("shrink", [False, True])
@pytest.mark.parametrize("name", REGRESSORS)
def test_complete_curves_end_where_they_end_and_the_others_are_predicted_as_before(name, shrink) -> None:
    predictor = fitted(name, shrink=shrink)
    mixed, seen = NEW.frame(), NEW.frame(5)
    mixed.iloc[1::2] = seen.iloc[1::2]
    prediction, alone = predictor.predict_interval(mixed), predictor.predict_interval(seen)
    for bound in ("mean", "lower", "upper"):
        np.testing.assert_array_equal(getattr(prediction, bound)[::2], NEW.final[::2])
        np.testing.assert_allclose(getattr(prediction, bound)[1::2], getattr(alone, bound)[1::2], rtol=1e-12)
    np.testing.assert_array_equal(predictor.predict(mixed), prediction.mean)


@pytest.mark.parametrize("known", [(EPOCHS,), (2, EPOCHS), tuple(range(EPOCHS + 1))])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_also_where_a_model_is_there_for_all_epochs(known, sign) -> None:
    predictor = fitted("svr", known, sign)
    frame = NEW.frame()
    frame.loc[:, "loss_0":] *= sign
    prediction = predictor.predict_interval(frame, 0.5)
    for bound in (prediction.mean, prediction.lower, prediction.upper, predictor.predict(frame)):
        np.testing.assert_array_equal(bound, frame[LAST])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_curve_that_is_not_finite_somewhere_is_known_up_to_there(value) -> None:
    predictor, frame = fitted("svr", (0, 2, 5, 7)), NEW.frame()
    for epoch, known in ((2, 2), (5, 5), (7, 7), (0, 0)):
        broken = predictor.predict_interval(frame.assign(**{f"loss_{epoch}": value}))
        until_there = predictor.predict_interval(NEW.frame(known))
        np.testing.assert_array_equal(broken.mean, until_there.mean)
        np.testing.assert_array_equal(broken.lower, until_there.lower)


def test_values_of_no_size_are_kept() -> None:
    frame = NEW.frame().assign(**{LAST: [0.0, 1e-320, -3.0, 1e300, -0.0, 5.0]})
    prediction = fitted("persistence").predict_interval(frame)
    for bound in (prediction.mean, prediction.lower, prediction.upper):
        np.testing.assert_array_equal(bound, frame[LAST])


def test_targets_that_are_not_the_ends_of_the_curves_are_predicted() -> None:
    frame = TRAIN.frame()
    predictor = make_predictor("svr", FAST, 0, (2, 5)).fit(frame, 3 * TRAIN.final)
    assert not predictor.predicts_last_
    prediction = predictor.predict(NEW.frame())
    np.testing.assert_array_equal(prediction, predictor.predict(NEW.frame(5)))
    assert np.median(prediction / NEW.final) == pytest.approx(3, rel=0.2)


def test_targets_in_single_precision_are_the_ends_all_the_same() -> None:
    predictor = make_predictor("svr", FAST, 0, (2,)).fit(TRAIN.frame(), TRAIN.final.astype(np.float32))
    np.testing.assert_array_equal(predictor.predict(NEW.frame()), NEW.final)


def test_a_model_file_keeps_it_and_the_command_shows_it(tmp_path) -> None:
    predictor, file = fitted("svr"), tmp_path / "predictor.skops"
    file.write_bytes(model_bytes(predictor))
    again = skops.io.load(file, trusted=trusted_types())
    np.testing.assert_array_equal(again.predict_interval(NEW.frame()).upper, NEW.final)
    table = pd.concat([NEW.frame().head(2), NEW.frame(4).tail(2)])
    table.to_csv(tmp_path / "running.csv", index=False)
    command = ["predictors", "predict", "--curves", str(tmp_path / "running.csv"), "--model", str(file)]
    result = CliRunner().invoke(app, command)
    rows = [line.split() for line in result.output.splitlines()[1:5]]
    for row, end in zip(rows[:2], NEW.final, strict=False):
        assert row[1:] == [str(EPOCHS), *[f"{end:.6g}"] * 3]
    assert all(float(lower) < float(mean) < float(upper) for _, _, mean, lower, upper in rows[2:])


def test_the_scheduler_holds_a_finished_trial_to_its_own_end() -> None:
    frame = NEW.frame()
    bounds = Bounds(fitted("svr", tuple(range(EPOCHS + 1))), EPOCHS)
    for i in range(2):
        bounds.add(f"t{i}", {name: float(frame[name][i]) for name in NEW.hyperparameters})
        for epoch in range(1, EPOCHS + 1):
            bounds.record(f"t{i}", epoch, float(frame[f"loss_{epoch - 1}"][i]))
    prediction = bounds.predictor.predict_interval(bounds.frame(["t0", "t1"]))
    for i in range(2):
        bound = bounds.of(f"t{i}")
        assert bound.lower == bound.upper == prediction.lower[i] == prediction.upper[i] == NEW.final[i]
