"""Find the hyperparameter columns and the curve columns of a CSV table.

A value that is known only after a training must not be a hyperparameter: it would leak the end of the curve.
If no columns are named, every column is checked, and each omitted column is reported with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mlpf_hpo.curves.cells import to_numbers
from mlpf_hpo.curves.column_names import is_reserved
from mlpf_hpo.errors import DataError, did_you_mean
from mlpf_hpo.space import TABLE_1

FAMILY = 3
"""At least this many names that differ only in a number are taken for values per epoch."""

_IDENTIFIERS = """
id ids uuid guid hash index idx trial run name experiment row pid host hostname timestamp timestamps date
datetime time times runtime walltime duration elapsed seconds secs ms iteration iterations restore
"""
IDENTIFIERS = frozenset(_IDENTIFIERS.split())
"""Last words of names that identify a trial, or say when, how long or how far it ran."""

TIMES = frozenset({"id", "time", "timestamp", "timesteps", "episodes"})
"""First words of such names in Ray Tune's tables."""

_RESULTS = """
loss losses logloss err error errors acc accuracy auc auroc auprc mae mse rmse nll perplexity ppl score
scores metric
"""
RESULTS = frozenset(_RESULTS.split())
"""Last words of names of results of a training."""

REACHED = frozenset({"best", "last", "final", "stopped", "trained", "completed", "reached"})
"""Words that make a name with "epoch" in it the name of a result, such as best_epoch."""

COUNTED_ROWS = 8
"""From this many rows on, a column of 0, 1, 2, ... counts the rows and is not a hyperparameter."""


def curve_names(columns: Sequence[str], prefix: str, where: str) -> list[str]:
    """Return the columns of the curve, PREFIX0, PREFIX1, ..., in order of epoch.

    Raises
    ------
    DataError
        If there are none, one is missing, or two are the same epoch.
    """
    numbered: dict[int, str] = {}
    for name in columns:
        number = name.removeprefix(prefix)
        if name.startswith(prefix) and number.isdecimal():
            if int(number) in numbered:
                raise DataError(f"{where}: columns {numbered[int(number)]} and {name} are the same epoch")
            numbered[int(number)] = name
    if not numbered:
        raise DataError(f"{where}: no columns {prefix}0, {prefix}1, ...; there are {', '.join(columns[:9])}")
    gaps = sorted(set(range(len(numbered))) - set(numbered))
    if gaps:
        raise DataError(f"{where}: column {prefix}{gaps[0]} is missing; epochs must be numbered without gaps")
    return [numbered[epoch] for epoch in range(len(numbered))]


def check_names(names: Sequence[str], columns: Sequence[str], curve: Sequence[str], where: str) -> None:
    """Refuse names that are no hyperparameters of a table.

    Raises
    ------
    DataError
        If there are none, or one is not there (the message has the nearest), part of the curve, or cannot be
        the name of a hyperparameter here.
    """
    if not names:
        raise DataError(f"{where}: name at least one hyperparameter column")
    check_distinct(names, "--hyperparameters")
    for name in names:
        if name in curve:
            raise DataError(f"{where}: column {name!r} is part of the curve, not a hyperparameter")
        if is_reserved(name):
            raise DataError(f"{where}: a hyperparameter cannot be called {name!r} here; rename the column")
        if name not in columns:
            raise DataError(f"{where}: no column {name!r}{did_you_mean(name, columns)}")


def check_distinct(names: Sequence[str], where: str) -> None:
    """Refuse duplicate names."""
    for name, n in Counter(names).items():
        if n > 1:
            raise DataError(f"{where} names column {name!r} {n} times")


