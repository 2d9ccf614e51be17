"""Figure 1 of the paper: two learning curves that cross, chosen by a rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.repeats import copied, deviations_within
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.nested_cv import known_epochs_at
from studies.campaign.data import in_logs, one_each

TIMES_NOISE = 2.0
"""A lead counts if it exceeds so many standard deviations of the difference between two trainings."""


def crossing_pair(curves: LearningCurves, share: float) -> dict[str, Any] | None:
    """Return the pair of configurations whose curves cross most clearly.

    Of all pairs in which one configuration leads at a share of the epochs and the other after the last, and
    in which both leads exceed `TIMES_NOISE` standard deviations of the difference between two trainings at
    that epoch, it is the one with the largest product of the two leads. Leads are differences of logarithms
    where all values are positive.

    Returns
    -------
    dict or None
        `rows` (in `curves`: who leads first, who wins), `epoch` of the first lead, `leads` (before, after),
        `noise` (least lead that counts, before and after; None without repeats), `pairs` (how many pairs
        cross like that, of how many). None if no pair does.
    """
    used = one_each(curves)
    known = max(1, known_epochs_at(share, curves.n_epochs))
    values = in_logs(used)[:, [known - 1, -1]] if len(used) else np.zeros((0, 2))
    noise = least_leads(curves, (known - 1, curves.n_epochs - 1))
    before, after = (column[np.newaxis, :] - column[:, np.newaxis] for column in values.T)
    leads_first, wins = before, -after  # of the row over the column; of the column over the row
    least = (0.0, 0.0) if noise is None else noise
    crossing = (leads_first > least[0]) & (wins > least[1])
    if not crossing.any():
        return None
    product = np.where(crossing, leads_first * wins, 0.0)
    first, second = np.unravel_index(int(product.argmax()), product.shape)
    numbers = used.configs["config_id"].tolist()
    rows = [_row(curves, used, int(one)) for one in (first, second)]
    return {
        "rows": rows,
        "config_ids": [numbers[first], numbers[second]],
        "epoch": known,
        "leads": [float(leads_first[first, second]), float(wins[first, second])],
        "noise": None if noise is None else list(noise),
        "pairs": [int(crossing.sum()), len(used) * (len(used) - 1) // 2],
    }


def least_leads(curves: LearningCurves, epochs: tuple[int, int]) -> tuple[float, float] | None:
    """Return the leads above noise at two epochs, from repeats of configurations; None without any."""
    complete = curves.select(curves.complete & ~copied(curves))
    if not complete.duplicated.any():
        return None
    first, second = (_deviation(in_logs(complete)[:, epoch], complete) for epoch in epochs)
    return TIMES_NOISE * np.sqrt(2) * first, TIMES_NOISE * np.sqrt(2) * second


def _deviation(values: FloatArray, curves: LearningCurves) -> float:
    """Return the pooled standard deviation within configurations."""
    deviations, sizes = deviations_within(values, curves.groups)
    freedom = (sizes > 1).sum() - len(np.unique(curves.groups[sizes > 1]))
    return float(np.sqrt((deviations**2).sum() / freedom))


def _row(curves: LearningCurves, used: LearningCurves, position: int) -> int:
    """Return the row of the table that a row of the used ones is."""
    same = curves.complete & (curves.groups == used.groups[position])
    return int(np.flatnonzero(same)[0])
