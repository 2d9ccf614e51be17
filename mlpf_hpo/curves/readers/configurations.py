"""Hyperparameters of recorded trainings: which parameters they are, and their values as columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.curves.cells import hyperparameter_column, is_categorical, to_numbers
from mlpf_hpo.curves.column_names import is_reserved
from mlpf_hpo.curves.columns import (
    COUNTED_ROWS,
    check_names,
    describe_left_out,
    find_hyperparameters,
    is_seed,
)
from mlpf_hpo.curves.readers.recorded import RecordedTraining
from mlpf_hpo.errors import DataError

SHOWN_NAMES = 5
"""At most so many parameters of either kind are named in a message."""


@dataclass(frozen=True)
class ConfigurationColumns:
    """Columns of the configurations of trainings.

    Attributes
    ----------
    values : mapping of str to array [n_trainings]
        Booleans, floats or texts of each hyperparameter.
    seeds : array of int [n_trainings]
        -1 where unknown.
    left_out : mapping of str to str
        Other parameters, and why they are no hyperparameters.
    """

    values: Mapping[str, NDArray[Any]]
    seeds: IntArray
    left_out: Mapping[str, str]


def configuration_columns(
    trainings: Sequence[RecordedTraining], declared: bool, where: str, names: Sequence[str] | None = None
) -> ConfigurationColumns:
    """Return the hyperparameters of trainings.

    Of declared parameters, those that differ between the trainings are hyperparameters; a seed, and a text of
    its own in every training, such as a folder, are not.

    Parameters
    ----------
    trainings : sequence of RecordedTraining
    declared : bool
        See `RecordedTrainings`.
    where : str
        The source, for messages.
    names : sequence of str, optional
        Parameters to be used, by default found.

    Raises
    ------
    DataError
        If the trainings have different parameters, a named one is missing, none is left, or a value is
        neither of the kind of the others.
    """
    rows = [flat(training.configuration) for training in trainings]
    table = pd.DataFrame(rows, dtype=object)
    if not len(table.columns):
        raise DataError(f"{where}: the trainings have no parameters, which are wanted as hyperparameters")
    if names is not None:
        check_names(names, [str(name) for name in table.columns], (), where)
        _check_everywhere(table[list(names)], where, named=True)
        found, left_out = list(names), dict[str, str]()
    elif declared:
        _check_everywhere(table, where, named=False)
        found, left_out = _differing(table, where)
    else:
        found, left_out = find_hyperparameters(table.fillna(""), (), where, option="--param")
    values = {name: _column(table, name, where) for name in found}
    return ConfigurationColumns(values, _seeds(table, found), left_out)


def flat(configuration: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return a nested configuration with a text for each value, names joined by a slash.

    Examples
    --------
    >>> flat({"lr": 0.1, "optimizer": {"name": "adam", "betas": [0.9, 0.99]}, "layers": None})
    {'lr': '0.1', 'optimizer/name': 'adam', 'optimizer/betas': '[0.9, 0.99]', 'layers': 'none'}
    """
    found: dict[str, str] = {}
    for name, value in configuration.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}/")
        else:
            found[f"{prefix}{name}"] = _text(value)
    return found


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return json.dumps(value, default=str)
    return str(value).strip()


def _check_everywhere(table: pd.DataFrame, where: str, named: bool) -> None:
    """Refuse parameters that only some of the trainings have."""
    counts = {str(name): int(table[name].notna().sum()) for name in table.columns}
    some = [f"{name} in {n}" for name, n in counts.items() if n < len(table)]
    if not some:
        return
    more = f" and {len(some) - SHOWN_NAMES} more" if len(some) > SHOWN_NAMES else ""
    found = f"of {len(table)} runs, {', '.join(some[:SHOWN_NAMES])}{more}"
    if named:
        raise DataError(f"{where}: not every run has the parameters of --param: {found}; use --filter")
    common = [f"--param {name}" for name, n in counts.items() if n == len(table)]
    remedy = f"use what all have, with {' '.join(common)}, or " if common else ""
    raise DataError(f"{where}: runs of different spaces: {found}; {remedy}choose some with --filter")


def _differing(table: pd.DataFrame, where: str) -> tuple[list[str], dict[str, str]]:
    """Return the parameters that are hyperparameters, and why others are not."""
    left_out = {str(name): reason for name in table.columns if (reason := _reason(str(name), table[name]))}
    found = [str(name) for name in table.columns if name not in left_out]
    if not found:
        raise DataError(
            f"{where}: no parameter looks like a hyperparameter ({describe_left_out(left_out)}); name one "
            "with --param"
        )
    return found, left_out


def _reason(name: str, texts: pd.Series) -> str | None:
    """Return why a declared parameter is no hyperparameter, None for one."""
    if is_seed(name):
        return "a seed"
    if is_reserved(name):
        return "a reserved name"
    different = texts.nunique()
    if different == 1:
        return "the same in every run"
    if different == len(texts) >= COUNTED_ROWS and is_categorical(texts):
        return "another text in every run"
    return None


def _column(table: pd.DataFrame, name: str, where: str) -> NDArray[Any]:
    try:
        return hyperparameter_column(table[name], where)
    except DataError as error:
        raise DataError(f"{error}; name others with --param, or choose runs with --filter") from None


def _seeds(table: pd.DataFrame, used: Sequence[str]) -> IntArray:
    """Return the only parameter that is a seed, where it is a whole number everywhere."""
    names = [name for name in table.columns if is_seed(str(name)) and name not in used]
    if len(names) == 1:
        numbers = to_numbers(table[names[0]].fillna(""))
        if np.isfinite(numbers).all() and (numbers >= 0).all() and (numbers == np.round(numbers)).all():
            return numbers.astype(np.int64)
    return np.full(len(table), -1)
