"""Results of a search: search.json, from the outcomes of its trials and their curves in MLflow."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.files import write_record
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tuning.best_trial import incumbent, pick_best
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
    outcomes : sequence of TrialOutcome
        What became of the trials.
    trials : mapping of str to TrialSummary
        Run id -> the trial as MLflow holds it, with the target metric and `TargetMetric.of_training`.
    target : TargetMetric
        What trials are compared by.
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
