"""Schedulers compared on streams of configurations: epochs, best losses, and what can be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.search.draws import Sizes
from mlpf_hpo.search.resampling import Resampling
from studies.live_search.repeated_trainings import deviation_between_seeds

DRAWS = 10_000
YARDSTICK = "promotion_asha"
NAMES = ("epochs", "best_loss", "wall_seconds")


def compare_schedulers(
    streams: Sequence[Mapping[str, Any]], repeats: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """Return what each scheduler took and found, and how it stands to `YARDSTICK`.

    Parameters
    ----------
    streams : sequence of mapping
        The record of each stream's search, see `run_search`.
    repeats : sequence of sequence of float
        Best losses of repeats of one configuration for each stream.

    Returns
    -------
    dict
        `deviation_between_seeds`; for each scheduler `epochs`, `best_loss`, `wall_seconds` (mean, with the
        95 % interval of other streams), and beside the yardstick `epochs_ratio` (of sums), and
        `loss_difference` (mean of the pairs): positive means worse than the yardstick.
    """
    mode = streams[0]["target"]["mode"]
    deviation = deviation_between_seeds([list(one) for one in repeats])
    keys = list(streams[0]["schedulers"])
    of = {key: {name: _column(streams, key, name) for name in NAMES} for key in keys}
    n = len(streams)
    resampling = Resampling.of(n, Sizes(searched=1, prior=0, available=n), draws=DRAWS)
    found: dict[str, Any] = {}
    for key in keys:
        found[key] = {name: resampling.mean(values) for name, values in of[key].items()}
        if key != YARDSTICK and YARDSTICK in of:
            ours, theirs = of[key]["epochs"], of[YARDSTICK]["epochs"]
            ratios = (resampling.weights @ ours) / (resampling.weights @ theirs)
            found[key]["epochs_ratio"] = resampling.ratio(float(ours.sum() / theirs.sum()), ratios)
            worse = of[key]["best_loss"] - of[YARDSTICK]["best_loss"]
            worse = worse if mode == "min" else -worse
            difference = resampling.mean(worse)
            difference["high_over_deviation"] = difference["high"] / deviation
            found[key]["loss_difference"] = difference
    return {
        "streams": n,
        "configurations": streams[0]["configurations"],
        "max_epochs": streams[0]["max_epochs"],
        "yardstick": YARDSTICK,
        "deviation_between_seeds": deviation,
        "schedulers": found,
    }


def describe(compared: Mapping[str, Any]) -> list[str]:
    """Return a line for each scheduler."""
    lines = []
    for key, one in compared["schedulers"].items():
        line = f"{key}: {one['epochs']['mean']:.0f} epochs, best loss {one['best_loss']['mean']:.5g}"
        if "epochs_ratio" in one:
            ratio, difference = one["epochs_ratio"], one["loss_difference"]
            line += (
                f"; beside {compared['yardstick']} {ratio['mean']:.2f} of its epochs "
                f"[{ratio['low']:.2f}, {ratio['high']:.2f}], loss {difference['mean']:+.3g} "
                f"[{difference['low']:+.3g}, {difference['high']:+.3g}]"
            )
        lines.append(line)
    lines.append(f"standard deviation between seeds: {compared['deviation_between_seeds']:.3g}")
    return lines


def _column(streams: Sequence[Mapping[str, Any]], key: str, name: str) -> FloatArray:
    return np.array([stream["schedulers"][key][name] for stream in streams], dtype=np.float64)
