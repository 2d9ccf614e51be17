"""Defects of a table of curves, counted: undeclared duplicates, restarts, jumps, missing epochs, ties."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import BoolArray, FloatArray
from mlpf_hpo.curves.ends import known_lengths
from mlpf_hpo.curves.repeats import copied
from mlpf_hpo.curves.restarts import restart_epochs, typical_bend
from mlpf_hpo.curves.schema import LearningCurves

JUMP = 0.5
"""Share of what a curve had gained that it loses from one epoch to the next when it jumps."""

NOISE = 4.0
"""Least size of a jump, in units of the curve's noise, as for restarts."""


def count_defects(curves: LearningCurves) -> dict[str, int]:
    """Return the number of rows with each defect.

    Returns
    -------
    dict of str to int
        * `repeats`: rows whose configuration stands in an earlier row with another seed. No defect.
        * `undeclared_duplicates`: rows whose configuration stands in an earlier row with the same seed, or
          whose seed is unknown.
        * `copies`: those of them whose values are equal as well.
        * `restarts`: curves that jump back to their beginning and replay it.
        * `jumps`: curves that lose half of what they had gained from one epoch to the next, beyond their
          noise, and do not restart there.
        * `gaps`: curves with a missing value before a later value.
        * `finished_early`: trainings that finished, yet have no value after the last epoch.
        * `incomplete_metrics`: rows in which another metric has no value for an epoch with one of the target.
          A rate, for example, is not defined where there is nothing to count.
        * `tied_finals`: rows whose final value is that of another training.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> losses = [[9.0, 3.0, 2.0], [9.0, 3.0, 2.0], [9.0, 2.0, 7.5]]
    >>> configurations = [{"lr": 0.1}, {"lr": 0.1}, {"lr": 0.2}]
    >>> curves = LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))
    >>> {name: n for name, n in count_defects(curves).items() if n}
    {'undeclared_duplicates': 1, 'copies': 1}
    """
    known = np.isfinite(curves.values)
    after_end = np.arange(curves.n_epochs) >= known_lengths(curves.values)[:, None]
    target_known = known & ~after_end
    lacking = [target_known & ~np.isfinite(values) for values in curves.metrics.values()]
    trainings = pd.DataFrame({"group": curves.groups, "seed": curves.configs["seed"].to_numpy()})
    undeclared = curves.duplicated & ((trainings["seed"] < 0) | trainings.duplicated()).to_numpy()
    return {
        "repeats": int((curves.duplicated & ~undeclared).sum()),
        "undeclared_duplicates": int(undeclared.sum()),
        "copies": int(copied(curves).sum()),
        "restarts": int((curves.restart_epoch >= 0).sum()),
        "jumps": int(jumping(curves).sum()),
        "gaps": int((known & after_end).any(axis=1).sum()),
        "finished_early": int((curves.truncated & (curves.status == "finished")).sum()),
        "incomplete_metrics": int(np.logical_or.reduce(lacking).any(axis=1).sum()),
        "tied_finals": _tied(curves),
    }


def jumping(curves: LearningCurves) -> BoolArray:
    """Return which curves jump, see `count_defects`, [n_trials]."""
    sign = 1.0 if curves.mode == "min" else -1.0
    lengths = known_lengths(curves.values)
    found = [_jumps(sign * row[:n]) for row, n in zip(curves.values, lengths, strict=True)]
    return np.array(found, dtype=bool)


def _jumps(curve: FloatArray) -> bool:
    """Return whether one falling curve, finite at every epoch, jumps up anywhere but at a restart."""
    if len(curve) < 3:
        return False
    gained, lost = curve[0] - np.minimum.accumulate(curve)[:-1], np.diff(curve)
    jumps = (gained > 0) & (lost >= JUMP * gained) & (lost >= NOISE * typical_bend(curve))
    jumps[[epoch - 1 for epoch in restart_epochs(curve)]] = False
    return bool(jumps.any())


def _tied(curves: LearningCurves) -> int:
    """Return how many trainings have a final value that another training has as well."""
    final = curves.final[np.isfinite(curves.final) & ~copied(curves)]
    _, counts = np.unique(final, return_counts=True)
    return int(counts[counts > 1].sum())
