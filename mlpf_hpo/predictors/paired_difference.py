"""Differences between predictors that were scored on the same splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def paired_difference(
    ours: Sequence[float], others: Sequence[float], seed: int, draws: int = 2000
) -> dict[str, float]:
    """Return the mean difference of scores over splits with its 95 % bootstrap interval.

    Splits are drawn again with replacement, both scores of a split together. Splits of one table share rows:
    the interval is that of other splits of these curves, not of other curves.

    Parameters
    ----------
    ours, others : sequence of float
        Scores, split by split.
    seed, draws : int
        Of the bootstrap.

    Returns
    -------
    dict
        mean, low, high, splits.

    Examples
    --------
    >>> paired_difference([2.0, 3.0], [1.0, 2.0], seed=0)
    {'mean': 1.0, 'low': 1.0, 'high': 1.0, 'splits': 2}
    """
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(others, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(len(differences), size=(draws, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [0.025, 0.975])
    return {
        "mean": float(differences.mean()),
        "low": float(low),
        "high": float(high),
        "splits": len(differences),
    }
