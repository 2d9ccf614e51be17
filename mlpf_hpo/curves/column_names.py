"""Reserved column names in tables of curves: bookkeeping and losses per epoch."""

from __future__ import annotations

import re

STOPPED = "stopped"
"""Optional column: whether a training was stopped before its end, by a pruner for example."""

RESUMED = "resumed"
"""Optional column: how often the log of a training went back, since it was resumed or started again."""

TARGET_EPOCH = "target_epoch"
"""Optional column: after how many epochs the value of that row is to be predicted."""

BOOKKEEPING = ("config_id", "seed", STOPPED, TARGET_EPOCH, RESUMED)
"""Columns of `LearningCurves.configs` that are not hyperparameters; the last three are optional."""

LOSS = re.compile(r"loss_(\d+)")
"""Columns of `LearningCurves.frame` that hold the curve; the number is the epoch, from 0."""


def is_reserved(name: str) -> bool:
    """Return whether a name is reserved, so that no hyperparameter can have it.

    Examples
    --------
    >>> is_reserved("seed"), is_reserved("loss_3"), is_reserved("loss_weight")
    (True, True, False)
    """
    return name in BOOKKEEPING or LOSS.fullmatch(name) is not None
