"""A campaign of the paper's size, written straight into the database: MLflow would take a minute."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass

import numpy as np
from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag

from mlpf_hpo.space import TABLE_1
from mlpf_hpo.tracking.records import trial_name

CAMPAIGN = "1a49e"

TRIALS, ON_THE_FIRST, EPOCHS = 301, 200, 6

DIVERGED_EVERY = 14
"""Every so many trials one diverges: by NaN or by infinity, some in their first epoch."""


@dataclass(frozen=True)
class Curve:
    """A trial's losses, what became of it, and which machine trained it."""

    losses: list[float]
    status: str
    machine: str


def curves() -> list[Curve]:
    """Return the curves of all trials; those of the second machine are worse: the best hundred are of one."""
    generator = np.random.default_rng(0)
    out = []
    for i in range(TRIALS):
        first = i < ON_THE_FIRST
        losses = (500 + 100 * (not first) + 80 * generator.random() + 200 / np.arange(1, EPOCHS + 1)).tolist()
        status = "finished"
        if i % DIVERGED_EVERY == 0:
            losses = losses[: i // DIVERGED_EVERY % EPOCHS + 1]
            losses[-1] = math.inf if i % 2 else math.nan
            status = "diverged"
        out.append(Curve(losses, status, "box-a" if first else "box-b"))
    return out


def write_trials(client: MlflowClient, experiment_id: str, parent: str) -> list[Curve]:
    """Write the trials of the campaign below its parent run."""
    found = curves()
    rows = [row for i, curve in enumerate(found) for row in _rows(i, curve, experiment_id, parent)]
    with client._tracking_client.store.ManagedSessionMaker(read_only=False) as session:
        session.add_all([row for row in rows if isinstance(row, SqlRun)])
        session.flush()
        session.add_all([row for row in rows if not isinstance(row, SqlRun)])
    return found


def _rows(number: int, curve: Curve, experiment_id: str, parent: str) -> list:
    run, now, trial_id = f"{number:032x}", int(time.time() * 1000), f"t{number:03d}"
    configuration = TABLE_1.sample(np.random.default_rng(number))
    tags = {
        "kind": "trial",
        "stage": "campaign",
        "campaign_id": CAMPAIGN,
        "trial_id": trial_id,
        "trial_key": f"large{number}",
        "trial_status": curve.status,
        "hardware_label": curve.machine,
        "mlflow.parentRunId": parent,
        "mlflow.runName": trial_name(trial_id, configuration),
    }
    rows = [
        SqlRun(
            run_uuid=run,
            name=tags["mlflow.runName"],
            experiment_id=int(experiment_id),
            status="FAILED" if curve.status == "diverged" else "FINISHED",
            start_time=now + number,
            end_time=now + number,
            lifecycle_stage="active",
            artifact_uri="",
            source_type="UNKNOWN",
            user_id="nobody",
        ),
        *(SqlTag(run_uuid=run, key=key, value=value) for key, value in tags.items()),
        *(
            SqlParam(run_uuid=run, key=key, value=str(value))
            for key, value in {**configuration, "seed": number}.items()
        ),
    ]
    for epoch, loss in enumerate(curve.losses, start=1):
        metrics = {"val/loss": loss, "train/loss": loss, "throughput/events_per_second": 100.0 + number}
        for key, value in metrics.items():
            stored = 0.0 if math.isnan(value) else min(value, sys.float_info.max)
            common = {"run_uuid": run, "key": key, "value": stored, "is_nan": math.isnan(value)}
            rows.append(SqlMetric(timestamp=now + epoch, step=epoch, **common))
            if epoch == len(curve.losses):
                rows.append(SqlLatestMetric(timestamp=now + epoch, step=epoch, **common))
    return rows
