"""What a `CurvePredictor` cannot use is refused: what is wrong, where, and what is expected."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.settings import PredictorsParams
from tests.curves.tables import some_curves

CURVES = some_curves(20, 6, seed=1)
FRAME, FINAL = CURVES.frame(), CURVES.final
EXPECTED = r"expected a pandas DataFrame with a row per curve .* loss_0, loss_1"


def unfitted(**settings) -> CurvePredictor:
    return make_predictor("svr", PredictorsParams(), 0, (0, 2), **settings)


@pytest.fixture(scope="module")
def predictor() -> CurvePredictor:
    return unfitted().fit(FRAME, FINAL)


NO_TABLES = {
    "array": (FRAME.to_numpy(), "found a ndarray of shape \\(20, 8\\)"),
    "list": (FRAME.to_numpy().tolist(), "found a list"),
    "row": (FRAME.iloc[0], "found a Series of shape \\(8,\\)"),
    "dict": (FRAME.to_dict("list"), "found a dict"),
    "nothing": (None, "found nothing"),
    "numbered": (pd.DataFrame(FRAME.to_numpy()), "a column is called 0"),
    "twice": (FRAME.rename(columns={"dropout": "lr"}), "2 columns are called 'lr'"),
}


@pytest.mark.parametrize("name", NO_TABLES)
def test_something_else_than_a_table(predictor, name) -> None:
    found, message = NO_TABLES[name]
    for ask in (predictor.predict, predictor.predict_interval, lambda X: unfitted().fit(X, FINAL)):
        with pytest.raises(
            DataError, match=f"curves: {message}" + (f".*{EXPECTED}" if name != "twice" else "")
        ):
            ask(found)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            FRAME.drop(columns="loss_1"),
            "column loss_1 is missing, there are loss_0 to loss_5: .* gaps",
        ),
        (FRAME.drop(columns="loss_0"), "column loss_0 is missing, there are loss_1 to loss_5"),
        (FRAME.rename(columns={"loss_2": "loss_02"}), "column loss_2 is missing"),
        (FRAME[["lr", "dropout"]], "no columns loss_0, loss_1, ...; there are lr, dropout"),
        (FRAME.assign(name=[0.5] * 19 + ["abc"]), "row 1, hyperparameter name: 0.5 is not a text"),
        (
            FRAME.assign(lr=np.where(np.arange(20) == 7, np.nan, 1.0)),
            "row 8, hyperparameter lr: nan",
        ),
        (FRAME.assign(dropout=np.inf), "row 1, hyperparameter dropout: inf is not a finite number"),
        (
            FRAME.assign(loss_3=["1.5"] * 19 + ["diverged"]),
            "row 20, column loss_3: 'diverged'",
        ),
    ],
)
def test_tables_that_teach_nothing(table, message) -> None:
    with pytest.raises(DataError, match=message):
        unfitted().fit(table, FINAL)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (FRAME.drop(columns="loss_1"), "lacks the columns loss_1; epochs that are not observed yet are NaN"),
        (
            FRAME.rename(columns={"dropout": "drop_out"}),
            r"columns dropout \(did you mean drop_out\?\)",
        ),
        (FRAME.assign(lr="x"), "row 1, column lr: 'x' is not a number"),
        (FRAME.assign(lr=np.nan), "row 1, hyperparameter lr: nan is not a finite number"),
    ],
)
def test_tables_that_cannot_be_predicted(predictor, table, message) -> None:
    for ask in (predictor.predict, predictor.predict_interval):
        with pytest.raises(DataError, match=message):
            ask(table)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (FINAL[:-1], "final values: found 19 of 20 curves"),
        (np.stack([FINAL, FINAL], axis=1), r"shape \(20, 2\); expected one per curve, \(20,\)"),
        (FINAL[np.newaxis], r"shape \(1, 20\)"),
        (["low"] * 20, "final values: a list holds something else than numbers"),
        (None, r"shape \(\)"),
        (3.0, r"shape \(\)"),
        ([], "found 0 of 20 curves"),
        (np.full(20, np.nan), "0 curves with a finite final loss; at least 3 are needed"),
    ],
)
def test_final_values_that_cannot_be_learnt(y, message) -> None:
    with pytest.raises(DataError, match=message):
        unfitted().fit(FRAME, y)


@pytest.mark.parametrize("groups", [np.arange(19), np.zeros((20, 2)), 5])
def test_groups_of_another_number(groups) -> None:
    with pytest.raises(DataError, match="groups: found"):
        unfitted().fit(FRAME, FINAL, groups)


@pytest.mark.parametrize(
    "y", [FINAL[:, np.newaxis], pd.Series(FINAL), pd.DataFrame({"y": FINAL}), list(FINAL)]
)
def test_final_values_in_any_shape_that_has_one_per_curve(predictor, y) -> None:
    found = unfitted().fit(FRAME, y, np.arange(20)[:, np.newaxis])
    np.testing.assert_array_equal(found.predict(CURVES.frame(2)), predictor.predict(CURVES.frame(2)))


@pytest.mark.parametrize("convert", [
    lambda table: table.astype(object),
    lambda table: table.convert_dtypes(),
    lambda table: table.set_axis(np.repeat([7, 3], 10), axis=0),
    lambda table: table.assign(comment="not asked for"),
])  # fmt: skip
def test_tables_of_other_types_and_labels(predictor, convert) -> None:
    seen = CURVES.frame(2)
    np.testing.assert_array_equal(predictor.predict(convert(seen)), predictor.predict(seen))
    if "comment" not in convert(seen):
        again = unfitted().fit(convert(FRAME), FINAL)
        np.testing.assert_array_equal(again.predict(seen), predictor.predict(seen))


def test_no_rows_are_no_predictions(predictor) -> None:
    none = predictor.predict_interval(FRAME.head(0))
    assert [len(bound) for bound in (none.mean, none.lower, none.upper)] == [0, 0, 0]
    with pytest.raises(DataError, match="0 curves with a finite final loss"):
        unfitted().fit(FRAME.head(0), FINAL[:0])


@pytest.mark.parametrize("coverage", [-1, 0, 1, 1.5, float("nan"), "0.9", None, True])
def test_coverages_that_no_interval_has(predictor, coverage) -> None:
    message = f"coverage = {coverage!r}: must be a number between 0 and 1"
    if coverage is not None:  # which is the predictor's own
        with pytest.raises(ConfigurationError, match=message):
            predictor.predict_interval(FRAME, coverage)
    with pytest.raises(ConfigurationError, match=message):
        unfitted().set_params(coverage=coverage).fit(FRAME, FINAL)


@pytest.mark.parametrize("known", [(), (5, 2), (2, 2), (-1, 2)])
def test_numbers_of_known_epochs_that_mean_nothing(known) -> None:
    with pytest.raises(ConfigurationError, match=r"known_epochs = .*from 0, ascending"):
        unfitted().set_params(known_epochs=known).fit(FRAME, FINAL)


def test_more_known_epochs_than_there_are() -> None:
    with pytest.raises(DataError, match="0 curves have 9 observed epochs"):
        unfitted().set_params(known_epochs=(2, 9)).fit(FRAME, FINAL)


def test_a_predictor_without_a_model() -> None:
    with pytest.raises(ConfigurationError, match="`make_predictor` makes one by name"):
        CurvePredictor().fit(FRAME, FINAL)


@pytest.mark.parametrize("known", [(0, 2), (0, 2, 9)])
def test_a_fit_that_failed_is_none(known) -> None:
    never = unfitted().set_params(known_epochs=known)
    if 9 in known:
        with pytest.raises(DataError, match="0 curves have 9 observed epochs"):
            never.fit(FRAME, FINAL)
    for ask in (never.predict, never.predict_interval, lambda _: never.n_epochs):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            ask(FRAME)


def test_curves_alone_are_enough_from_the_first_epoch_on() -> None:
    alone = FRAME.drop(columns=["lr", "dropout"])
    found = unfitted().set_params(known_epochs=(2,)).fit(alone, FINAL)
    assert np.isfinite(found.predict(alone.assign(loss_2=np.nan))).all()
    with pytest.raises(DataError, match="no hyperparameters: nothing to predict from before the first epoch"):
        unfitted().fit(alone, FINAL)
    persistence = make_predictor("persistence", PredictorsParams(), 0, (0, 2)).fit(alone, FINAL)
    assert persistence.predict(alone.head(1).assign(loss_0=np.nan)) == np.median(FINAL)
