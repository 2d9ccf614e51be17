"""Rows that are left out of a data set of curves: their number, and the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.curves.schema import LearningCurves

NAMED = 3
"""At most this many row numbers are listed."""


def leave_out(curves: LearningCurves, reasons: NDArray[np.str_]) -> LearningCurves:
    """Return the curves without those for which there is a reason, which are counted by it.

    Parameters
    ----------
    curves : LearningCurves
    reasons : array [n] of str
        Why each curve is left out; empty where it is kept.
    """
    counts = Counter(curves.left_out_rows) + Counter(reasons[reasons != ""].tolist())
    return replace(curves.select(reasons == ""), left_out_rows=dict(counts))


def describe_left_out_rows(left_out_rows: Mapping[str, int], kept: int) -> str:
    """Return how many rows were left out, by reason, as text; empty if none were.

    Parameters
    ----------
    left_out_rows : mapping of str to int
        Reason -> number of rows.
    kept : int
        The number of rows that are left.

    Examples
    --------
    >>> describe_left_out_rows({"no value": 2, "diverged": 1}, 40)
    'left out: 3 of 43 rows: 2 (no value), 1 (diverged)'
    """
    if not left_out_rows:
        return ""
    total = sum(left_out_rows.values())
    counts = ", ".join(f"{n} ({reason})" for reason, n in left_out_rows.items())
    return f"left out: {total} of {total + kept} rows: {counts}"


def name_rows(numbers: Sequence[int]) -> str:
    """Return row numbers as text, the first few of them.

    Examples
    --------
    >>> name_rows([4]), name_rows([2, 3, 5, 7, 11])
    ('row 4', 'rows 2, 3, 5 and 2 more')
    """
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"row{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:NAMED]))}{more}"
