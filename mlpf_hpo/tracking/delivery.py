"""Operations carried out on a store, so that any may be repeated: what is on record stays as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.entities.lifecycle_stage import LifecycleStage
from mlflow.exceptions import MlflowException

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.tracking.client import artifact_root, tracking_uri
from mlpf_hpo.tracking.duplicates import by_preference
from mlpf_hpo.tracking.epochs import has_epochs, last_epoch
from mlpf_hpo.tracking.hosts import LABEL, joined_labels
from mlpf_hpo.tracking.mlflow_errors import UnreachableError, translate_errors
from mlpf_hpo.tracking.operations import STATUS, CloseRun, LogMetrics, LogSeries, OpenRun, Operation

NAME = "mlflow.runName"

MLFLOW_STATUS = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "diverged": "FAILED",
    "failed": "FAILED",
    "killed": "KILLED",
}
"""What MLflow is told for each of our statuses; ours stands in the tag `STATUS`."""

ENDING = ("reason", "stop", "worker_deaths")
"""Tags that tell how a run ended; they are emptied when it goes on."""

POINTS_PER_BATCH = 1000
"""So many points MLflow takes at once."""

BREAKS = 5
"""An operation over which a server that answers other requests breaks so often is taken for refused."""


def experiment_name(kind: str) -> str:
    """Return the experiment that holds runs of a kind."""
    return f"mlpf/{kind}"


class Delivery:
    """Carries operations out; each may have been carried out before, in full or in part.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    """

    def __init__(self, client: MlflowClient) -> None:
        self.client = client
        self.uri = tracking_uri(client.tracking_uri)
        self._experiments: dict[str, str] = {}
        self._run_ids: dict[str, str] = {}
        self._last_epoch: dict[str, int] = {}
        self._doubtful: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._broken: tuple[Operation | None, int] = (None, 0)

    def experiment_id(self, kind: str) -> str:
        """Return the id of the experiment for runs of a kind, made if it is not there."""
        if kind not in self._experiments:
            name = experiment_name(kind)
            found = self.client.get_experiment_by_name(name)
            if found and found.lifecycle_stage != LifecycleStage.ACTIVE:
                raise TrackingError(
                    f"the experiment {name} was deleted in MLflow; bring it back with: mlflow experiments "
                    f"restore --experiment-id {found.experiment_id}"
                )
            self._experiments[kind] = found.experiment_id if found else self._create_experiment(name)
        return self._experiments[kind]

    def run_id(self, run: str) -> str:
        """Return the id of a run that is named by its stand-in; an id stands for itself."""
        return self._run_ids.get(run, run)

    def perform(self, operation: Operation, again: bool = False) -> str | None:
        """Carry an operation out and return the run's id if it opened one.

        Parameters
        ----------
        operation : Operation
            What to do.
        again : bool
            Whether it may have been carried out before; `remove_twins` looks after runs opened so.

        Raises
        ------
        UnreachableError
            If MLflow does not answer; it may have carried the operation out all the same.
        StorageError
            If the database file cannot be written.
        TrackingError
            If MLflow refuses: the same would be refused again.
        """
        if again and isinstance(operation, OpenRun):
            self.doubt(operation.kind, operation.identity)
        try:
            with translate_errors(self.uri, operation.told()):
                return self._perform(operation)
        except UnreachableError as error:
            if isinstance(operation, OpenRun):
                self.doubt(operation.kind, operation.identity)
            if error.perhaps_refused and self._breaks_over(operation):
                raise TrackingError(f"{operation.told()}: the server breaks over it: {error}") from error
            raise

    def answers(self) -> bool:
        """Tell whether MLflow answers at all."""
        try:
            with translate_errors(self.uri):
                self.client.search_experiments(max_results=1)
        except (TrackingError, StorageError):
            return False
        return True

    def doubt(self, kind: str, identity: Mapping[str, str]) -> None:
        """Remember a run that may have been made twice: a request without an answer can still be obeyed."""
        self._doubtful["/".join(identity.values())] = (kind, identity)

    def remove_twins(self) -> set[str]:
        """Delete the empty twins of doubtful runs and return their ids."""
        deleted = set()
        with translate_errors(self.uri):
            while self._doubtful:
                name, (kind, identity) = next(iter(self._doubtful.items()))
                for run in self._all(kind, identity)[1:]:
                    if run.info.status == "RUNNING" and not has_epochs(run):
                        self.client.delete_run(run.info.run_id)
                        deleted.add(str(run.info.run_id))
                del self._doubtful[name]
        return deleted

    def _perform(self, operation: Operation) -> str | None:
        if isinstance(operation, OpenRun):
            run_id = self._run_ids[operation.run] = self._open(operation)
            return run_id
        run_id = self.run_id(operation.run)
        if "/" in run_id:
            raise TrackingError(f"{operation.told()}: its run could not be opened")
        if isinstance(operation, LogMetrics):
            self._log(run_id, operation)
        elif isinstance(operation, LogSeries):
            self._log_series(run_id, operation)
        else:
            self._close(run_id, operation)
        return None

    def _open(self, operation: OpenRun) -> str:
        found = next(iter(self._all(operation.kind, operation.identity)), None)
        known: set[str] = set()
        if found is None:
            run = self.client.create_run(
                self.experiment_id(operation.kind),
                start_time=operation.moment_ms,
                tags={**operation.tags, NAME: operation.name},
                run_name=operation.name,
            )
            run_id = str(run.info.run_id)
            self._last_epoch[run_id] = 0
        else:
            run_id = str(found.info.run_id)
            known = set(found.data.params)
            self.client.update_run(run_id, status="RUNNING")
        # Here and not only with a new run: a kill may have come between making it and this.
        params = [Param(key, value) for key, value in operation.params.items() if key not in known]
        tags = [RunTag(key, value) for key, value in _tags_again(operation, found).items()] if found else []
        self.client.log_batch(run_id, params=params, tags=tags)
        if operation.digest is not None and not (found and found.inputs.dataset_inputs):
            self.client.log_inputs(run_id, datasets=[dataset_input(operation.digest, operation.source)])
        return run_id

    def _log(self, run_id: str, operation: LogMetrics) -> None:
        epoch = operation.epoch
        if epoch and epoch <= self._epochs_on_record(run_id):
            return
        points = [
            Metric(name, float(value), operation.moment_ms, epoch)
            for name, value in operation.metrics.items()
        ]
        self.client.log_batch(run_id, metrics=points)
        if epoch:
            self._last_epoch[run_id] = epoch

    def _log_series(self, run_id: str, operation: LogSeries) -> None:
        history = self.client.get_metric_history(run_id, operation.metric)
        last = max((point.step for point in history), default=-1)
        left = [
            Metric(operation.metric, value, moment, step)
            for step, value, moment in operation.points
            if step > last
        ]
        for start in range(0, len(left), POINTS_PER_BATCH):
            self.client.log_batch(run_id, metrics=left[start : start + POINTS_PER_BATCH])

    def _close(self, run_id: str, operation: CloseRun) -> None:
        tags = {**operation.tags, STATUS: operation.status}
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        status = MLFLOW_STATUS[operation.status]
        self.client.set_terminated(run_id, status=status, end_time=operation.moment_ms)

    def _epochs_on_record(self, run_id: str) -> int:
        if run_id not in self._last_epoch:
            self._last_epoch[run_id] = last_epoch(self.client.get_run(run_id))
        return self._last_epoch[run_id]

    def _all(self, kind: str, identity: Mapping[str, str]) -> list[Run]:
        """Return the runs with these tags, first the one that counts."""
        condition = " and ".join(f"tags.{tag} = '{value}'" for tag, value in identity.items())
        found = self.client.search_runs([self.experiment_id(kind)], condition, max_results=100)
        return by_preference(found)

    def _breaks_over(self, operation: Operation) -> bool:
        """Tell whether a server that answers others fails over this; while it is away, nothing counts."""
        if not self.answers():
            self._broken = (None, 0)
            return False
        last, times = self._broken
        self._broken = (operation, times + 1 if last is operation else 1)
        return self._broken[1] >= BREAKS

    def _create_experiment(self, name: str) -> str:
        root = artifact_root(self.uri)
        location = f"{root}/{name}" if root else None
        try:
            return str(self.client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = self.client.get_experiment_by_name(name)  # another process may have been first
            if found is None:
                raise
            return str(found.experiment_id)


def _tags_again(operation: OpenRun, found: Run) -> Mapping[str, str]:
    """Return the tags of a run that is opened again, on another machine perhaps: without its earlier end."""
    tags = {**{name: "" for name in ENDING if name in found.data.tags}, **operation.tags}
    if LABEL in tags and has_epochs(found):
        tags[LABEL] = joined_labels(found.data.tags.get(LABEL, ""), tags[LABEL])
    return tags


def dataset_input(
    digest: str, source: str | Path | None, name: str = "events", context: str = "training"
) -> Any:
    """Return a data set as MLflow records it: name, digest, and a plain path as its source."""
    told = json.dumps({"uri": str(source) if source else ""})
    dataset = Dataset(name=name, digest=digest[:36], source_type="local", source=told)
    return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", context)])
