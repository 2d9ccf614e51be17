"""The range of each hyperparameter in training, and warnings for configurations that lie outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mlpf_hpo.curves.float_columns import float_columns

Ranges: TypeAlias = Mapping[str, Sequence[Any]]
"""Hyperparameter -> smallest and largest number in training, or all of its texts, sorted."""


def training_ranges(table: pd.DataFrame, names: Sequence[str], texts: Sequence[str]) -> dict[str, list[Any]]:
    """Return the range of each column in `names`; those in `texts` hold texts.

    Examples
    --------
    >>> table = pd.DataFrame({"lr": [0.2, 0.1], "optimizer": ["sgd", "adam"]})
    >>> training_ranges(table, ["lr", "optimizer"], ["optimizer"])
    {'lr': [0.1, 0.2], 'optimizer': ['adam', 'sgd']}
    """
    numbers = [name for name in names if name not in texts]
    values = float_columns(table, numbers)
    low_high = np.stack([values.min(axis=0), values.max(axis=0)], axis=1).tolist()
    ends = dict(zip(numbers, low_high, strict=True))
    return {name: ends.get(name) or sorted(set(table[name])) for name in names}


def range_warnings(configs: pd.DataFrame, ranges: Ranges) -> list[str | None]:
    """Return for each row which hyperparameters lie outside their range; None where none does.

    Columns without a range, such as all columns of a model file of an older version, are not judged.

    Examples
    --------
    >>> configs = pd.DataFrame({"lr": [0.1, 0.5], "optimizer": ["adam", "lion"]})
    >>> for warning in range_warnings(configs, {"lr": [0.1, 0.2], "optimizer": ["adam", "sgd"]}):
    ...     print(warning)
    None
    lr = 0.5 is outside the training range 0.1 to 0.2; optimizer = lion is none of the training's: adam, sgd
    """
    found: list[list[str]] = [[] for _ in range(len(configs))]
    for name, known in ranges.items():
        for row, value in enumerate(configs[name]):
            if isinstance(value, str):
                if value not in known:
                    found[row].append(f"{name} = {value} is none of the training's: {', '.join(known)}")
            elif not known[0] <= value <= known[1]:
                low, high = (f"{end:.10g}" for end in known)
                found[row].append(f"{name} = {value:.10g} is outside the training range {low} to {high}")
    return ["; ".join(parts) or None for parts in found]
