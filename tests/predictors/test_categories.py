"""Hyperparameters that are texts and booleans, in tables of curves and in predictors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import load_predictor
from mlpf_hpo.predictors.model_format import model_bytes
from mlpf_hpo.predictors.settings import PredictorsParams

EPOCHS, KNOWN = 10, 2
END = {"adam": 0.2, "sgd": 0.6, "none": 1.0}
"""What a curve falls to depends on a category, and half of it on a boolean; its first epochs show nothing."""


def table(n: int = 90, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "lr": 10 ** rng.uniform(-4, -1, n),
            "optimizer": rng.choice(list(END), n),
            "nesterov": rng.choice(["True", "False"], n),
        }
    )
    ends = rows["optimizer"].map(END).to_numpy() * np.where(rows["nesterov"] == "True", 0.5, 1.0)
    start = rng.uniform(2.0, 3.0, n)
    for epoch in range(EPOCHS):
        share = max(0, epoch - KNOWN + 1) / (EPOCHS - KNOWN)
        rows[f"loss_{epoch}"] = start * (1 - share) + ends * share + rng.normal(0, 0.005, n)
    return rows


@pytest.fixture
def path(tmp_path):
    table().to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


NAMES = ("lr", "optimizer", "nesterov")


def test_named_texts_and_booleans_are_read_as_such(path) -> None:
    curves = read_table(path, hyperparameters=NAMES)
    assert curves.configs["optimizer"].tolist() == table()["optimizer"].tolist()
    assert curves.configs["nesterov"].dtype == bool
    assert curves.configs["nesterov"].tolist() == (table()["nesterov"] == "True").tolist()


def test_texts_that_are_not_named_are_left_out_and_booleans_used(path) -> None:
    curves = read_table(path)
    assert curves.hyperparameters == ("lr", "nesterov")
    assert dict(curves.left_out) == {"optimizer": "no numbers"}


def test_booleans_are_the_features_that_0_and_1_are(path) -> None:
    as_booleans = read_table(path, hyperparameters=("lr", "nesterov"))
    numbers = table().assign(nesterov=lambda rows: (rows["nesterov"] == "True").astype(int))
    numbers.to_csv(path, index=False)
    as_numbers = read_table(path, hyperparameters=("lr", "nesterov"))
    assert as_booleans.configs["config_id"].tolist() == as_numbers.configs["config_id"].tolist()
    matrices = [
        CurveFeatures(known_epochs=1).fit_transform(curves.frame()) for curves in (as_booleans, as_numbers)
    ]
    np.testing.assert_array_equal(*matrices)


@pytest.mark.parametrize("cell", ["", "0.5", "nan", "inf", "true"])
def test_a_text_beside_a_number_or_nothing_is_refused(path, cell) -> None:
    rows = table()
    rows.loc[3, "optimizer"] = cell
    rows.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"row \d+, column optimizer: '.*' is not a finite number"):
        read_table(path, hyperparameters=NAMES)


@pytest.mark.parametrize("name", ["ridge", "extra_trees", "gaussian_process", "svr", "qsvr"])
def test_the_effect_of_a_category_is_learnt(path, name) -> None:
    curves = read_table(path, hyperparameters=NAMES)
    train, test = curves.select(np.arange(60)), curves.select(np.arange(60, 90))

    def error(candidate: str, used) -> float:
        columns = [*used, *(f"loss_{epoch}" for epoch in range(EPOCHS))]
        predictor = make_predictor(candidate, PredictorsParams(), 1, (KNOWN,), folds=0)
        predictor.fit(train.frame()[columns], train.final)
        return float(np.abs(predictor.predict(test.frame(KNOWN)[columns]) - test.final).mean())

    everything = error(name, NAMES)
    assert everything < 0.5 * error("persistence", NAMES)
    assert everything < 0.8 * error(name, ("lr", "nesterov"))


def test_a_category_that_training_lacked_is_none_of_the_known(path) -> None:
    frame = read_table(path, hyperparameters=NAMES).frame()
    known = CurveFeatures(known_epochs=0).fit(frame)
    assert known.get_feature_names_out().tolist() == [
        *("log_lr", "nesterov", "optimizer=adam", "optimizer=none", "optimizer=sgd")
    ]
    assert known.transform(frame.assign(optimizer="lion"))[:, 2:].sum() == 0


def test_a_model_file_keeps_categories(path, tmp_path) -> None:
    curves = read_table(path, hyperparameters=NAMES)
    predictor = make_predictor("ridge", PredictorsParams(), 1, (0, KNOWN)).fit(curves.frame(), curves.final)
    (tmp_path / "model.skops").write_bytes(model_bytes(predictor))
    again = load_predictor(tmp_path / "model.skops")
    frame = curves.frame(KNOWN)
    np.testing.assert_array_equal(again.predict(frame), predictor.predict(frame))
    assert again.hyperparameters == NAMES
    with pytest.raises(DataError, match=r"row 1, hyperparameter optimizer: 1\.0 is not a text"):
        again.predict(frame.assign(optimizer=1.0))
    with pytest.raises(DataError, match=r"row 1, column lr: 'fast' is not a number"):
        again.predict(frame.assign(lr="fast"))


def test_commands_take_texts_and_booleans(path, tmp_path) -> None:
    def mlpf_hpo(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    ours, model = tmp_path / "curves.parquet", tmp_path / "model.skops"
    named = ("--name", "made up", "--hyperparameters", ",".join(NAMES))
    output = mlpf_hpo("curves", "import", path, *named, "--out", ours)
    assert "hyperparameters: lr, optimizer, nesterov" in output
    assert read_curves(ours).configs["nesterov"].dtype == bool
    mlpf_hpo("predictors", "fit", "--curves", ours, "--predictor", "ridge", "--out", model)
    for curves in (path, ours):
        output = mlpf_hpo("predictors", "predict", "--model", model, "--curves", curves)
        assert "hyperparameters: lr, optimizer, nesterov" in output
