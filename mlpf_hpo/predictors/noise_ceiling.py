"""Noise ceiling: scores of a perfect prediction of each configuration's mean, given the noise of repeats.

No predictor from hyperparameters alone can be better on average. A predictor that has seen a part of the
curve can, because it has seen a part of the noise as well.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import LARGEST_SQUARED, FloatArray
from mlpf_hpo.curves.repeats import RepeatNoise, copied, repeat_noise
from mlpf_hpo.curves.row_order import by_content
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.scoring import held_out, quantile_space, score
from mlpf_hpo.seeds import derive_seed

LEAST_FREEDOM = 3
"""Least degrees of freedom of the noise's estimate."""

DRAWS = 100
"""Least number of simulated test sets, over all splits."""


def noise_ceiling(
    curves: LearningCurves, train: int, splits: int, seed: int
) -> tuple[RepeatNoise | None, dict[str, list[float]]]:
    """Return the noise of repeats, and for each score the noise ceiling of every split.

    The means of the configurations are not known. Their estimates, which contain noise, are drawn toward
    their common mean until their spread is that of the true means (the spread of the estimates without the
    part that the noise contributes). To each, deviations between repeats are added, drawn with replacement.
    The result is scored against the means, on the test rows of the splits that `evaluate` has with this seed.

    Parameters
    ----------
    curves : LearningCurves
        Every curve has a final value.
    train, splits, seed : int
        As for `repeated_splits.evaluate`.

    Returns
    -------
    RepeatNoise or None, dict of str to list of float
        None without repeats; no ceilings if there are too few, see `LEAST_FREEDOM`, or if variances would be
        infinite.

    Notes
    -----
    The noise is taken to be the same for all configurations, on a log scale where all final values are
    positive.
    """
    noise = repeat_noise(curves)
    if noise is None or noise.degrees_of_freedom < LEAST_FREEDOM or _is_extreme(curves, noise):
        return noise, {}
    curves = by_content(curves)
    means = _true_means(curves, noise)
    shift = float(np.exp(noise.deviations).mean()) if noise.log_scale else 1.0
    predicted = np.exp(means) * shift if noise.log_scale else means
    ceiling: dict[str, list[float]] = {}
    for split in range(splits):
        rows, test = held_out(curves.groups, train, derive_seed(seed, "split", split))
        generator = np.random.default_rng(derive_seed(seed, "noise", split))
        draws = []
        for _ in range(math.ceil(DRAWS / splits)):
            values = means + generator.choice(noise.deviations, len(means))
            final = np.exp(values) if noise.log_scale else values
            to_quantile = quantile_space(final[rows])
            true, told = final[test], predicted[test]
            draws.append(score(true, told, to_quantile(true), to_quantile(told), curves.mode))
        for metric in draws[0]:
            ceiling.setdefault(metric, []).append(float(np.mean([one[metric] for one in draws])))
    return noise, ceiling


def _is_extreme(curves: LearningCurves, noise: RepeatNoise) -> bool:
    """Return whether squares of the final values, or of simulated ones, could be infinite."""
    if not noise.log_scale:
        return float(np.abs(curves.final).max()) > LARGEST_SQUARED
    reach = np.abs(np.log(curves.final)).max() + np.abs(noise.deviations).max()
    return bool(reach > math.log(LARGEST_SQUARED))


def _true_means(curves: LearningCurves, noise: RepeatNoise) -> FloatArray:
    """Return means of the configurations, [n], with the spread that is left without the noise in them."""
    values = np.log(curves.final) if noise.log_scale else curves.final
    table = pd.DataFrame({"value": values, "group": curves.groups})
    distinct = table[~copied(curves)].groupby("group")["value"].agg(["mean", "size"])
    contributed = noise.std**2 / distinct["size"].to_numpy()
    means = distinct["mean"].to_numpy()
    centre = means.mean()
    variance = max(0.0, float(means.var(ddof=1) - contributed.mean()))
    factor = np.sqrt(variance / (variance + contributed)) if variance else 0.0
    drawn = centre + factor * (means - centre)
    return np.asarray(drawn[distinct.index.get_indexer(pd.Index(curves.groups))])
