"""Whether small or large values of a metric are good: one table for every metric that this package logs.

A second, short table has words in the names of metrics of other trainings. A metric in neither table has no
direction: the user gives it, it is never guessed.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal, TypeAlias

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.space import Mode

Direction: TypeAlias = Mode | Literal["none"]
"""A mode, or "none" where the best value is neither the smallest nor the largest."""

LOGGED: MappingProxyType[str, Direction] = MappingProxyType(
    {
        "train/loss*": "min",
        "train/learning_rate": "none",  # a hyperparameter
        "val/loss*": "min",
        "val/accuracy": "max",
        "val/efficiency_*": "max",
        "val/fake_rate_*": "min",
        "val/*_residual_std": "min",
        "val/*_residual_mean": "none",  # the best is the one nearest 0
        "throughput/*_per_second": "max",
        "throughput/fraction_of_gemm_peak": "max",
        "throughput/flop_per_event": "min",
        "throughput/joules_per_event": "min",
        "throughput/padding_ratio": "min",
        "network/parameters": "none",
        "time/*": "min",
        "system/cpu_fraction": "max",
        "system/contended": "min",
        "system/*_megabytes": "min",
        "search/best_loss": "min",
        "summary/wall_seconds": "min",
        "summary/epochs": "min",
        "summary/trials": "max",
        "summary/r2_*": "max",
        "summary/spearman": "max",
        "summary/kendall": "max",
        "summary/top_recall": "max",
        "summary/log_mae": "min",
        "summary/epochs_ratio": "min",
        "summary/coverage": "none",  # the best is the one nearest the coverage that was asked for
        "summary/promotion/*": "none",  # of whichever criterion decided
        "summary/physics_*": "none",  # of many kinds: the report says which is better
    }
)
"""Patterns of the names of all metrics of trials, and of the summaries that are compared between runs."""

_SMALL = """
loss logloss err error errors mae mse rmse mape smape nll crossentropy perplexity ppl brier cost
regret wer cer fid
"""
_LARGE = """
acc accuracy auc auroc auprc f1 precision recall specificity sensitivity r2 iou dice bleu rouge ndcg
mrr psnr ssim reward
"""
SMALL, LARGE = frozenset(_SMALL.split()), frozenset(_LARGE.split())
"""Words in names of metrics whose small, or large, values are good."""

REVERSING = frozenset({"neg", "negative", "negated", "minus", "inverse", "inv"})
"""Words that turn what follows into its opposite: the direction of such a name is asked for."""


def logged_direction(metric: str) -> Direction | None:
    """Return the direction of a metric that this package logs, None for another.

    Examples
    --------
    >>> logged_direction("val/fake_rate_muon"), logged_direction("val/efficiency_muon")
    ('min', 'max')
    >>> logged_direction("val/pt_residual_mean"), logged_direction("accuracy")
    ('none', None)
    """
    return next((found for pattern, found in LOGGED.items() if fnmatchcase(metric, pattern)), None)


def known_mode(metric: str) -> Mode | None:
    """Return the mode of a metric by its name, None where the name does not determine it.

    Examples
    --------
    >>> known_mode("val/loss"), known_mode("acc"), known_mode("top1_err")
    ('min', 'max', 'min')
    >>> known_mode("fitness"), known_mode("neg_loss"), known_mode("1-accuracy")
    (None, None, None)
    """
    found = logged_direction(metric)
    if found is not None:
        return None if found == "none" else found
    words = set(re.split(r"[^a-z0-9]+", metric.lower()))
    if words & REVERSING or re.match(r"1\W", metric.strip()) or bool(words & SMALL) == bool(words & LARGE):
        return None
    return "min" if words & SMALL else "max"


def resolve_mode(metric: str, mode: str | None, recorded: Mode | None = None, option: str = "--mode") -> Mode:
    """Return the mode that was asked for, or the one by which the metric is known.

    Parameters
    ----------
    metric : str
        Name of the metric.
    mode : str or None
        What was asked for, by `option`; None where nothing was.
    recorded : {"min", "max"}, optional
        The mode on record with the data.
    option : str
        How the mode is given, for messages.

    Raises
    ------
    ConfigurationError
        If the mode is neither "min" nor "max", contradicts the recorded mode or the direction of a metric
        that this package logs, or was not given although the name does not determine it.
    """
    direction = recorded or logged_direction(metric)
    if mode not in (None, "min", "max"):
        raise ConfigurationError(f"{option} {mode}: min or max")
    if mode is not None and direction not in (None, "none", mode):
        raise ConfigurationError(
            f"{option} {mode}: contradicts {metric}, of which the {_best(direction)} value is the best "
            f"({option} {direction})"
        )
    asked: Mode | None = "min" if mode == "min" else "max" if mode == "max" else None
    found = asked or recorded or known_mode(metric)
    if found is not None:
        return found
    reason = (
        "its best value is neither the smallest nor the largest"
        if direction == "none"
        else "its name does not say whether small or large values are good"
    )
    raise ConfigurationError(f"{metric}: {reason}; say which with {option} min or {option} max")


def _best(direction: str | None) -> str:
    return "smallest" if direction == "min" else "largest"
