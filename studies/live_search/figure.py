"""The figure of the study: epochs and best loss of every search, streams side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpf_hpo.plotting import BLUE, GREEN, GREY, ORANGE, RED, canvas, png

COLOURS = (GREY, ORANGE, BLUE, GREEN, RED)
MARKERS = "osD^v"


def figure_search(streams: Sequence[Mapping[str, Any]], deviation: float) -> bytes:
    """Return a PNG with the epochs of each search, and its best loss beside the best of its stream."""
    schedulers = streams[0]["schedulers"]
    best = [{key: found["best_loss"] for key, found in stream["schedulers"].items()} for stream in streams]
    better = min if streams[0]["target"]["mode"] == "min" else max
    numbers = np.arange(1, len(streams) + 1)
    with canvas(columns=2) as (figure, (left, right)):
        for i, (key, found) in enumerate(schedulers.items()):
            at = numbers + 0.12 * (i - (len(schedulers) - 1) / 2)
            style: dict[str, Any] = {"color": COLOURS[i % 5], "marker": MARKERS[i % 5], "linestyle": ""}
            left.plot(at, [stream["schedulers"][key]["epochs"] for stream in streams], **style)
            behind = [abs(one[key] - better(one.values())) for one in best]
            right.plot(at, behind, label=found["label"], **style)
        right.axhline(deviation, color=GREY, linestyle=":", label="deviation between seeds")
        left.set(xlabel="stream", ylabel="epochs", ylim=(0, None), xticks=numbers)
        right.set(xlabel="stream", ylabel="best loss, from the stream's best", xticks=numbers)
        handles, labels = right.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=8)
        return png(figure)
