"""Writing runs: parents, trials, epochs, ends. Only the driver process does.

Explicit run ids and synchronous batches throughout: no global "active run", and what is logged is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.space import Configuration
from mlpf_hpo.tracking.client import artifact_root, tracking_uri

NOTE, NAME, PARENT = "mlflow.note.content", "mlflow.runName", "mlflow.parentRunId"

MLFLOW_STATUS = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "diverged": "FAILED",
    "failed": "FAILED",
    "killed": "KILLED",
}
"""What MLflow is told for each of our statuses; ours stands in the tag `trial_status`."""

EPOCH_METRIC = "val/loss"
"""Logged at every epoch of every trial; tells which epochs are on record."""


def experiment_name(kind: str) -> str:
    """Return the experiment that holds runs of a kind."""
    return f"mlpf/{kind}"


class RunWriter:
    """Writes to one MLflow store.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    """

    def __init__(self, client: MlflowClient) -> None:
        self.client = client
        self._experiments: dict[str, str] = {}
        self._last_epoch: dict[str, int] = {}

    def experiment_id(self, kind: str) -> str:
        """Return the id of the experiment for runs of a kind, made if it is not there."""
        if kind not in self._experiments:
            name = experiment_name(kind)
            found = self.client.get_experiment_by_name(name)
            self._experiments[kind] = found.experiment_id if found else self._create_experiment(name)
        return self._experiments[kind]

    def open_parent(
        self,
        kind: str,
        campaign_id: str,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        note: str,
        digest: str | None = None,
        dataset_path: Path | None = None,
        host: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the parent run of a campaign, search, benchmark or comparison, made or opened again.

        Parameters
        ----------
        kind : str
            "campaign", "search", "predictors" or "benchmark".
        campaign_id : str
            Identity that parent and trials share; a second call with it opens the same run.
        name, tags, params, note
            What the UI shows. Params of a run that exists are left as they are.
        digest, dataset_path : optional
            The data set, as an input of the run.
        host : mapping, optional
            Record of the machine, stored as host.json.

        Returns
        -------
        str
            Run id.
        """
        everything = {**tags, "kind": kind, "campaign_id": campaign_id, NOTE: note}
        found = self._find(kind, f"tags.campaign_id = '{campaign_id}' and tags.kind = '{kind}'")
        run_id = self._open(found, kind, name, everything, params, digest, dataset_path)
        if host is not None:
            self.client.log_dict(run_id, dict(host), "host.json")
        return run_id

    def open_trial(
        self,
        parent_run_id: str,
        kind: str,
        campaign_id: str,
        trial_id: str,
        trial_key: str,
        configuration: Configuration,
        seed: int,
        tags: Mapping[str, str] | None = None,
        digest: str | None = None,
        dataset_path: Path | None = None,
    ) -> str:
        """Return the run of a trial, made, or opened again if this campaign has trained some of it."""
        everything = {
            **(tags or {}),
            "kind": "trial",
            "stage": kind,
            "campaign_id": campaign_id,
            "trial_id": trial_id,
            "trial_key": trial_key,
            "trial_status": "running",
            PARENT: parent_run_id,
        }
        condition = f"tags.campaign_id = '{campaign_id}' and tags.trial_key = '{trial_key}'"
        found = self._find(kind, condition)
        params = {**configuration, "seed": seed}
        run_id = self._open(
            found, kind, trial_name(trial_id, configuration), everything, params, digest, dataset_path
        )
        if found is not None:
            history = self.client.get_metric_history(run_id, EPOCH_METRIC)
            self._last_epoch[run_id] = max((point.step for point in history), default=0)
        return run_id

    def log_epoch(
        self, run_id: str, epoch: int, metrics: Mapping[str, float], timestamp_ms: int | None = None
    ) -> None:
        """Log all metrics of an epoch at once; epochs on record are left as they are.

        Parameters
        ----------
        run_id : str
            The trial's run.
        epoch : int
            Number of the epoch, from 1; MLflow's step.
        metrics : mapping
            Metric name -> value; NaN and infinities are kept.
        timestamp_ms : int, optional
            When the epoch ended, ms since 1970; now by default.
        """
        if epoch <= self._last_epoch.get(run_id, 0):
            return
        moment = timestamp_ms if timestamp_ms is not None else int(time.time() * 1000)
        points = [Metric(name, float(value), moment, epoch) for name, value in metrics.items()]
        self.client.log_batch(run_id, metrics=points)
        self._last_epoch[run_id] = epoch

    def close(self, run_id: str, status: str, tags: Mapping[str, str] | None = None) -> None:
        """End a run with one of our statuses (see `MLFLOW_STATUS`)."""
        everything = {**(tags or {}), "trial_status": status}
        self.client.log_batch(run_id, tags=[RunTag(name, str(value)) for name, value in everything.items()])
        self.client.set_terminated(run_id, status=MLFLOW_STATUS[status])

    def summary(self, run_id: str, values: Mapping[str, float]) -> None:
        """Log single numbers of a whole run as `summary/...`."""
        moment = int(time.time() * 1000)
        points = [Metric(f"summary/{name}", float(value), moment, 0) for name, value in values.items()]
        self.client.log_batch(run_id, metrics=points)

    def add_to_summary(self, run_id: str, name: str, value: float) -> float:
        """Add to a summary number, for work done in several sittings, and return the new total."""
        total = self.client.get_run(run_id).data.metrics.get(f"summary/{name}", 0.0) + value
        self.summary(run_id, {name: total})
        return float(total)

    def keep_files(self, run_id: str, folder: Path, at: str) -> None:
        """Store the files of a folder with a run, below the path `at`."""
        self.client.log_artifacts(run_id, str(folder), at)

    def close_orphans(self, campaign_id: str) -> int:
        """Close as killed the runs that a driver left behind when it died; return how many."""
        orphans = [
            run
            for kind in ("campaign", "search")
            for run in self.client.search_runs(
                [self.experiment_id(kind)],
                f"tags.campaign_id = '{campaign_id}' and attributes.status = 'RUNNING'",
                max_results=10_000,
            )
        ]
        for run in orphans:
            self.close(run.info.run_id, "killed", tags={"reason": "the driver died"})
        return len(orphans)

    def _create_experiment(self, name: str) -> str:
        root = artifact_root(tracking_uri(self.client.tracking_uri))
        location = f"{root}/{name}" if root else None
        try:
            return str(self.client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise TrackingError(f"experiment {name}: cannot be made: {error}") from None
            return str(found.experiment_id)

    def _find(self, kind: str, condition: str) -> Run | None:
        runs = self.client.search_runs([self.experiment_id(kind)], condition, max_results=1)
        return runs[0] if runs else None

    def _open(
        self,
        found: Run | None,
        kind: str,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        digest: str | None,
        dataset_path: Path | None,
    ) -> str:
        if found is not None:
            run_id = found.info.run_id
            self.client.update_run(run_id, status="RUNNING")
            self.client.log_batch(run_id, tags=[RunTag(key, str(value)) for key, value in tags.items()])
            return str(run_id)
        run = self.client.create_run(self.experiment_id(kind), tags={**tags, NAME: name}, run_name=name)
        run_id = run.info.run_id
        self.client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
        if digest is not None:
            self.client.log_inputs(run_id, datasets=[dataset_input(digest, dataset_path)])
        return str(run_id)


def trial_name(trial_id: str, configuration: Configuration) -> str:
    """Return a name that shows what matters in the 25 characters that the UI has room for.

    Examples
    --------
    >>> trial_name("t003", {"lr": 3.5e-4, "output_dim": 32, "n_glayers_id": 2, "n_glayers_reg": 3})
    't003 lr=3.5e-04 d=32 L=2+3'
    """
    c = configuration
    if not {"lr", "output_dim", "n_glayers_id", "n_glayers_reg"} <= set(c):
        return trial_id
    return f"{trial_id} lr={c['lr']:.1e} d={c['output_dim']} L={c['n_glayers_id']}+{c['n_glayers_reg']}"


def dataset_input(digest: str, path: Path | None, name: str = "events", context: str = "training") -> Any:
    """Return a data set as MLflow records it: name, digest, and a plain path as its source."""
    source = json.dumps({"uri": str(path) if path else ""})
    dataset = Dataset(name=name, digest=digest[:36], source_type="local", source=source)
    return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", context)])
