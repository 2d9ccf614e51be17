"""Several runs of one trial, or of one parent: which of them counts.

Two runs of one trial are on record after one was deleted in MLflow, the trial was trained again, and the
deleted run was restored; or after a server made a run although the request for it had been given up.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlflow.entities import Run

from mlpf_hpo.tracking.epoch_metrics import last_epoch

ENDED = ("finished", "stopped", "diverged")
"""Statuses of trials that need no more training."""


def by_preference(runs: Iterable[Run]) -> list[Run]:
    """Return runs of one trial, or parents of one campaign, in order: the first is the one that counts.

    Of a trial it is the run with the most epochs; of equals one that has ended by itself; then the newest. Of
    parents it is the newest: a parent ends and goes on with every call of its stage.
    """
    return sorted(runs, key=_preference)


def counted_once(runs: Iterable[Run]) -> list[Run]:
    """Return the runs that count, one for each trial and for each parent, in the order given."""
    found = list(runs)
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in found:
        groups.setdefault(_identity(run), []).append(run)
    counted = {by_preference(group)[0].info.run_id for group in groups.values()}
    return [run for run in found if run.info.run_id in counted]


def _identity(run: Run) -> tuple[str, ...]:
    """Return what two runs of the same have in common; a run that is not ours is the only one of its kind."""
    tags = run.data.tags
    if not {"kind", "campaign_id"} <= tags.keys():
        return (run.info.run_id,)
    return run.info.experiment_id, tags["kind"], tags["campaign_id"], tags.get("trial_key", "")


def _preference(run: Run) -> tuple[int, bool, int, str]:
    tags, info = run.data.tags, run.info
    if tags.get("kind") != "trial":
        return 0, False, -info.start_time, info.run_id
    return -last_epoch(run), tags.get("trial_status") not in ENDED, -info.start_time, info.run_id
