"""The learning curve of the reference training, and what it says of more epochs and more events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from mlpf_hpo.plotting import BLUE, ORANGE, canvas, plain_log
from mlpf_hpo.reporting.figures import LOSS_NOTE
from mlpf_hpo.reporting.style import Panel

LITTLE = 0.01
"""A relative change of the loss below which it is said to be little."""


def figure_curve(training: Mapping[str, Any]) -> Panel:
    """Return training and validation loss against the epoch."""
    epochs = np.arange(1, len(training["epochs"]) + 1)
    host = training["hardware"]
    with canvas() as (figure, (axis,)):
        for name, label, colour, line in (
            ("train/loss", "training", BLUE, "-"),
            ("val/loss", "held-back ttbar", ORANGE, "--"),
        ):
            axis.plot(epochs, _losses(training, name), color=colour, linestyle=line, label=label)
        axis.set(xlabel="epoch", ylabel="loss", yscale="log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain_log(axis)
        axis.legend()
    return Panel(
        "learning-curve",
        "The learning curve",
        f"{len(epochs)} epochs in {minutes(training):.0f} minutes on {host}. The training loss is the "
        f"mean over an epoch in which the network changes. {LOSS_NOTE}",
        figure,
    )


def minutes(training: Mapping[str, Any]) -> float:
    """Return how long the epochs took."""
    return sum(epoch["time/epoch_seconds"] for epoch in training["epochs"]) / 60


def describe_curve(training: Mapping[str, Any]) -> str:
    """Say what the curve says of more epochs, and of more events.

    Examples
    --------
    >>> epochs = [{"train/loss": loss, "val/loss": loss} for loss in (8.0, 6.0, 5.0, 4.0)]
    >>> describe_curve({"epochs": epochs})  # doctest: +ELLIPSIS
    'In the last 1 of 4 epochs the validation loss fell by 20.0 %: more epochs would lower it further. ...'
    """
    validation, train = _losses(training, "val/loss"), _losses(training, "train/loss")
    last = max(len(validation) // 4, 1)
    fell = 1 - validation[-1] / validation[-1 - last]
    above = validation[-1] / train[-1] - 1
    more_epochs = (
        "more epochs would lower it further"
        if fell > LITTLE
        else "more epochs at this learning rate would change little"
    )
    more_events = (
        "more events would help"
        if above > LITTLE
        else "events not seen are fitted as well as those that were, so that more epochs, or a larger "
        "network, come before more events"
    )
    return (
        f"In the last {last} of {len(validation)} epochs the validation loss fell by {fell:.1%}: "
        f"{more_epochs}. After the last one it is {above:.1%} above the training loss: {more_events}."
    ).replace("%", " %")


def _losses(training: Mapping[str, Any], name: str) -> list[float]:
    return [epoch[name] for epoch in training["epochs"]]
