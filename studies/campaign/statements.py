"""Sentences of the page: what there is of the data set, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.campaign.configuration_figures import spread

PLANNED = {
    "configurations": "configurations",
    "repeated": "configurations with further seeds",
    "longer": "longer trainings",
    "second_task": "configurations on the second task",
}


def completeness(found: Mapping[str, Any]) -> str:
    """Say how much of what was planned there is."""
    planned, there = found["planned"], found["there"]
    parts = [
        f"{there[key]} of {planned[key]} {name}"
        for key, name in PLANNED.items()
        if planned[key] or there[key]
    ]
    counted = f"{found['main']['about']['source']}, {there['epochs']} epochs: {', '.join(parts)}."
    missing = any(there[key] < planned[key] for key in PLANNED)
    return (
        f"{counted} The data set is not finished: every number here is of what there is."
        if missing
        else counted
    )


def lead(found: Mapping[str, Any]) -> list[str]:
    """Say the few things that the page shows, a sentence each; only those that could be measured."""
    main = found["main"]
    settling, importance = main["settling"], main["importance"]
    said = []
    if settling is not None:
        at = max(0, round(len(settling["epochs"]) / 4) - 1)
        said.append(
            f"After {settling['epochs'][at]} of {main['about']['n_epochs']} epochs, ranks have a Spearman "
            f"correlation of {spread(_at(settling['spearman'], at))} with the final ones, and "
            f"{spread(_at(settling['top_recall'], at))} of the best {settling['top']} are among the "
            f"best then; {settling['crossing_pairs'][at]:.1%} of the pairs cross later.".replace("%", " %")
        )
    if main["crossing"] is None:
        said.append("No pair of curves crosses by more than noise: there is no figure 1.")
    if importance is not None and importance["r2"]["low"] <= 0:
        said.append(
            "Hyperparameters do not predict the ranks of configurations left out (R² "
            f"{spread(importance['r2'])}): their importance is not known."
        )
    elif importance is not None:
        first, second = list(importance["hyperparameters"].items())[:2]
        said.append(
            f"What matters most is {first[0]} ({spread(first[1])} of R²), then {second[0]} "
            f"({spread(second[1])})."
        )
    if main["seed_noise"] is not None and main["seed_noise"]["to_spread"] is not None:
        said.append(
            f"Noise between seeds is {main['seed_noise']['to_spread']:.2f} of the spread between "
            "configurations."
        )
    if found["second_task"] is not None:
        said.append(
            "Ranks on the second task and on the first have a Spearman correlation of "
            f"{spread(found['second_task']['spearman'])}."
        )
    return said


def _at(band: Mapping[str, Any], position: int) -> dict[str, float]:
    return {bound: values[position] for bound, values in band.items()}
