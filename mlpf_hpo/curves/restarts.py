"""Restarts: epochs at which a curve jumps back to its beginning and replays its first epochs.

A training that lost its state while its log went on leaves such a curve: the last value is not the loss after
that many epochs. A third of the published curves are like that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mlpf_hpo.array_types import FloatArray, IntArray

RETURN = 0.08
"""How near a restart comes to the first value, as a share of the distance that the curve had gone."""

REPLAY_EPOCHS = 3
"""How many epochs are compared with the first ones."""

REPLAY = 0.3
"""Largest ratio between the distance to the replayed epochs and the distance to where the curve stood."""

NOISE = 4.0
"""Least distance gone, in units of the curve's noise."""


def first_restarts(values: ArrayLike) -> IntArray:
    """Return the first epoch at which each curve restarts, -1 where it never does.

    With v the values before a curve's first missing one, n of them, epoch t (counted from 0, t >= 2) is a
    restart when

    * the curve had left its beginning: g = |v[0] - v[t-1]| is at least 4 times the noise, which is the median
      of |v[i+1] - 2 v[i] + v[i-1]|;
    * it is back there: |v[t] - v[0]| <= 0.08 g;
    * it follows its first epochs from there on: over the k = min(3, t, n - t) epochs from t, the sum of
      |v[t+j] - v[j]| is at most 0.3 times the sum of |v[t+j] - v[t-1]|.

    All of it is unchanged when values are shifted, scaled or change their sign, so that units do not matter,
    nor whether small or large values are good. A replay that begins after a single epoch (t = 1) looks like
    a curve that stood still, and is not marked.

    Parameters
    ----------
    values : array [n_trials, n_epochs]
        One curve per row, NaN after its end.

    Returns
    -------
    array [n_trials], int64

    Notes
    -----
    On the published table the rule marks 97 of 296 curves, first at epochs 23, 49 and 71 (quartiles); 33 of
    them more than once. Of its 119 curves of which a falling curve explains 99 % it marks none.
    Of 500 simulated curves that learn and never restart it marks none with noise up to a tenth of the
    scale of the drop, and at most 1 % when nothing but noise is left; of restarts put into clean curves at
    random epochs it finds 99 % and more. tests/curves/test_restarts.py measures all of these again.

    Examples
    --------
    >>> first_restarts([[9.0, 4.0, 2.0, 1.5, 1.4, 1.3, 1.2, 1.1, 1.05, 9.0, 4.1, 2.1]])
    array([9])
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"values must be a table [n_trials, n_epochs], found shape {table.shape}")
    found = [next(iter(restart_epochs(curve)), -1) for curve in table]
    return np.asarray(found, dtype=np.int64)


def restart_epochs(curve: FloatArray) -> list[int]:
    """Return every epoch at which one curve restarts, see `first_restarts`."""
    known = int(np.cumprod(np.isfinite(curve)).sum())
    if known < 3:
        return []
    v = curve[:known]
    noise = typical_bend(v)
    gone = np.abs(v[0] - v[:-1])
    back = np.abs(v[1:] - v[0]) <= RETURN * gone
    candidates = 1 + np.flatnonzero(back & (gone >= NOISE * noise) & (gone > 0))
    return [int(t) for t in candidates if t >= 2 and _replays(v, int(t))]


def typical_bend(v: FloatArray) -> float:
    """Return the noise of a curve of at least three values: the median of its absolute second differences."""
    return float(np.median(np.abs(np.diff(v, n=2))))


def _replays(v: FloatArray, t: int) -> bool:
    """Return whether the epochs from `t` follow the first ones rather than stay where the curve stood."""
    k = min(REPLAY_EPOCHS, t, len(v) - t)
    replayed = np.abs(v[t : t + k] - v[:k]).sum()
    stayed = np.abs(v[t : t + k] - v[t - 1]).sum()
    return bool(replayed <= REPLAY * stayed)
