"""Results of a search: search.json, from the outcomes of its trials and their curves; the best trial."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mlpf_hpo.errors import DataError
from mlpf_hpo.files import write_record
from mlpf_hpo.search.scheduler import Stop
from mlpf_hpo.search.trial_summary import TrialSummary, has_network
from mlpf_hpo.target_metric import TargetMetric

WAITED = {"not_promoted": "not promoted", "not_started": "not started"}
"""Key in search.json of the number of trials that waited when the search ended, and the reason of each."""


@dataclass(frozen=True)
class TrialOutcome:
    """What became of a trial.

    Attributes
    ----------
    trial_id, key, run_id : str
        Position in the stream, identity, MLflow run.
    status : str
        "finished", "stopped", "diverged" or "failed".
    epochs : int
        Number of epochs that the scheduler saw.
    best : float
        Best finite value of the target metric; NaN where there is none.
    reason : str
        Which rule stopped it ("rank", "prediction", "not promoted", "not started"), or the error that it
        failed with.
    stop : Stop or None
        The particulars of a stop: limit, and prediction at that time.
    on_record : bool
        Whether it needed no more training in this call; no part of what became of it.
    """

    trial_id: str
    key: str
    run_id: str
    status: str
    epochs: int
    best: float
    reason: str
    stop: Stop | None = None
    on_record: bool = field(default=False, compare=False)


class Point(NamedTuple):
    """A value of a series; the moment in ms since 1970."""

    step: int
    value: float
    moment_ms: int


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
        If every trial diverged, failed or was not started.
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
        **{key: counts["stopped", reason] for key, reason in WAITED.items()},
        "finished": statuses["finished"],
        "diverged": statuses["diverged"],
        "failed": statuses["failed"],
        "trials": rows,
        "incumbent": [[float(point.step), point.value] for point in improvements(trials.values(), target)],
    }


def waited_in(search: Mapping[str, Any]) -> dict[str, str]:
    """Return those of `WAITED` that any scheduler of search.json left."""
    schedulers = search["schedulers"].values()
    return {key: words for key, words in WAITED.items() if any(found[key] for found in schedulers)}


def describe_result(found: Mapping[str, Any], metric: str) -> str:
    """Return what a scheduler found, for people."""
    left = "".join(f", {found[key]} {words}" for key, words in WAITED.items() if found[key])
    already = f" ({found['reused']} trials were on record already)" if found["reused"] else ""
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
        If every trial diverged, failed or was not started.
    """
    kept = [dict(trial) for trial in trials if trial["curve"] and has_network(trial["status"])]
    if not kept:
        raise DataError(f"{where}: no trial has a network to show: all diverged, failed or were not started")
    return min(kept, key=lambda trial: target.cost(target.best(trial["curve"])))


def best_trial(search: Mapping[str, Any]) -> dict[str, Any]:
    """Return the best trial in search.json (see `pick_best`), with its scheduler's label and id.

    Raises
    ------
    DataError
        If every trial diverged, failed or was not started.
    """
    trials = [
        {**trial, "scheduler": found["label"], "campaign_id": found["campaign_id"]}
        for found in search["schedulers"].values()
        for trial in found["trials"]
    ]
    return pick_best(trials, TargetMetric.of_dict(search.get("target")), "search")


def improvements(trials: Iterable[TrialSummary], target: TargetMetric) -> list[Point]:
    """Return where the best value of all trials together improved, and the last epoch.

    Epochs are put in the order in which they ended, by the timestamps on record. Those of a trial whose
    network is not there at the end are spent as well, but its values are never the best: the last point is
    the value of the best trial.

    Returns
    -------
    list of Point
        The step is the number of epochs spent by then; empty where no value is finite.
    """
    ended = sorted(
        (moment, target.cost(value) if has_network(trial.status) else math.inf)
        for trial in trials
        for moment, value in zip(trial.timestamps, trial.metrics.get(target.metric, ()), strict=False)
    )
    best = math.inf
    points: list[Point] = []
    for spent, (moment, cost) in enumerate(ended, start=1):
        improved = math.isfinite(cost) and cost < best
        best = cost if improved else best
        if improved or (points and spent == len(ended)):
            points.append(Point(spent, target.cost(best), round(1000 * moment)))
    return points


def staircase(points: Iterable[Point]) -> list[Point]:
    """Add the epoch before each improvement: what draws straight lines between points then draws steps.

    Examples
    --------
    >>> [(p.step, p.value) for p in staircase([Point(1, 9.0, 0), Point(5, 7.0, 40), Point(6, 7.0, 50)])]
    [(1, 9.0), (4, 9.0), (5, 7.0), (6, 7.0)]
    """
    out: list[Point] = []
    for point in points:
        if out and point.step - 1 > out[-1].step and point.value != out[-1].value:
            out.append(Point(point.step - 1, out[-1].value, point.moment_ms - 1))
        out.append(point)
    return out


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
