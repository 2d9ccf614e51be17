"""Names of columns in tables of curves that are no hyperparameters."""

from __future__ import annotations

import re

BOOKKEEPING = ("config_id", "seed")
"""Columns of `LearningCurves.configs` that are not hyperparameters."""

LOSS = re.compile(r"loss_(\d+)")
"""Columns of `LearningCurves.frame` that hold the curve; the number is the epoch, from 0."""


def is_reserved(name: str) -> bool:
    """Tell whether a hyperparameter cannot have this name.

    Examples
    --------
    >>> is_reserved("seed"), is_reserved("loss_3"), is_reserved("loss_weight")
    (True, True, False)
    """
    return name in BOOKKEEPING or LOSS.fullmatch(name) is not None
