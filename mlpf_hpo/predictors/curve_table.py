"""Check the input of a `CurvePredictor`: table of curves, final values, groups and coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlpf_hpo.array_types import FloatArray, IntArray, apart_from_zero
from mlpf_hpo.curves.column_names import TARGET_EPOCH
from mlpf_hpo.curves.features import split_columns
from mlpf_hpo.curves.float_columns import float_columns, float_frame
from mlpf_hpo.curves.schema import text_columns
from mlpf_hpo.errors import ConfigurationError, DataError, did_you_mean

EXPECTED = (
    "a pandas DataFrame with a row per curve and a column per hyperparameter, then loss_0, loss_1, ... with "
    "NaN after the last observed epoch (`LearningCurves.frame` makes one)"
)


def check_parameters(model: Any, known_epochs: Sequence[int], coverage: Any) -> None:
    """Raise ConfigurationError if a parameter of a `CurvePredictor` has no meaning."""
    nominal_coverage(coverage)
    if model is None:
        raise ConfigurationError(
            "model = None: needs a pipeline with a step 'features'; `make_predictor` makes one by name"
        )
    grid = list(known_epochs)
    if not grid or grid[0] < 0 or any(after <= before for before, after in pairwise(grid)):
        raise ConfigurationError(f"known_epochs = {grid}: must be numbers of epochs from 0, ascending")


def training_table(X: Any) -> pd.DataFrame:
    """Return a table to fit on: columns as floats, except hyperparameters that are texts.

    Values too near to 0 are moved away from it, see `apart_from_zero`.

    Raises
    ------
    DataError
        If it is no table, its epochs are not numbered from 0 without gaps, or a value is not a number.
    """
    names = _column_names(X)
    _check_epochs(names)
    return _checked(X, names, text_columns(X, split_columns(names)[0]), to_fit=True)


def prediction_table(X: Any, columns: Sequence[str], texts: Sequence[str] = ()) -> pd.DataFrame:
    """Return those columns of a table that a predictor was fitted on, as floats but for `texts`.

    Raises
    ------
    DataError
        If it is no table, lacks a column, or a value is not a number.
    """
    names = _column_names(X)
    missing = [name for name in columns if name not in names]
    if missing:
        others = [name for name in names if name not in columns]
        hint = did_you_mean(missing[0], others)
        epochs = [name for name in missing if name in split_columns(missing)[1]]
        advice = "; epochs that are not observed yet are NaN" if epochs else ""
        raise DataError(f"the table of curves lacks the columns {', '.join(missing[:5])}{hint}{advice}")
    return _checked(X, columns, texts)


def final_values(y: Any, n: int) -> FloatArray:
    """Return a final value per curve to fit on, [n]; a column, [n, 1], is flattened.

    Values too near to 0 are moved away from it, see `apart_from_zero`.

    Raises
    ------
    DataError
        If there are others, or something that is not a number.
    """
    try:
        values = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"final values: {_describe_value(y)} holds something else than numbers") from None
    return apart_from_zero(_one_each(values, n, "final values"))


def target_epochs(X: pd.DataFrame, n_epochs: int) -> IntArray:
    """Return after how many epochs the value of each row is predicted, [n].

    Parameters
    ----------
    X : DataFrame [n]
        Curves; those with target epochs of their own have a column `target_epoch`.
    n_epochs : int
        The target epoch of others, and the largest one.

    Raises
    ------
    DataError
        If a target epoch is not a whole number from 1 to `n_epochs`.
    """
    if TARGET_EPOCH not in X.columns:
        return np.full(len(X), n_epochs)
    targets = X[TARGET_EPOCH].to_numpy(dtype=np.float64)
    bad = (targets < 1) | (targets > n_epochs) | (targets != np.round(targets))
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"curves: row {row + 1}, {TARGET_EPOCH} {targets[row]:g}: must be a whole number from 1 to "
            f"{n_epochs}, the length of the longest curve fitted on"
        )
    return targets.astype(np.int64)


def group_labels(groups: Any, n: int) -> NDArray[Any]:
    """Return a group per curve, [n]; each curve is its own where none are given."""
    return np.arange(n) if groups is None else _one_each(np.asarray(groups), n, "groups")


def nominal_coverage(coverage: Any) -> float:
    """Return a coverage that an interval can have.

    Raises
    ------
    ConfigurationError
        If it is not a number between 0 and 1.
    """
    if not isinstance(coverage, Real) or not 0 < float(coverage) < 1:
        raise ConfigurationError(f"coverage = {coverage!r}: must be a number between 0 and 1, both excluded")
    return float(coverage)


def _column_names(X: Any) -> list[str]:
    if not isinstance(X, pd.DataFrame):
        raise DataError(f"curves: found {_describe_value(X)}; expected {EXPECTED}")
    names = X.columns.tolist()
    for name, n in Counter(names).items():
        if not isinstance(name, str):
            raise DataError(f"curves: a column is called {name!r}; expected {EXPECTED}")
        if n > 1:
            raise DataError(f"curves: {n} columns are called {name!r}")
    return names


def _check_epochs(names: Sequence[str]) -> None:
    losses = split_columns(names)[1]
    if not losses:
        found = ", ".join(names[:9]) or "none"
        raise DataError(f"curves: no columns loss_0, loss_1, ...; there are {found}")
    known = set(losses)
    for epoch in range(len(losses)):
        if f"loss_{epoch}" not in known:
            raise DataError(
                f"curves: column loss_{epoch} is missing, there are {losses[0]} to {losses[-1]}: epochs are "
                "numbered from 0 without gaps; one that was not recorded cannot be left out"
            )


def _checked(
    X: pd.DataFrame, columns: Sequence[str], texts: Sequence[str], to_fit: bool = False
) -> pd.DataFrame:
    """Return columns as floats, and those that hold texts as they are."""
    for name in texts:
        for row, value in enumerate(X[name], start=1):
            if not isinstance(value, str):
                raise DataError(
                    f"curves: row {row}, hyperparameter {name}: {value!r} is not a text, as others are"
                )
    numbers = _numbers(X, [name for name in columns if name not in texts], to_fit)
    return pd.concat([numbers, X[list(texts)].astype(object)], axis=1)[list(columns)] if texts else numbers


def _numbers(X: pd.DataFrame, names: list[str], to_fit: bool) -> pd.DataFrame:
    """Return columns as floats; hyperparameters are finite."""
    try:
        values = float_columns(X, names)
    except (TypeError, ValueError):
        raise DataError(_not_a_number(X, names)) from None
    losses = set(split_columns(names)[1])
    settings = [i for i, name in enumerate(names) if name not in losses]
    bad = ~np.isfinite(values[:, settings])
    if bad.any():
        row, at = (int(place[0]) for place in np.nonzero(bad))
        name = names[settings[at]]
        raise DataError(
            f"curves: row {row + 1}, hyperparameter {name}: {values[row, settings[at]]} is not a finite "
            "number"
        )
    return float_frame(apart_from_zero(values) if to_fit else values, names, X.index)


def _not_a_number(X: pd.DataFrame, names: Sequence[str]) -> str:
    for name in names:
        numbers = pd.to_numeric(X[name], errors="coerce")
        bad = (numbers.isna() & ~X[name].isna()).to_numpy()
        if bad.any():
            row = int(bad.argmax())
            return (
                f"curves: row {row + 1}, column {name}: {X[name].iloc[row]!r} is not a number; leave out "
                "columns that are neither hyperparameters nor epochs"
            )
    return f"curves: columns of types that are not numbers: {', '.join(map(str, X[names].dtypes))}"


def _one_each(values: NDArray[Any], n: int, what: str) -> NDArray[Any]:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{what}: found an array of shape {values.shape}; expected one per curve, ({n},)")
    if len(values) != n:
        raise DataError(f"{what}: found {len(values)} of {n} curves")
    return values


def _describe_value(value: Any) -> str:
    shape = getattr(value, "shape", None)
    kind = "nothing" if value is None else f"a {type(value).__name__}"
    return kind if shape is None else f"{kind} of shape {tuple(shape)}"
