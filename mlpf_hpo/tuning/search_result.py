"""Results of a search: search.json, from the outcomes of its trials and their curves; the best trial."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpf_hpo.errors import DataError
from mlpf_hpo.files import write_record
from mlpf_hpo.search.trial_summary import TrialSummary, has_network
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.best_so_far import improvements

if TYPE_CHECKING:  # reports, which show results, need no Ray
    from mlpf_hpo.tuning.run import TrialOutcome


@dataclass(frozen=True)
class SearchRecord:
    """What the schedulers found, for search.json and for people."""

    content: dict[str, Any]
    links: str

    def write(self, path: Path) -> None:
        """Write search.json."""
        write_record(path, self.content)

    def summary(self) -> str:
        """Return each scheduler's result and the links, for people."""
        metric = self.content["target"]["metric"]
        lines = [describe_result(found, metric) for found in self.content["schedulers"].values()]
        return "\n".join([*lines, self.links])


def search_result(
    outcomes: Sequence[TrialOutcome], trials: Mapping[str, TrialSummary], target: TargetMetric, where: str
) -> dict[str, Any]:
    """Return a scheduler's part of search.json: the best one, counts, every trial, the incumbent.

    Parameters
    ----------
    trials : mapping of str to TrialSummary
        Run id -> the trial as MLflow holds it, with the target metric and `TargetMetric.of_training`.
    where : str
        What found them, for a message.

    Raises
    ------
    DataError
        If every trial diverged or failed.
    """
    rows = [_trial_row(outcome, trials[outcome.run_id], target) for outcome in outcomes]
    best = pick_best(rows, target, where)
    counts = Counter((row["status"], row["reason"]) for row in rows)
    statuses = Counter(row["status"] for row in rows)
    return {
        "epochs": sum(trial.epochs for trial in trials.values()),
        "best_loss": target.best(best["curve"]),
        "best_trial": best["trial_id"],
        "best_run_id": best["run_id"],
        "best_configuration": best["configuration"],
        "stopped_by_rank": counts["stopped", "rank"],
        "stopped_by_prediction": counts["stopped", "prediction"],
        "not_promoted": counts["stopped", "not promoted"],
        "finished": statuses["finished"],
        "diverged": statuses["diverged"],
        "failed": statuses["failed"],
        "trials": rows,
        "incumbent": incumbent(list(trials.values()), target),
    }


def describe_result(found: Mapping[str, Any], metric: str) -> str:
    """Return what a scheduler found, for people."""
    reused, unpromoted = found["reused"], found["not_promoted"]
    left = f", {unpromoted} not promoted" if unpromoted else ""
    already = f" ({reused} trials were on record already)" if reused else ""
    return (
        f"search: {found['label']}: {found['epochs']} epochs, best {metric} "
        f"{found['best_loss']:.4g} ({found['best_trial']}); {found['finished']} finished, "
        f"{found['stopped_by_rank']} stopped by rank, {found['stopped_by_prediction']} by prediction{left}, "
        f"{found['diverged']} diverged, {found['failed']} failed; "
        f"{found['wall_seconds']:.0f} s{already}"
    )


def pick_best(trials: Iterable[Mapping[str, Any]], target: TargetMetric, where: str) -> dict[str, Any]:
    """Return the trial with the best value at any epoch, among those whose network is there at the end.

    A trial that diverged, or failed, has none, however good its loss was before: see `has_network`. `trials`
    are rows of search.json; of equals the first counts. `where` says for the message whose trials they are.

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
    """Return the best trial in search.json (see `pick_best`), with its scheduler's label and id.

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


def _trial_row(outcome: TrialOutcome, trial: TrialSummary, target: TargetMetric) -> dict[str, Any]:
    names = {target.metric: "curve"}
    if target.of_training in trial.metrics:
        names[target.of_training] = "train_curve"
    together = zip(*(trial.metrics.get(metric, ()) for metric in names), strict=False)
    epochs = list(itertools.takewhile(lambda losses: all(map(math.isfinite, losses)), together))
    return {
        "trial_id": outcome.trial_id,
        "trial_key": outcome.key,
        "run_id": outcome.run_id,
        "status": outcome.status,
        "reason": outcome.reason,
        "configuration": dict(trial.configuration),
        # Up to the first value that is not finite, both of the same length.
        "train_curve": [],
        **{name: [float(row[i]) for row in epochs] for i, name in enumerate(names.values())},
    }
