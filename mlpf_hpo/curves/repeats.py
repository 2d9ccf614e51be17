"""Repeats: several trainings of one configuration, and the noise between their final values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.curves.schema import LearningCurves

LARGEST = float(np.finfo(np.float64).max)
"""Noise is at most that, so that it can be written as JSON."""


@dataclass(frozen=True)
class RepeatNoise:
    """How much the final values of trainings of one configuration differ.

    Attributes
    ----------
    std : float
        Pooled standard deviation within configurations, of log(final value) if `log_scale`.
    log_scale : bool
        Whether all final values are positive: the noise is then relative.
    degrees_of_freedom : int
        Repeated trainings minus their configurations; the standard error of `std` is about
        ``std / sqrt(2 * degrees_of_freedom)`` for normal noise.
    configurations : int
        Configurations that were trained more than once.
    deviations : array [n_repeated]
        Deviations from the means of their configurations on that scale, scaled by sqrt(k / (k - 1)) for k
        trainings, so that their variance is that of the noise.
    """

    std: float
    log_scale: bool
    degrees_of_freedom: int
    configurations: int
    deviations: FloatArray

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON, without the deviations."""
        return {
            "std": self.std,
            "scale": "log" if self.log_scale else "metric",
            "degrees_of_freedom": self.degrees_of_freedom,
            "configurations": self.configurations,
        }


def repeat_noise(curves: LearningCurves) -> RepeatNoise | None:
    """Return the noise of the final values between trainings of one configuration; None without repeats.

    Curves without a final value do not count. Rows with equal configuration, seed and values are copies of
    one training, not repeats, and count once.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric, repeat_noise
    >>> configurations = [{"lr": 0.1}, {"lr": 0.1}, {"lr": 0.2}, {"lr": 0.2}, {"lr": 0.3}]
    >>> losses = [[9.0, -1.0], [9.0, 1.0], [9.0, 4.0], [9.0, 6.0], [9.0, 7.0]]
    >>> target = TargetMetric("loss", "min")
    >>> curves = LearningCurves.from_arrays(configurations, losses, target, seeds=[1, 2, 1, 2, 1])
    >>> noise = repeat_noise(curves)
    >>> noise.configurations, noise.degrees_of_freedom, round(noise.std, 3), noise.log_scale
    (2, 2, 1.414, False)
    """
    rows = np.flatnonzero(np.isfinite(curves.final) & ~copied(curves))
    final, groups = curves.final[rows], curves.groups[rows]
    log_scale = bool((final > 0).all())
    unit = 1.0 if log_scale else max(1.0, float(np.abs(final).max(initial=0.0)))  # squares may be infinite
    deviations, sizes = deviations_within(np.log(final) if log_scale else final / unit, groups)
    repeated = sizes > 1
    if not repeated.any():
        return None
    deviations = deviations[repeated]
    configurations = len(set(groups[repeated]))
    freedom = int(repeated.sum()) - configurations
    with np.errstate(over="ignore"):
        scaled = unit * (deviations * np.sqrt(sizes[repeated] / (sizes[repeated] - 1)))
    return RepeatNoise(
        std=min(LARGEST, unit * float(np.sqrt(np.square(deviations).sum() / freedom))),
        log_scale=log_scale,
        degrees_of_freedom=freedom,
        configurations=configurations,
        deviations=np.clip(scaled, -LARGEST, LARGEST),
    )


def deviations_within(values: FloatArray, groups: NDArray[Any]) -> tuple[FloatArray, IntArray]:
    """Return the deviation of each value from the mean of its group, and the group's size, [n] each.

    Examples
    --------
    >>> deviations, sizes = deviations_within(np.array([1.0, 3.0, 7.0]), np.array(["a", "a", "b"]))
    >>> deviations.tolist(), sizes.tolist()
    ([-1.0, 1.0, 0.0], [2, 2, 1])
    """
    table = pd.DataFrame({"value": values, "group": groups})
    by_group = table.groupby("group")["value"]
    deviations = (table["value"] - by_group.transform("mean")).to_numpy()
    return deviations, by_group.transform("size").to_numpy()


def describe_repeat_noise(noise: Mapping[str, Any] | None) -> str:
    """Return the noise of repeats, as `RepeatNoise.to_dict` gives it, as text.

    Examples
    --------
    >>> found = {"std": 0.125, "scale": "log", "degrees_of_freedom": 9, "configurations": 4}
    >>> describe_repeat_noise(found)
    '4 configurations trained more than once; noise: standard deviation 0.125 of log(final value)'
    >>> describe_repeat_noise(None)
    'no configuration trained more than once'
    """
    if noise is None:
        return "no configuration trained more than once"
    value = "log(final value)" if noise["scale"] == "log" else "the final value"
    return (
        f"{noise['configurations']} configurations trained more than once; noise: standard deviation "
        f"{noise['std']:.3g} of {value}"
    )


def copied(curves: LearningCurves) -> BoolArray:
    """Return which rows have the configuration, seed and values of an earlier row, [n_trials]."""
    table = pd.DataFrame(curves.values).assign(group=curves.groups, seed=curves.configs["seed"].to_numpy())
    return table.duplicated().to_numpy(dtype=bool)