def find_hyperparameters(
    table: pd.DataFrame, curve: Sequence[str], where: str, option: str = "--hyperparameters"
) -> tuple[list[str], dict[str, str]]:
    """Return the columns that can be hyperparameters, and for each other column the reason why it cannot.

    Parameters
    ----------
    table : DataFrame of str
        The whole table.
    curve : sequence of str
        The columns of the curve.
    where : str
        Name of the table, for messages.
    option : str
        How hyperparameters are named, for messages.

    Returns
    -------
    list of str, dict of str to str
        Names, and name -> reason.

    Raises
    ------
    DataError
        If no column is left.
    """
    names = [str(name) for name in table.columns if name not in set(curve)]
    families = Counter(map(_family, names))
    left_out = {}
    for name in names:
        numbered = name != _family(name) and families[_family(name)] >= min(FAMILY, max(2, len(curve)))
        by_name = None if name in TABLE_1.names else _reason_by_name(name)
        reason = "numbered" if numbered else by_name or _reason_by_values(table[name])
        if reason:
            left_out[name] = reason
    found = [name for name in names if name not in left_out]
    if not found:
        reasons = f" ({describe_left_out(left_out)})" if left_out else ""
        raise DataError(f"{where}: no column looks like a hyperparameter{reasons}; name them: {option}")
    return found, left_out


def describe_left_out(left_out: Mapping[str, str]) -> str:
    """Return the omitted columns and the reasons as text; columns that differ only in a number are one item.

    Examples
    --------
    >>> describe_left_out({"run_id": "an identifier", **{f"acc_{i}": "numbered" for i in range(3)}})
    'run_id (an identifier), acc_0 ... acc_2 (numbered)'
    """
    kinds: dict[tuple[str, str], list[str]] = {}
    for name, reason in left_out.items():
        kinds.setdefault((_family(name), reason), []).append(name)
    return ", ".join(
        f"{names[0]} ... {names[-1]} ({reason})" if len(names) > 1 else f"{names[0]} ({reason})"
        for (_, reason), names in kinds.items()
    )


def describe_features(
    target: Mapping[str, str],
    hyperparameters: Sequence[str],
    left_out: Mapping[str, str],
    option: str = "--hyperparameters",
) -> str:
    """Return the target, the hyperparameters that are features, and the omitted columns as text.

    Parameters
    ----------
    target : mapping of str to str
        Its `metric` and `mode`.
    hyperparameters : sequence of str
    left_out : mapping of str to str
        Column -> reason.
    option : str
        How a column is named to be used; empty for a file that holds those alone that were used.

    Examples
    --------
    >>> describe_features({"metric": "acc", "mode": "max"}, ["lr"], {"run_id": "an id"})
    'acc (max); hyperparameters: lr; left out: run_id (an id): to use one, name it by --hyperparameters'
    """
    used = f"{target['metric']} ({target['mode']}); hyperparameters: {', '.join(hyperparameters)}"
    if not left_out:
        return used
    omitted = describe_left_out(left_out)
    if not option:
        return f"{used}; left out when the file was made: {omitted}"
    return f"{used}; left out: {omitted}: to use one, name it by {option}"


def is_seed(name: str) -> bool:
    """Tell whether a name is that of a seed.

    Examples
    --------
    >>> [is_seed(name) for name in ("seed", "data/split_seed", "random_state", "seedling")]
    [True, True, True, False]
    """
    words = _words(name)
    return "seed" in words or words[-2:] == ["random", "state"]


def _words(name: str) -> list[str]:
    parts = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    return [part for part in parts if part]


def _family(name: str) -> str:
    """Return a name with its numbers taken out: equal for columns that differ in a number alone."""
    return re.sub(r"\d+", "#", name)


def _reason_by_name(name: str) -> str | None:
    words = _words(name)
    if not words or name.startswith(("_", "Unnamed:")):
        return "an index or bookkeeping"
    if is_seed(name):
        return "a seed"
    if words[-1] in IDENTIFIERS or words[0] in TIMES or (words[-1] == "number" and words[0] in IDENTIFIERS):
        return "an identifier or a time"
    reached = "epoch" in words[-1] and bool(REACHED & set(words))
    if reached or words[-1] in RESULTS or words[-2:] == ["error", "rate"]:
        return "a result"
    return None


def _reason_by_values(texts: pd.Series) -> str | None:
    numbers = to_numbers(texts)
    if len(numbers) and np.isnan(numbers).all():
        return "no numbers"  # a text may be an outcome, a machine or a remark: the user has to name it
    if np.isnan(numbers).any() or len(numbers) < COUNTED_ROWS:
        return None  # the reader reports the bad cell
    if np.ptp(numbers) == 0:
        return "the same in every row"
    ordered = np.sort(numbers)
    if ordered[0] in (0, 1) and bool((np.diff(ordered) == 1).all()):
        return "a count of the rows"
    return None
