"""`StatedRegret`: what a scheduler itself says it missed, to be compared with what it did miss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.anytime import EXACT, RegretScale
from mlpf_hpo.search.scheduler import Scheduler, stating
from mlpf_hpo.search.trial_state import Trial

NOTICEABLE = 0.02
"""Regret at which schedulers are compared: what is missed by less hardly matters."""

DEVIATIONS = tuple(np.linspace(-6.0, 6.0, 97).tolist())
"""Where distributions are tabulated, in standard deviations; between them lines are straight."""


class Missed(NamedTuple):
    """What a search missed: of one search numbers that came true, or what was to be expected.

    Attributes
    ----------
    best_abandoned : float
        That a trial was not trained in full that is better than the best one that was: 0 or 1, or how likely.
    noticeably : float
        The same of one that is better by more than `NOTICEABLE`.
    better : float
        Number of such trials.
    regret : float
        By how much the best of them is better, in units of `RegretScale`.
    """

    best_abandoned: float
    noticeably: float
    better: float
    regret: float


class StatedRegret(NamedTuple):
    """What a scheduler states at the end of a search that it missed, `nominal`, and what it did, `actual`."""

    nominal: Missed
    actual: Missed


def stated_regret(
    scheduler: Scheduler, trials: Sequence[Trial], curves: LearningCurves, scale: RegretScale
) -> StatedRegret | None:
    """Return what a scheduler states that a search missed, and what it did miss.

    Parameters
    ----------
    scheduler : Scheduler
        At the end of the search. One with a method ``quantiles(deviations)``, or one that wraps such, says
        what it expects: trial -> final values, so many standard deviations worse than expected, for each of
        the deviations.
    trials : sequence of Trial
        As the search left them, one per curve.
    curves : LearningCurves
        The searched curves.
    scale : RegretScale
        Theirs.

    Returns
    -------
    StatedRegret or None
        None of a scheduler that says nothing, or has not enough to say it of.
    """
    ask = stating(scheduler, "quantiles")
    quantiles = ask(DEVIATIONS) if ask is not None else {}
    if not quantiles:
        return None
    costs = curves.final if curves.mode == "min" else -curves.final
    finished = np.array([trial.status == "finished" for trial in trials])
    known = costs[finished & np.isfinite(costs)]
    best = float(known.min()) if len(known) else scale.worst
    left = [trial.trial_id for trial in trials if trial.status != "finished" and trial.trial_id in quantiles]
    table = np.array([quantiles[trial_id] for trial_id in left]).reshape(len(left), len(DEVIATIONS))
    table = table if curves.mode == "min" else -table
    return StatedRegret(
        expected((table - best) / scale.unit), _missed((costs[~finished] - best) / scale.unit)
    )


def expected(quantiles: FloatArray) -> Missed:
    """Return what is to be expected of trials that were not trained in full, as if they were independent.

    Parameters
    ----------
    quantiles : array [n, number of `DEVIATIONS`]
        How much worse than the best finished trial each is where its final value stands so many standard
        deviations from what is expected, in units of `RegretScale`; rising.

    Examples
    --------
    >>> one = np.array([DEVIATIONS])  # a standard normal distribution, as good as the finished trial
    >>> found = expected(one)
    >>> found.best_abandoned, round(found.regret, 3)  # 1 / sqrt(2 pi)
    (0.5, 0.399)
    """
    if not len(quantiles):
        return Missed(0.0, 0.0, 0.0, 0.0)
    at = np.unique(np.append(quantiles[quantiles < 0], [0.0, -NOTICEABLE]))
    below = ndtr([np.interp(at, one, DEVIATIONS, left=-np.inf, right=np.inf) for one in quantiles])
    some = 1 - np.prod(1 - below, axis=0)
    return Missed(
        float(some[-1]),
        float(some[np.searchsorted(at, -NOTICEABLE)]),
        float(below[:, -1].sum()),
        float(np.trapezoid(some, at)),
    )


def _missed(left: FloatArray) -> Missed:
    """Return what was missed, from how much worse than the best finished trial the others are [n]."""
    better = -left[left < -EXACT]
    regret = float(better.max(initial=0.0))
    return Missed(float(regret > 0), float(regret > NOTICEABLE + EXACT), float(len(better)), regret)
