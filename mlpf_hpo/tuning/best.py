"""The best trial of a search, and where a trial keeps its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError


def best_trial(search: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trial with the lowest validation loss of any epoch, with its policy's label and id.

    Parameters
    ----------
    search : mapping
        Content of search.json.

    Raises
    ------
    DataError
        If every trial diverged or failed.
    """
    trials = [
        {**trial, "policy": policy["label"], "campaign_id": policy["campaign_id"]}
        for policy in search["policies"].values()
        for trial in policy["trials"]
        # The last weights of a training that diverged are not numbers, whatever it reached before.
        if trial["curve"] and trial["train_curve"] and trial["status"] != "diverged"
    ]
    if not trials:
        raise DataError("search: no trial has a network to show: all diverged or failed")
    return min(trials, key=lambda trial: min(trial["curve"]))


def trial_folder(state: Path, campaign_id: str, trial_key: str) -> Path:
    """Return the folder of a trial's checkpoints."""
    return state / "checkpoints" / campaign_id / trial_key
