"""Columns of a table as floats, whatever the types of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.curves.float_columns import float_columns, float_frame

NUMBERS = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, np.nan], "c": [5.0, 6.0]})
MIXED = {
    "texts": NUMBERS.assign(name=["x", "y"]),
    "booleans": NUMBERS.assign(flag=[True, False]),
    "whole numbers": NUMBERS.assign(n=[7, 8]),
    "values that may be missing": NUMBERS.astype({"b": "Float64"}),
    "blocks": pd.concat([NUMBERS[["a"]], NUMBERS[["b", "c"]]], axis=1),
}


@pytest.mark.parametrize("table", [NUMBERS, *MIXED.values()], ids=["numbers", *MIXED])
def test_values_do_not_depend_on_the_types_of_other_columns(table) -> None:
    found = float_columns(table, ["c", "b"])
    np.testing.assert_array_equal(found, [[5.0, 3.0], [6.0, np.nan]])
    found[:] = 0.0  # an array of its own
    assert table["c"].tolist() == [5.0, 6.0]
    assert float_columns(table, []).shape == (2, 0)


def test_what_is_no_number_or_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        float_columns(MIXED["texts"], ["a", "name"])
    with pytest.raises(KeyError):
        float_columns(NUMBERS, ["d"])


def test_an_array_as_a_table_has_names_and_index() -> None:
    table = float_frame(np.array([[1.0, 3.0], [2.0, 4.0]]), ["a", "b"], [5, 7])
    pd.testing.assert_frame_equal(
        table, pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, index=[5, 7]), check_column_type=False
    )
