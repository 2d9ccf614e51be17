"""The best trial of a search, the course of the best loss, and the folder of a trial's checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError
from mlpf_hpo.search.trial_summary import TrialSummary, has_network
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.best_so_far import improvements


def pick_best(trials: Iterable[Mapping[str, Any]], target: TargetMetric, where: str) -> dict[str, Any]:
    """Return the trial with the best value at any epoch, among those whose network is there at the end.

    A trial that diverged, or failed, has none, however good its loss was before: see `has_network`.

    Parameters
    ----------
    trials : iterable of mapping
        Rows of search.json, with `status` and `curve`; of equals the first counts.
    target : TargetMetric
        What `curve` holds.
    where : str
        What they are trials of, for the message.

    Raises
    ------
    DataError
        If every trial diverged or failed.
    """
    kept = [dict(trial) for trial in trials if trial["curve"] and has_network(trial["status"])]
    if not kept:
        raise DataError(f"{where}: no trial has a network to show: all diverged or failed")
    return min(kept, key=lambda trial: target.cost(target.best(trial["curve"])))


def best_trial(search: Mapping[str, Any]) -> dict[str, Any]:
    """Return the best trial of all schedulers (see `pick_best`), with its scheduler's label and id.

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
        {**trial, "scheduler": found["label"], "campaign_id": found["campaign_id"]}
        for found in search["schedulers"].values()
        for trial in found["trials"]
    ]
    return pick_best(trials, TargetMetric.of_dict(search.get("target")), "search")


def incumbent(trials: Sequence[TrialSummary], target: TargetMetric) -> list[list[float]]:
    """Return the best value so far against the epochs spent by all trials together (see `improvements`).

    Returns
    -------
    list of [epochs spent, best value so far]
        One entry per improvement, and one at the end.
    """
    return [[float(point.step), point.value] for point in improvements(trials, target)]


def trial_folder(state: Path, campaign_id: str, trial_key: str) -> Path:
    """Return the folder of a trial's checkpoints."""
    return state / "checkpoints" / campaign_id / trial_key
