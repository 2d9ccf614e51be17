"""Features: what a regressor sees, and what it must not see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from mlpf_hpo.curves.ends import known_lengths
from mlpf_hpo.curves.features import CurveFeatures, split_columns
from mlpf_hpo.errors import ConfigurationError, DataError

FRAME = pd.DataFrame(
    {
        "lr": [1e-3, 1e-2, 1e-1],
        "dropout": [0.0, 0.1, 0.2],
        "loss_0": [3.0, 4.0, 5.0],
        "loss_1": [2.0, 3.0, np.nan],
        "loss_2": [1.0, np.nan, np.nan],
    }
)


def test_hyperparameters_then_the_first_epochs() -> None:
    features = CurveFeatures(known_epochs=1).fit(FRAME)
    assert features.get_feature_names_out().tolist() == ["log_lr", "dropout", "loss_0"]
    expected = np.column_stack([np.log(FRAME["lr"]), FRAME["dropout"], FRAME["loss_0"]])
    np.testing.assert_allclose(features.transform(FRAME), expected)


def test_later_epochs_change_nothing() -> None:
    features = CurveFeatures(known_epochs=2).fit(FRAME)
    changed = FRAME.assign(loss_2=[-7.0, 8.0, 9.0])
    np.testing.assert_array_equal(features.transform(FRAME), features.transform(changed))


def test_columns_are_found_by_name() -> None:
    features = CurveFeatures(known_epochs=2).fit(FRAME)
    shuffled = FRAME[["loss_1", "dropout", "loss_2", "lr", "loss_0"]]
    np.testing.assert_array_equal(features.transform(shuffled), features.transform(FRAME))
    with pytest.raises(DataError, match="dropout"):
        features.transform(FRAME.drop(columns="dropout"))


SHAPES = ("differences", "second_differences", "slopes", "last")


def test_shapes_have_names_and_are_taken_of_logarithms_of_positive_curves() -> None:
    table = FRAME.iloc[:1]
    features = CurveFeatures(known_epochs=3, hyperparameters=False, curve=SHAPES).fit(table)
    found = dict(zip(features.get_feature_names_out(), features.transform(table)[0], strict=True))
    assert found["change_1"] == pytest.approx(np.log(2 / 3))
    assert found["bend_1"] == pytest.approx(np.log(1 / 2) - np.log(2 / 3))
    assert found["slope_whole"] == found["above_smallest"] + np.log(1 / 3) == pytest.approx(np.log(1 / 3))
    assert found["last"] == 1.0
    moved = table.assign(**{f"loss_{i}": table[f"loss_{i}"] - 5 for i in range(3)})
    linear = features.fit(moved)
    found = dict(zip(linear.get_feature_names_out(), linear.transform(moved)[0], strict=True))
    assert (found["change_1"], found["last"]) == (-1.0, -4.0)


@pytest.mark.parametrize("known", [1, 2, 3])
def test_shapes_do_not_depend_on_the_unit_and_are_finite(known) -> None:
    names = ("slopes", "differences", "second_differences")
    features = CurveFeatures(known_epochs=known, hyperparameters=False, curve=names)
    table = FRAME.iloc[:1]
    scaled = table.assign(**{f"loss_{i}": table[f"loss_{i}"] * 1e6 for i in range(3)})
    found = features.fit(table).transform(table)
    assert np.isfinite(found).all()
    assert found.shape[1] == len(features.get_feature_names_out())
    np.testing.assert_allclose(features.fit(scaled).transform(scaled), found, atol=1e-9)


def test_a_foreign_column_that_spans_decades_is_logarithmic() -> None:
    table = FRAME.assign(units=[8, 64, 1024], momentum=[0.5, 0.9, 0.99])
    features = CurveFeatures(known_epochs=0).fit(table)
    assert features.get_feature_names_out().tolist() == ["log_lr", "dropout", "log_units", "momentum"]


def test_a_shape_that_nobody_has() -> None:
    with pytest.raises(ConfigurationError, match=r"'slope'.*did you mean slopes"):
        CurveFeatures(curve=("slope",)).fit(FRAME)


def test_more_epochs_than_there_are() -> None:
    with pytest.raises(DataError, match="4 observed epochs"):
        CurveFeatures(known_epochs=4).fit(FRAME)


def test_clone_keeps_settings() -> None:
    copy = clone(CurveFeatures(known_epochs=2, log_columns=("dropout",), hyperparameters=False))
    assert (copy.known_epochs, copy.log_columns, copy.hyperparameters) == (2, ("dropout",), False)


def test_loss_columns_are_ordered_by_epoch_not_by_name() -> None:
    names = ["loss_10", "lr", "loss_9", "loss_x", "lossy"]
    assert split_columns(names) == (["lr", "loss_x", "lossy"], ["loss_9", "loss_10"])


def test_a_curve_is_known_until_before_its_first_gap() -> None:
    curves = np.array(
        [[1.0, 2.0, 3.0], [1.0, np.nan, 3.0], [np.nan, 2.0, 3.0], [1.0, 2.0, np.inf], [np.nan] * 3]
    )
    assert known_lengths(curves).tolist() == [3, 1, 0, 2, 0]
