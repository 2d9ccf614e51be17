"""Look up a trial's run by a run id, a trial key, or the beginning of one."""

from __future__ import annotations

import re

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from mlpf_hpo.credentials import public_uri
from mlpf_hpo.errors import MissingInputError
from mlpf_hpo.tracking.duplicate_runs import counted_once
from mlpf_hpo.tracking.mlflow_errors import with_read_errors
from mlpf_hpo.tracking.records import TrialRun
from mlpf_hpo.tracking.store_writes import experiment_name

KINDS = ("campaign", "search", "reference")
"""Experiments that hold trials."""

SHORTEST = 4
"""Fewest characters of a trial key that are accepted."""


@with_read_errors
def find_runs(client: MlflowClient, wanted: str) -> list[TrialRun]:
    """Return the trial's run of that id, or those whose trial key begins like this, newest first.

    Raises
    ------
    MissingInputError
        If there is none, or the run is not that of a trial.
    """
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},32}}", wanted):
        raise MissingInputError(
            f"{wanted}: neither a checkpoint, nor a run id or the first {SHORTEST} or more characters of a "
            "trial key (tag trial_key in MLflow), nor a registered version (mlpf@champion, mlpf/3)"
        )
    run = _by_id(client, wanted)
    if run is not None:
        if run.data.tags.get("kind") != "trial":
            kind = run.data.tags.get("kind", "something else")
            raise MissingInputError(f"run {wanted}: not that of a trial ({kind}); give one of its trials")
        return [_trial_run(run)]
    found = _by_key(client, wanted)
    if not found:
        raise MissingInputError(
            f"{wanted}: no checkpoint of this name, and no such run or trial key in "
            f"{public_uri(client.tracking_uri)}"
        )
    return found


@with_read_errors
def runs_of_trial(client: MlflowClient, trial_key: str) -> list[TrialRun]:
    """Return the runs of a trial, newest first; none if it was trained without MLflow."""
    return _by_key(client, trial_key)


def _by_id(client: MlflowClient, run_id: str) -> Run | None:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _by_key(client: MlflowClient, beginning: str) -> list[TrialRun]:
    experiments = [client.get_experiment_by_name(experiment_name(kind)) for kind in KINDS]
    ids = [experiment.experiment_id for experiment in experiments if experiment is not None]
    condition = f"tags.kind = 'trial' and tags.trial_key LIKE '{beginning}%'"
    return [_trial_run(run) for run in counted_once(client.search_runs(ids, condition))] if ids else []


def _trial_run(run: Run) -> TrialRun:
    tags = run.data.tags
    return TrialRun(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        name=run.info.run_name,
        trial_id=tags["trial_id"],
        trial_key=tags["trial_key"],
        campaign_id=tags["campaign_id"],
    )
