"""Features: what a regressor sees, and what it must not see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from mlpf_hpo.curves.features import CurveFeatures, known_lengths, split_columns
from mlpf_hpo.errors import DataError

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


def test_more_epochs_than_there_are() -> None:
    with pytest.raises(DataError, match="4 known epochs"):
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
