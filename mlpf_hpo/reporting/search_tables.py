"""Tables of the search: what each scheduler spent and found, and how each trial ended under each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.tables import Table
from mlpf_hpo.search.search_result import waited_in
from mlpf_hpo.target_metric import TargetMetric


def regret(search: Mapping[str, Any], name: str) -> float:
    """Return how much worse a scheduler's best value is than the best of all, in units of the metric."""
    target = TargetMetric.of_dict(search.get("target"))
    costs = {key: target.cost(found["best_loss"]) for key, found in search["schedulers"].items()}
    return costs[name] - min(costs.values())


def table_search(inputs: ReportInput) -> Table:
    """Return what each scheduler spent and found."""
    waited, search = waited_in(inputs.search), inputs.search
    stopped = {"stopped_by_rank": "stopped: rank"}
    if any(found["stopped_by_prediction"] for found in search["schedulers"].values()) or search["champion"]:
        stopped["stopped_by_prediction"] = "prediction"
    rows = [
        (
            found["label"],
            str(found["epochs"]),
            f"{found['best_loss']:.4g}",
            f"{regret(search, name):.3g}",
            found["best_trial"],
            str(found["finished"]),
            *(str(found[key]) for key in (*stopped, *waited)),
            str(found["diverged"]),
            str(found["failed"]),
            f"{found['wall_seconds']:.0f}",
        )
        for name, found in search["schedulers"].items()
    ]
    full = search["configurations"] * search["max_epochs"]
    caption = (
        f"The search. All {search['configurations']} configurations in full take {full} epochs. Regret: how "
        "much worse the best value is than that of the best scheduler. A trial whose loss is no longer "
        "finite has diverged; one that broke has failed."
    )
    header = (
        "scheduler",
        "epochs",
        f"best {inputs.target_name.removeprefix('validation ')}",
        "regret",
        "trial",
        "finished",
        *stopped.values(),
        *waited.values(),
        "diverged",
        "failed",
        "seconds",
    )
    return Table(caption, header, rows)


def table_ends(inputs: ReportInput) -> Table:
    """Return after how many epochs, and why, each trial ended under each scheduler."""
    schedulers = inputs.search["schedulers"].values()
    ends = [{trial["trial_id"]: _end(trial) for trial in found["trials"]} for found in schedulers]
    rows = [(trial_id, *(one[trial_id] for one in ends)) for trial_id in ends[0]]
    caption = (
        "How each trial ended: epochs, and what ended it. Not promoted: paused, and nothing was left for it; "
        "not started: never worth its first epoch, or its turn did not come."
    )
    return Table(caption, ("trial", *(found["label"] for found in schedulers)), rows)


def _end(trial: Mapping[str, Any]) -> str:
    """Return a trial's end in a cell's words."""
    if trial["reason"] == "not started":
        return "not started"
    reason = trial["reason"] if trial["status"] in ("stopped", "failed") else ""
    words = f"{trial['status']}: {reason}" if trial["status"] == "failed" else reason or trial["status"]
    return f"{len(trial['curve'])}, {words}"
