"""Target epochs: after how many epochs the value of a curve counts as its final value.

Curves of one table may have different lengths. Their final values are compared either after one number of
epochs, the last column by default, or each at its own end. A curve that ended before its target epoch, or
that is censored or diverged, has no final value: it can be predicted, but nothing is fitted on it or scored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from mlpf_hpo.curves.column_names import TARGET_EPOCH
from mlpf_hpo.curves.ends import known_lengths
from mlpf_hpo.curves.left_out_rows import leave_out
from mlpf_hpo.curves.schema import CENSORED, LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError

TargetEpoch = int | Literal["own"] | None

FEW = 0.1
"""If fewer than this share of the curves reach the last column, a target epoch has to be given."""

LEAST_FINALS = 3
"""Nor is the last column the target by default with fewer final values than these."""

OR_OWN = ", or --target-epoch own (each curve's own last value; the number of epochs is a feature)"

ENOUGH = 20
"""Curves that a model for a number of observed epochs is fitted on, if there are so many."""

SUGGESTED_SHARES = (0.9, 0.5)
"""Shares of the curves that reach the target epochs which the error message suggests."""


def with_target_epoch(curves: LearningCurves, target: TargetEpoch = None) -> LearningCurves:
    """Return the curves with a common target epoch, or with a target epoch of its own for each curve.

    Parameters
    ----------
    curves : LearningCurves
        Curves of any lengths.
    target : int, "own" or None
        A number of epochs: later epochs are cut off, and shorter curves have no final value. "own": the
        column `target_epoch`, and where that says nothing the end of each curve that was not stopped and did
        not diverge. None: "own" for curves with a column `target_epoch`, else the last column.

    Raises
    ------
    ConfigurationError
        If no curve has that many epochs.
    DataError
        If `target` is None and almost no curve reaches the last column; the message names epochs.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric, with_target_epoch
    >>> losses = [[3.0, 2.0, 1.5], [4.0, 3.5, float("nan")], [5.0, float("nan"), float("nan")]]
    >>> configurations = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    >>> curves = LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))
    >>> curves.final.tolist()
    [1.5, nan, nan]
    >>> with_target_epoch(curves, 2).final.tolist()
    [2.0, 3.5, nan]
    >>> with_target_epoch(curves, "own").final.tolist()
    [1.5, 3.5, 5.0]
    """
    if target == "own" or (target is None and curves.own_targets):
        return _own(curves)
    if target is not None:
        return _common(curves, target)
    check_last_column(curves)
    return curves


def with_finals(curves: LearningCurves, known_epochs: int = -1) -> LearningCurves:
    """Return the curves that have a final value; the others are counted in `left_out_rows`.

    Parameters
    ----------
    curves : LearningCurves
        With their target epochs.
    known_epochs : int
        Curves whose target epoch is not after this many observed epochs are left out as well.
    """
    lengths, targets = known_lengths(curves.values), curves.target_epochs
    reasons = np.full(len(curves), "", dtype=object)
    without = ~np.isfinite(curves.final)
    reasons[without] = [_reason(curves, int(row), int(lengths[row])) for row in np.flatnonzero(without)]
    reasons[~without & (targets <= known_epochs)] = (
        f"nothing left to predict after {known_epochs} observed epochs"
    )
    return leave_out(curves, reasons.astype(str))


def left_out_of_complete(curves: LearningCurves) -> dict[str, int]:
    """Return why rows of the source are not among the complete curves, reason -> number."""
    found = with_finals(curves)
    restarted = int((found.restart_epoch >= 0).sum())
    return dict(found.left_out_rows) | ({"restarted": restarted} if restarted else {})


def typical_target(curves: LearningCurves) -> int:
    """Return the median target epoch of curves that have final values."""
    known = curves.target_epochs[np.isfinite(curves.final)]
    return int(np.median(known)) if len(known) else curves.n_epochs


def modelled_epochs(curves: LearningCurves) -> range:
    """Return the numbers of observed epochs from which something is left to predict in enough curves.

    Parameters
    ----------
    curves : LearningCurves
        Every curve has a final value.
    """
    ordered = np.sort(curves.target_epochs)
    return range(int(ordered[-min(len(ordered), ENOUGH)])) if len(ordered) else range(0)


def describe_targets(curves: LearningCurves) -> str:
    """Return the epochs whose values are final as text.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric, with_target_epoch
    >>> losses = [[3.0, 2.0], [4.0, float("nan")]]
    >>> curves = LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], losses, TargetMetric("loss", "min"))
    >>> describe_targets(curves), describe_targets(with_target_epoch(curves, "own"))
    ('2 epochs', '1 to 2 epochs, each to its own end')
    """
    if not curves.own_targets:
        return f"{curves.n_epochs} epochs"
    known = curves.target_epochs[curves.target_epochs > 0]
    if not len(known):
        return "unknown length"
    shortest, longest = int(known.min()), int(known.max())
    if shortest == longest:
        return f"{longest} epochs"
    return f"{shortest} to {longest} epochs, each to its own end"


def _common(curves: LearningCurves, target: int) -> LearningCurves:
    if not 1 <= target <= curves.n_epochs:
        raise ConfigurationError(
            f"--target-epoch {target}: {curves.source} has curves of up to {curves.n_epochs} epochs"
        )
    return replace(
        curves,
        configs=curves.configs.drop(columns=TARGET_EPOCH, errors="ignore"),
        metrics={name: values[:, :target] for name, values in curves.metrics.items()},
        restart_epoch=np.where(curves.restart_epoch < target, curves.restart_epoch, -1),
    )


def _own(curves: LearningCurves) -> LearningCurves:
    given = curves.target_epochs if curves.own_targets else np.zeros(len(curves), dtype=np.int64)
    ended = ~curves.censored & (curves.status != "diverged")
    found = np.where(given > 0, given, np.where(ended, known_lengths(curves.values), 0))
    return replace(curves, configs=curves.configs.assign(**{TARGET_EPOCH: found}))


def check_last_column(curves: LearningCurves, own: bool = True) -> None:
    """Refuse curves of which almost none reaches the last column.

    Parameters
    ----------
    curves : LearningCurves
    own : bool
        Whether each curve's own end may be its target.

    Raises
    ------
    DataError
        The message names epochs.
    """
    lengths = known_lengths(curves.values)
    begun, finals = int((lengths > 0).sum()), int((lengths == curves.n_epochs).sum())
    if finals >= max(LEAST_FINALS, FEW * begun) or begun < LEAST_FINALS:
        return
    ordered = np.sort(lengths[lengths > 0])[::-1]
    reached = dict.fromkeys(int(ordered[round(share * begun) - 1]) for share in SUGGESTED_SHARES)
    epochs = ", ".join(f"--target-epoch {n} ({int((lengths >= n).sum())} curves)" for n in reached)
    raise DataError(
        f"{curves.source}: {finals} of {begun} curves have a value after epoch {curves.n_epochs}, the last; "
        f"say after how many epochs the value counts as final: {epochs}{OR_OWN if own else ''}"
    )


def _reason(curves: LearningCurves, row: int, length: int) -> str:
    """Return why a curve has no final value."""
    if length == 0:
        return "no value"
    if curves.status[row] in ("diverged", *CENSORED):
        return str(curves.status[row])
    if curves.stopped[row]:
        return "stopped" if curves.own_targets else f"stopped before epoch {curves.n_epochs}"
    if curves.own_targets:
        return "ended before its target epoch"
    return f"ended before epoch {curves.n_epochs}"
