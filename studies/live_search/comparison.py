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
NAMES = ("epochs", "best_loss", "wall_seconds")
DIFFERENCES = {"loss_difference": "best_loss", "retrained_difference": "retrained_loss"}


def compare_schedulers(
    streams: Sequence[Mapping[str, Any]], repeats: Sequence[Sequence[Mapping[str, Any]]], yardstick: str
) -> dict[str, Any]:
    """Return what each scheduler took and found, and how it stands to the yardstick.

    Parameters
    ----------
    streams : sequence of mapping
        The record of each stream's search, see `run_search`.
    repeats : sequence of sequence of mapping
        For each stream the schedulers' best configurations: `schedulers`, the keys of those that found it,
        and `best_losses` of its repeats.
    yardstick : str
        Key of a scheduler.

    Returns
    -------
    dict
        `deviation_between_seeds`; for each scheduler `epochs`, `best_loss`, `retrained_loss` (of its best
        configuration, mean of the repeats), `wall_seconds` (mean, with the 95 % interval of other streams),
        and beside the yardstick `epochs_ratio` (of sums), and `loss_difference` and `retrained_difference`
        (means of the pairs): positive means worse than the yardstick.
    """
    mode = streams[0]["target"]["mode"]
    deviation = deviation_between_seeds([list(one["best_losses"]) for best in repeats for one in best])
    keys = list(streams[0]["schedulers"])
    of = {key: {name: _column(streams, key, name) for name in NAMES} for key in keys}
    for key in keys:
        of[key]["retrained_loss"] = np.array([_retrained(best, key) for best in repeats])
    n = len(streams)
    resampling = Resampling.of(n, Sizes(searched=1, prior=0, available=n), draws=DRAWS)
    found: dict[str, Any] = {}
    for key in keys:
        found[key] = {name: resampling.mean(values) for name, values in of[key].items()}
        if key != yardstick:
            ours, theirs = of[key]["epochs"], of[yardstick]["epochs"]
            ratios = (resampling.weights @ ours) / (resampling.weights @ theirs)
            found[key]["epochs_ratio"] = resampling.ratio(float(ours.sum() / theirs.sum()), ratios)
            for name, loss in DIFFERENCES.items():
                worse = of[key][loss] - of[yardstick][loss]
                difference = resampling.mean(worse if mode == "min" else -worse)
                difference["high_over_deviation"] = difference["high"] / deviation
                found[key][name] = difference
    return {
        "streams": n,
        "configurations": streams[0]["configurations"],
        "max_epochs": streams[0]["max_epochs"],
        "yardstick": yardstick,
        "deviation_between_seeds": deviation,
        "schedulers": found,
    }


def describe(compared: Mapping[str, Any]) -> list[str]:
    """Return a line for each scheduler."""
    lines = []
    for key, one in compared["schedulers"].items():
        line = f"{key}: {one['epochs']['mean']:.0f} epochs, best loss {one['best_loss']['mean']:.5g}"
        if "epochs_ratio" in one:
            ratio, found, again = (one[name] for name in ("epochs_ratio", *DIFFERENCES))
            line += (
                f"; beside {compared['yardstick']} {ratio['mean']:.2f} of its epochs "
                f"[{ratio['low']:.2f}, {ratio['high']:.2f}], loss {found['mean']:+.3g} "
                f"[{found['low']:+.3g}, {found['high']:+.3g}], trained again {again['mean']:+.3g} "
                f"[{again['low']:+.3g}, {again['high']:+.3g}]"
            )
        lines.append(line)
    lines.append(f"standard deviation between seeds: {compared['deviation_between_seeds']:.3g}")
    return lines


def _column(streams: Sequence[Mapping[str, Any]], key: str, name: str) -> FloatArray:
    return np.array([stream["schedulers"][key][name] for stream in streams], dtype=np.float64)


def _retrained(best: Sequence[Mapping[str, Any]], key: str) -> float:
    """Return the mean of the repeats of what a scheduler found best on a stream."""
    (losses,) = (one["best_losses"] for one in best if key in one["schedulers"])
    return float(np.mean(losses))
