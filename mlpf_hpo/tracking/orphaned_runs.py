"""Orphaned runs: find the runs that a dead driver left RUNNING; refuse those of a living one."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from mlflow import MlflowClient
from mlflow.entities import Run

from mlpf_hpo.errors import BusyError
from mlpf_hpo.tracking.driver_process import HEARTBEAT, MISSED, DriverState, driver_state, is_this_process
from mlpf_hpo.tracking.links import condition_on
from mlpf_hpo.tracking.reader import all_runs
from mlpf_hpo.tracking.run_lookup import KINDS
from mlpf_hpo.tracking.store_writes import experiment_name

log = logging.getLogger(__name__)

WATCHED = 6
"""For so many intervals a driver that seems dead is watched at the start: a clock may be wrong."""

SILENT_SECONDS = 1800.0
"""A driver without a heartbeat, of an older version, is taken for dead when nothing was logged for long."""


def abandoned_runs(client: MlflowClient, campaign_id: str) -> tuple[list[tuple[str, Run]], str]:
    """Return the runs that a dead driver left RUNNING, each with its experiment's kind, and why it is dead.

    Raises
    ------
    BusyError
        If the driver lives, or may live; the message says which process it is, and what to do.
    """
    found = _running(client, campaign_id)
    parents = [(kind, run) for kind, run in found if run.data.tags.get("kind") == kind]
    reasons = []
    for kind, parent in parents:
        if is_this_process(parent.data.tags):
            reasons.append("left open by an earlier call in this process")
            continue
        state = _examined(client, parent, [run for _, run in found])
        if state.alive is not False:
            raise BusyError(_refusal(kind, campaign_id, state))
        reasons.append(f"the driver died: {state.name}, {state.evidence}")
    # Watching takes a while: what ended by itself meanwhile is no orphan.
    return (_running(client, campaign_id) if parents else found), "; ".join(reasons) or "the driver has ended"


def _running(client: MlflowClient, campaign_id: str) -> list[tuple[str, Run]]:
    condition = f"{condition_on(campaign_id)} and attributes.status = 'RUNNING'"
    experiments = {kind: client.get_experiment_by_name(experiment_name(kind)) for kind in KINDS}
    return [
        (kind, run)
        for kind, experiment in experiments.items()
        if experiment is not None
        for run in all_runs(client, experiment.experiment_id, condition)
    ]


def _examined(client: MlflowClient, parent: Run, runs: Sequence[Run]) -> DriverState:
    """Return the state of a parent's driver, watched for a while where its tags alone do not suffice."""
    state = driver_state(parent.data.tags)
    if state.alive is None:
        silent = time.time() - _last_sign(runs)
        evidence = f"{state.evidence}, and has logged nothing for {silent:.0f} s"
        return replace(state, alive=False if silent > SILENT_SECONDS else None, evidence=evidence)
    if state.alive or not state.by_heartbeat:
        return state
    return _watched(client, parent, state)


def _watched(client: MlflowClient, parent: Run, state: DriverState) -> DriverState:
    """Watch whether the heartbeat of a driver changes: no clock is needed for that."""
    interval = state.limit_seconds / MISSED
    log.warning(
        "%s: %s, %s; watching for %g s whether it changes", parent.info.run_name, state.name, state.evidence,
        WATCHED * interval,
    )  # fmt: skip
    deadline = time.monotonic() + WATCHED * interval
    while time.monotonic() < deadline:
        time.sleep(min(interval, 1.0))
        now = client.get_run(parent.info.run_id)
        if now.info.status != "RUNNING":
            return replace(state, alive=False, evidence="it has just ended")
        if now.data.tags.get(HEARTBEAT) != parent.data.tags[HEARTBEAT]:
            return replace(state, alive=True, evidence="its clock is another, but its heartbeat changes")
    return replace(state, evidence=f"{state.evidence}, and it does not change")


def _last_sign(runs: Sequence[Run]) -> float:
    """Return when anything of these runs was logged last, in seconds since 1970."""
    moments = [run.info.start_time for run in runs]
    moments += [int(point.timestamp) for run in runs for point in run.data.to_proto().metrics]
    return max(moments) / 1000


def _refusal(kind: str, campaign_id: str, state: DriverState) -> str:
    does = "may be training it" if state.alive is None else "trains it"
    dead = ""
    if state.alive is None:
        dead = f". If it is dead, a start takes over when nothing was logged for {SILENT_SECONDS:g} s"
    elif state.by_heartbeat:
        dead = f". If it is dead, a start takes over {state.limit_seconds:g} s after its last heartbeat"
    return (
        f"{kind} {campaign_id}: {state.name}, begun {state.since}, {does}: {state.evidence}. Nothing was "
        f"changed; wait until it has ended, or end it there with: kill {state.process}{dead}"
    )
