"""Order of trials by their content, whatever the order of the rows in a table."""

from __future__ import annotations

import numpy as np

from mlpf_hpo.curves.schema import LearningCurves


def by_content(curves: LearningCurves) -> LearningCurves:
    """Return the trials in one order, whatever order the rows came in: by configuration, then by value.

    Folds, subsets and bootstrap samples are drawn by position. In a table that is sorted, by the final value
    for example, some folds would otherwise have better final values than others. Names of configurations
    are hashes: their order has nothing to do with the values.

    Trials of a campaign stay as they are: they stand in the order of its stream, which its seed decides.
    """
    if curves.run_ids.astype(bool).any():
        return curves
    epochs = curves.values.T[::-1]  # the last key counts first
    return curves.select(np.lexsort((*epochs, curves.groups)))
